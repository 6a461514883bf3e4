/**
 * Work on one claimed report: the record looked up again, the bytes made and kept, every target that is due tried, and
 * each step kept before the next one (RPT-102). Dying anywhere in here costs at most a repetition of identical bytes.
 *
 * What an attempt is, and what follows from its outcome, is known elsewhere. Rejects when the store cannot answer.
 */
import type { DnsResolver } from '@hermetic/policy'
import type { RenderedReport, ReportClaim, ReportNext, ResultStore, TargetState } from './ports/result-store.ts'
import type { TlsrptRecord } from './record.ts'
import { lookUpTlsrptRecord } from './record-lookup.ts'
import type { Reporter } from './report.ts'
import { type HttpsRua, type MailtoRua, parseRua, type Rua } from './rua.ts'
import { nextAttempt, REPORTS_PER_SITE_MAX, targetSite } from './schedule.ts'
import type { ReportSendingEvent } from './sending-events.ts'
import { renderClaim, type StoredReport, storedReport } from './stored-report.ts'
import type { Submission, SubmissionFacts } from './submission.ts'
import type { SendingTime } from './submit-mailto.ts'
import {
  type AttemptMoment,
  afterAttempt,
  afterLimit,
  expired,
  isDelivered,
  isDue,
  isOver,
  nextDueAt,
  withPublished,
} from './target-state.ts'
import { utcDayOf } from './utc-day.ts'

export interface WorkOptions {
  readonly store: Pick<ResultStore, 'mark' | 'admit'>
  readonly storeId: string
  readonly resolver: Pick<DnsResolver, 'txt'>
  readonly reporter: Reporter
  readonly submit: SubmitReport
  /** UTC milliseconds. */
  readonly now: () => number
  readonly monotonic: () => number
  /** From 0 to 1. */
  readonly random: () => number
  readonly emit: (event: ReportSendingEvent) => void
  readonly reportsPerSiteMax?: number
}

export interface SubmitReport {
  readonly mailto: (stored: StoredReport, target: MailtoRua, time: SendingTime) => Promise<Submission>
  readonly https: (stored: StoredReport, target: HttpsRua, signal: AbortSignal | undefined) => Promise<Submission>
}

export interface WorkOrder {
  /** An operator is waiting: targets are tried before their time. */
  readonly urgent: boolean
  readonly signal: AbortSignal
}

export type WorkEnd =
  | { readonly kind: 'lost' | 'not-wanted' | 'record-unknown' }
  | { readonly kind: 'worked'; readonly submitted: number; readonly waiting: number; readonly givenUp: number }

/** Longer than any attempt: two exchanges of 60 s, or an accept of the mail queue. */
const ATTEMPT_MAX_MS = 150_000
export const LEASE_MS = 240_000
const WORKING: ReportNext = { kind: 'working', leaseMs: LEASE_MS }
/** The first pause of a lookup that failed; each is as long as all before. */
const LOOKUP_PAUSE_MS = 5 * 60_000

export function workOn(claim: ReportClaim, options: WorkOptions, order: WorkOrder): Promise<WorkEnd> {
  return new ReportWork(claim, options, order).run()
}

class ReportWork {
  readonly #claim: ReportClaim
  readonly #options: WorkOptions
  readonly #order: WorkOrder
  readonly #about: Pick<ReportClaim, 'policyDomain' | 'day'>
  readonly #firstAttemptAt: number
  #targets: readonly TargetState[]
  #leaseUntil: number

  constructor(claim: ReportClaim, options: WorkOptions, order: WorkOrder) {
    this.#claim = claim
    this.#options = options
    this.#order = order
    this.#about = { policyDomain: claim.policyDomain, day: claim.day }
    this.#firstAttemptAt = claim.firstAttemptAt ?? options.now()
    this.#targets = claim.targets
    this.#leaseUntil = options.monotonic() + LEASE_MS
  }

