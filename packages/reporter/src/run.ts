/**
 * Runs of the daily reports: days that are too old are forgotten, days that are over are closed, reports that are due are
 * worked on a few at a time. Any number of nodes may run at once; the store gives each report to one of them.
 *
 * Whatever goes wrong with one report is told and never stops the others.
 */
import { type ReportClaim, type ResultStore, ResultStoreUnavailable } from './ports/result-store.ts'
import { LEASE_MS, type WorkEnd, type WorkOptions, workOn } from './report-work.ts'
import { firstAttemptAt, KEPT_FOR_MS } from './schedule.ts'
import { CLOSES_AFTER_MS, isClosed, type UtcDay, utcDayOf } from './utc-day.ts'

export interface RunOptions extends Omit<WorkOptions, 'store' | 'storeId'> {
  readonly store: ResultStore
  /** Reports that are worked on at the same time. */
  readonly atOnce?: number
}

export interface RunRequest {
  /** Undefined: all that is due. */
  readonly day?: UtcDay | undefined
  /** Does not wait for times: an operator's wish. A day that is named is closed, also before it is over. */
  readonly urgent?: boolean
  readonly signal: AbortSignal
}

export interface RunSummary {
  readonly reports: number
  /** Targets that have it now. */
  readonly submitted: number
  /** Targets that are tried again. */
  readonly waiting: number
  readonly givenUp: number
  /** Reports that nobody wants any more. */
  readonly notWanted: number
  /** Reports whose record could not be looked up. */
  readonly recordUnknown: number
}

/** Exchanges wait for others most of the time, and some others take all the time there is. */
const AT_ONCE = 16
/** After a defect of ours: a report that breaks us does not keep us busy. */
const DEFECT_PAUSE_MS = 60 * 60_000

/** Rejects with `ResultStoreUnavailable`. */
export async function runReports(options: RunOptions, request: RunRequest): Promise<RunSummary> {
  const storeId = await options.store.storeId()
  // First: who was away for days does not begin with reports about the week before.
  await forgetOldDays(options)
  await closeDays(options, request, storeId)
  const ends: WorkEnd[] = []
  const work = { ...options, storeId }
  const order = { urgent: request.urgent === true, signal: request.signal }
  const worker = async (): Promise<void> => {
    while (!request.signal.aborted) {
      const claim = await options.store.claimReport(options.now(), LEASE_MS, request.day)
      if (claim === undefined) return
      if (claim.kind === 'damaged') {
        const { policyDomain, day, part } = claim
        options.emit({ event: 'tlsrpt-report-damaged', policyDomain, day, part })
        continue
      }
      ends.push(await contained(claim, work, order))
    }
  }
  const workers = await Promise.allSettled(Array.from({ length: options.atOnce ?? AT_ONCE }, worker))
  for (const one of workers) if (one.status === 'rejected') throw one.reason
  return summaryOf(ends)
}

async function closeDays(options: RunOptions, { day, urgent }: RunRequest, storeId: string): Promise<void> {
  const { store, now, emit } = options
  const close = async (one: UtcDay): Promise<void> => {
    const reports = await store.closeDay(one, (policyDomain) => firstAttemptAt({ day: one, policyDomain, storeId }))
    emit({ event: 'tlsrpt-day-closed', day: one, reports })
  }
  const at = now()
  for (const one of await store.openDays(utcDayOf(at - CLOSES_AFTER_MS))) await close(one)
  if (urgent !== true) return
  const known = await store.days()
  if (day !== undefined && known.includes(day) && !isClosed(day, at)) await close(day)
  for (const one of day === undefined ? known : [day]) await store.expedite(one, at)
}

async function contained(
  claim: ReportClaim,
  options: WorkOptions,
  order: Parameters<typeof workOn>[2],
): Promise<WorkEnd> {
  try {
    return await workOn(claim, options, order)
  } catch (error) {
    if (error instanceof ResultStoreUnavailable) throw error
    const { policyDomain, day, targets } = claim
    options.emit({ event: 'tlsrpt-sending-defect', policyDomain, day, detail: String(error) })
    await options.store.mark(claim, { targets, next: { kind: 'due', at: options.now() + DEFECT_PAUSE_MS } })
    return { kind: 'lost' }
  }
}

/** RPT-103. Rejects with `ResultStoreUnavailable`. */
async function forgetOldDays({ store, now, emit }: Pick<RunOptions, 'store' | 'now' | 'emit'>): Promise<void> {
  const before = utcDayOf(now() - KEPT_FOR_MS)
  const [oldest] = await store.days()
  if (oldest === undefined || oldest >= before) return
  emit({ event: 'tlsrpt-days-forgotten', before, unfinished: await store.forget(before) })
}

function summaryOf(ends: readonly WorkEnd[]): RunSummary {
  const worked = ends.filter((end) => end.kind === 'worked')
  const sum = (count: (end: (typeof worked)[number]) => number): number =>
    worked.reduce((total, end) => total + count(end), 0)
  const ended = (kind: WorkEnd['kind']): number => ends.filter((end) => end.kind === kind).length
  return {
    reports: ends.length,
    submitted: sum((end) => end.submitted),
    waiting: sum((end) => end.waiting),
    givenUp: sum((end) => end.givenUp),
    notWanted: ended('not-wanted'),
    recordUnknown: ended('record-unknown'),
  }
}