  async run(): Promise<WorkEnd> {
    if (isOver(this.#moment())) return this.#expire()
    const found = await lookUpTlsrptRecord(this.#options.resolver, this.#claim.policyDomain, { afresh: true })
    if (found.kind === 'failure') return this.#withoutAnswer(found.reason.kind)
    if (found.kind === 'none') return this.#notWanted(found.because)
    this.#follow(found.record)
    if (this.#targets.length === 0) return this.#notWanted('no-usable-target')
    const stored = await this.#keptBytes()
    return stored === undefined ? LOST : this.#serve(stored)
  }

  /** RPT-13: the record as it is now says who gets the report. */
  #follow({ targets, ignored }: Pick<TlsrptRecord, 'targets' | 'ignored'>): void {
    const first = this.#claim.rendered === undefined
    for (const { uri, error } of first ? ignored : []) {
      this.#tell({ event: 'tlsrpt-target-ignored', target: uri, reason: error.kind })
    }
    this.#replace(withPublished(this.#targets, targets))
  }

  /** Nobody asks for it any more. */
  async #notWanted(reason: string): Promise<WorkEnd> {
    this.#replace(withPublished(this.#targets, []))
    if (!(await this.#mark({ kind: 'done' }))) return LOST
    this.#tell({ event: 'tlsrpt-report-not-wanted', reason })
    return { kind: 'not-wanted' }
  }

  /** A failure is never an absence: asked again, later and later, for as long as targets would be. */
  async #withoutAnswer(reason: string): Promise<WorkEnd> {
    const moment = this.#moment()
    const pauses = (moment.now - this.#firstAttemptAt) / LOOKUP_PAUSE_MS
    const next = nextAttempt({ ...moment, attempts: 1 + Math.floor(Math.log2(1 + Math.max(0, pauses))) })
    if (next.kind === 'give-up') return this.#expire(reason)
    if (!(await this.#mark({ kind: 'due', at: next.at }))) return LOST
    this.#tell({ event: 'tlsrpt-record-lookup-failed', reason, nextAt: next.at })
    return { kind: 'record-unknown' }
  }

  #expire(reason?: string): Promise<WorkEnd> {
    this.#replace(this.#targets.map((target) => expired(target, reason)))
    return this.#finish(0)
  }

  /** Before the first target gets them; what is kept already wins. */
  async #keptBytes(): Promise<StoredReport | undefined> {
    const { reporter, storeId, now } = this.#options
    const before = this.#claim.rendered
    if (before !== undefined) {
      return (await this.#mark(WORKING)) ? storedReport(this.#claim, before, storeId) : undefined
    }
    const made = renderClaim(this.#claim, { reporter, storeId, now: now() })
    if (!made.ok) throw new Error(`our own schema refuses a report: ${made.error.kind} at ${made.error.path}`)
    const { rendered, reduced } = made.value
    if (!(await this.#mark(WORKING, rendered))) return undefined
    const { reportId, compressed } = rendered
    this.#tell({ event: 'tlsrpt-report-made', reportId, octets: compressed.length, reduced })
    return storedReport(this.#claim, rendered, storeId)
  }

  /** RPT-98: every one of them, whatever became of the others. */
  async #serve(stored: StoredReport): Promise<WorkEnd> {
    const { urgent, signal } = this.#order
    let submitted = 0
    for (const target of this.#targets) {
      const rua = parseRua(target.uri)
      const wanted = urgent ? target.state === 'waiting' : isDue(target, this.#options.now())
      if (!wanted || !rua.ok || signal.aborted) continue
      const after = await this.#attempt(stored, target, rua.value)
      this.#targets = this.#targets.map((one) => (one.uri === after.uri ? after : one))
      submitted += isDelivered([after]) ? 1 : 0
      if (!(await this.#mark(WORKING))) return LOST
    }
    return this.#finish(submitted)
  }

  async #attempt(stored: StoredReport, target: TargetState, rua: Rua): Promise<TargetState> {
    const { store, now, monotonic, submit, reportsPerSiteMax = REPORTS_PER_SITE_MAX } = this.#options
    const { policyDomain, day } = this.#about
    const admitted = await store.admit(targetSite(rua), utcDayOf(now()), reportsPerSiteMax)
    if (!admitted) return this.#told(afterLimit(target, this.#moment()), rua)
    // This process may have slept, or the store: what another has taken over by now is not sent here as well.
    if (this.#leaseUntil - monotonic() < ATTEMPT_MAX_MS) return { ...target, nextAt: now() }
    const { outcome, told } =
      rua.kind === 'mailto'
        ? await submit.mailto(stored, rua, { firstAttemptAt: this.#firstAttemptAt })
        : await submit.https(stored, rua, this.#order.signal)
    const after = afterAttempt(target, outcome, this.#moment())
    if (!isDelivered([after])) return this.#told(after, rua, told)
    const about = { policyDomain, day, transport: rua.kind, target: target.uri, attempts: after.attempts }
    const { reportId } = stored.rendered
    this.#options.emit({ event: 'tlsrpt-report-submitted', ...about, reportId, ...told })
    return after
  }

  async #finish(submitted: number): Promise<WorkEnd> {
    const dueAt = nextDueAt(this.#targets)
    if (!(await this.#mark(dueAt === undefined ? { kind: 'done' } : { kind: 'due', at: dueAt }))) return LOST
    if (dueAt === undefined) {
      const outcome = isDelivered(this.#targets) ? 'delivered' : 'undelivered'
      this.#tell({ event: 'tlsrpt-report-done', outcome, targets: this.#targets.length })
    }
    const count = (state: TargetState['state']): number => this.#targets.filter((one) => one.state === state).length
    return { kind: 'worked', submitted, waiting: count('waiting'), givenUp: count('given-up') }
  }

  async #mark(next: ReportNext, rendered?: RenderedReport): Promise<boolean> {
    const { store, monotonic } = this.#options
    const askedAt = monotonic()
    const progress = { targets: this.#targets, firstAttemptAt: this.#firstAttemptAt, next }
    const marked = await store.mark(this.#claim, rendered === undefined ? progress : { ...progress, rendered })
    if (!marked) this.#tell({ event: 'tlsrpt-claim-lost' })
    else if (next.kind === 'working') this.#leaseUntil = askedAt + next.leaseMs
    return marked
  }

  /** What waits no longer, without having been asked, is told. */
  #replace(targets: readonly TargetState[]): void {
    const before = new Map(this.#targets.map((target) => [target.uri, target]))
    this.#targets = targets
    for (const target of targets) {
      const rua = parseRua(target.uri)
      if (rua.ok && target.state === 'given-up' && before.get(target.uri)?.state === 'waiting') {
        this.#told(target, rua.value)
      }
    }
  }

  /** Of a target that has not got it. */
  #told(target: TargetState, { kind: transport }: Rua, { unproven }: SubmissionFacts = {}): TargetState {
    const { uri, attempts, nextAt, reason = 'unknown' } = target
    const about = { ...this.#about, transport, target: uri, attempts, reason }
    const doubt = unproven === undefined ? {} : { unproven }
    const { emit } = this.#options
    if (target.state === 'given-up' || nextAt === undefined) emit({ event: 'tlsrpt-target-given-up', ...about })
    else emit({ event: 'tlsrpt-report-deferred', ...about, nextAt, ...doubt })
    return target
  }

  #tell(event: EventOfReport): void {
    this.#options.emit({ ...this.#about, ...event })
  }

  #moment(): AttemptMoment {
    const { now, random } = this.#options
    return { firstAttemptAt: this.#firstAttemptAt, now: now(), random: random() }
  }
}

const LOST: WorkEnd = { kind: 'lost' }

type Without<E> = E extends unknown ? Omit<E, 'policyDomain' | 'day'> : never
/** What is told of a report as a whole. */
type EventOfReport = Without<
  Extract<
    ReportSendingEvent,
    {
      readonly event:
        | 'tlsrpt-report-made'
        | 'tlsrpt-report-not-wanted'
        | 'tlsrpt-record-lookup-failed'
        | 'tlsrpt-target-ignored'
        | 'tlsrpt-report-done'
        | 'tlsrpt-claim-lost'
    }
  >
>
