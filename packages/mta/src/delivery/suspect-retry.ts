/**
 * Delivers messages that were in flight when the relay died, one by one, each in a child process (architecture §3).
 *
 * Only the death of such a child while we live quarantines its message: a killed relay, a full machine or a reboot
 * charge nobody. A child that ends by itself has settled its claims, and clears the suspicion; one that tried nobody,
 * for the site takes nothing more now or DNS cannot be asked, leaves its message for later.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { NOTICE_LANE } from '../bounce/notice-lane.ts'
import { defaultNoticeSettings } from '../bounce/notice-plan.ts'
import { defaultRetryOptions } from '../schedule/retry-schedule.ts'
import type { MailDomain } from '../smtp/mail-address.ts'
import { DEFAULT_TIMEOUTS } from '../smtp/timeouts.ts'
import type { CrashSuspects } from '../spool/crash-suspects.ts'
import type { QueueId } from '../spool/queue-id.ts'
import { type Claim, type Spool, StoreUnavailable } from '../spool/spool.ts'
import { type DeliveryOptions, LEASE_MS, STOP_GRACE_MS } from './delivery.ts'
import { type LaneId, laneOf } from './lane.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { guardOf, SuspectAnswers } from './suspect-answers.ts'
import type { ChildSettings, FromChild, SuspectTask, ToChild, TravellingPolicies } from './suspect-protocol.ts'
import { travellingRoutes } from './suspect-routes.ts'

export interface LoneDeliveryOptions {
  readonly spool: Pick<Spool, 'renew' | 'settle' | 'release' | 'open' | 'admin'>
  /** The same that `createDelivery` got. */
  readonly delivery: DeliveryOptions
  /** Ends the running child in good manner; its claims go back. */
  readonly signal: AbortSignal
  /** Tests only. */
  readonly childFile?: URL
}

export interface SuspectRetryOptions extends LoneDeliveryOptions {
  readonly suspects: CrashSuspects
  /** As the spool was told: suspects with fewer deaths are delivered as usual. */
  readonly setAsideAfterDeaths: number
  /** After each child; a quarantine is told by the spool as well. */
  readonly onTried?: (tried: SuspectTried) => void
  /** Tests only. */
  readonly againMs?: number
}

export interface SuspectTried {
  readonly id: QueueId
  readonly lane: LaneId
  readonly end: TriedEnd
}

export type ChildEnd =
  | { readonly kind: 'ended' }
  | { readonly kind: 'died'; readonly detail: string }
  /** The site was at its limit, or DNS is out of reach: nothing was tried, and the claim is still the caller's. */
  | { readonly kind: 'waits'; readonly retryAfterMs: number }
  /** Nothing was tried, and the claim is settled: the mail is due later, and its sender hears of the delay. */
  | { readonly kind: 'delayed' }
  /** We stopped it, did not answer it, or it could not even be started: that says nothing about the message. */
  | { readonly kind: 'inconclusive' }

export type TriedEnd = Exclude<ChildEnd, { readonly kind: 'waits' | 'delayed' }>

const CHILD_FILE = new URL('./suspect-child.ts', import.meta.url)
const STILL_WAITS: ChildEnd = { kind: 'waits', retryAfterMs: 0 }
/** Suspects that are not due yet are looked at again after this. */
const AGAIN_MS = 30_000

/** Resolves when no suspect is set aside any more, or when the signal is aborted. */
export async function retrySuspects(options: SuspectRetryOptions): Promise<void> {
  const { suspects, signal, setAsideAfterDeaths, againMs = AGAIN_MS } = options
  while (!signal.aborted) {
    const setAside = suspects.list().filter(({ deaths }) => deaths >= setAsideAfterDeaths)
    if (setAside.length === 0) return
    let progress = false
    const waits = new Set<LaneId>()
    for (const { id } of setAside) {
      if (!signal.aborted) progress = (await unlessStoreFails(id, options, waits)) || progress
    }
    if (!progress) await pause(againMs, signal)
  }
}

/** A store that is out for a while must not end the tries: the suspects would be set aside until the next start. */
async function unlessStoreFails(id: QueueId, options: SuspectRetryOptions, waits: Set<LaneId>): Promise<boolean> {
  try {
    return await retrySuspect(id, options, waits)
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error
    options.delivery.emit({ event: 'delivery-store-failed', step: 'claim', detail: error.message })
    return false
  }
}

/** True when the suspicion was cleared or confirmed. `waits`: lanes whose site takes nothing more in this round. */
async function retrySuspect(id: QueueId, options: SuspectRetryOptions, waits: Set<LaneId>): Promise<boolean> {
  const { suspects, spool, delivery } = options
  const claims = await suspects.claim(id, { leaseMs: delivery.leaseMs ?? LEASE_MS })
  if (claims.length === 0) {
    if ((await spool.admin.show(id)) !== undefined) return false
    await suspects.clear(id)
    return true
  }
  // Children run one after another: the claim of the last one must still be ours when its turn comes.
  const { monotonic, emit, leaseMs = LEASE_MS } = delivery
  const leases = new LeaseKeeper({ spool, leaseMs, monotonic, emit })
  leases.hold(claims)
  try {
    return await tryEach(id, claims, { options, waits, leases })
  } finally {
    leases.close()
  }
}

interface Round {
  readonly options: SuspectRetryOptions
  readonly waits: Set<LaneId>
  readonly leases: Pick<LeaseKeeper, 'drop'>
}

async function tryEach(id: QueueId, claims: readonly Claim[], { options, waits, leases }: Round): Promise<boolean> {
  const { suspects, spool } = options
  let left = false
  for (const [at, claim] of claims.entries()) {
    const end = waits.has(claim.lane) ? STILL_WAITS : await deliverInChild(claim, options)
    leases.drop(claim.token)
    if (end.kind === 'waits' || end.kind === 'delayed') {
      waits.add(claim.lane)
      if (end.kind === 'waits') await spool.release([claim.token])
      left = true
      continue
    }
    options.onTried?.({ id, lane: claim.lane, end })
    if (end.kind === 'ended') continue
    if (end.kind === 'died') {
      await suspects.quarantine(id, `crash: the process that delivered it died (${end.detail})`)
      return true
    }
    await spool.release(claims.slice(at).map(({ token }) => token))
    return false
  }
  if (!left) await suspects.clear(id)
  return !left
}

/** What it answers and settles goes to the spool; its claim is ours until it ends. */
export function deliverInChild(claim: Claim, options: LoneDeliveryOptions): Promise<ChildEnd> {
  const { signal, childFile = CHILD_FILE } = options
  if (signal.aborted) return Promise.resolve({ kind: 'inconclusive' })
  const child = fork(childFile, [], { serialization: 'advanced', execArgv: [] })
  return new Promise((resolve) => {
    const asked = new SuspectAnswers(claim, options)
    let killer: NodeJS.Timeout | undefined
    let ended: ChildEnd | undefined
    const stop = (): void => {
      send(child, { kind: 'stop' })
      killer = setTimeout(() => child.kill('SIGKILL'), 2 * (options.delivery.stopGraceMs ?? STOP_GRACE_MS))
    }
    const finish = (end: ChildEnd): void => {
      clearTimeout(killer)
      signal.removeEventListener('abort', stop)
      asked.permits.close()
      resolve(end)
    }
    signal.addEventListener('abort', stop)
    child.on('message', (message: FromChild) => {
      if (message.kind === 'ready') void assign(child, claim, options)
      else if (message.kind === 'question') void answer(child, message, asked)
      else if (message.kind === 'event') options.delivery.emit(message.event)
      else if (message.kind === 'session') options.delivery.reports?.session(message.seen)
      else if (message.kind === 'failed-fetch') options.delivery.reports?.failedFetch(message.failure)
      else if (message.kind === 'wake') options.delivery.scheduler.wake(message.lane, message.dueAt)
      else if (message.kind === 'permit-answered') asked.permits.answered(message.permit)
      else if (message.kind === 'release-permit') asked.permits.release(message.permit, message.feedback)
      else {
        ended = message.kind === 'unanswered' ? { kind: 'inconclusive' } : endOf(asked, message.retryAfterMs)
        child.disconnect()
      }
    })
    child.on('error', () => finish({ kind: 'inconclusive' }))
    child.on('exit', (code, killedBy) => {
      if (ended !== undefined) finish(ended.kind === 'waits' && signal.aborted ? { kind: 'inconclusive' } : ended)
      else if (signal.aborted) finish({ kind: 'inconclusive' })
      else finish({ kind: 'died', detail: killedBy ?? `exit code ${code}` })
    })
  })
}

function endOf({ triedNobody, onlyDelayed }: SuspectAnswers, retryAfterMs: number): ChildEnd {
  if (triedNobody) return { kind: 'waits', retryAfterMs }
  return { kind: onlyDelayed ? 'delayed' : 'ended' }
}

/** A child that waited for its task for ever would hold the claim. */
async function assign(child: ChildProcess, claim: Claim, options: LoneDeliveryOptions): Promise<void> {
  try {
    send(child, { kind: 'task', task: await taskFor(claim, options) })
  } catch (error) {
    options.delivery.emit({ event: 'delivery-defect', lane: claim.lane, detail: String(error), messages: 1 })
    send(child, { kind: 'no-task' })
  }
}

async function taskFor(claim: Claim, { delivery }: Pick<LoneDeliveryOptions, 'delivery'>): Promise<SuspectTask> {
  const routes = await travellingRoutes(delivery.routes, claim.lane)
  const { leaseUntilMono, ...rest } = claim
  const leaseLeftMs = leaseUntilMono - delivery.monotonic()
  const has = { sts: delivery.sts !== undefined, dane: delivery.dane !== undefined }
  const signs = delivery.signNotice !== undefined
  const task = { claim: rest, leaseLeftMs, ...has, signs, routes, settings: settingsOf(delivery) }
  return { ...task, ...destinationOf(claim.lane, delivery) }
}

function destinationOf(
  lane: LaneId,
  delivery: DeliveryOptions,
): Pick<SuspectTask, 'demand' | 'policies'> & Partial<Pick<SuspectTask, 'literal'>> {
  // What a sender is to be told goes nowhere by itself.
  if (lane === NOTICE_LANE) return { demand: 'nothing', policies: ownPolicies(delivery) }
  const { nextHop } = laneOf(lane)
  const demand = delivery.demandFor?.(nextHop) ?? 'nothing'
  const policies = travellingPolicies(delivery, nextHop)
  if (nextHop.kind === 'name') return { demand, policies }
  const { address } = nextHop
  return { demand, policies, literal: { address, judgement: guardOf(lane, delivery)(address) } }
}

function travellingPolicies(
  { overrides, enforcement, preload }: DeliveryOptions,
  nextHop: MailDomain,
): TravellingPolicies {
  const list = preload?.()
  const entry = nextHop.kind === 'name' ? list?.entries.get(nextHop.name) : undefined
  if (list === undefined || nextHop.kind !== 'name' || entry === undefined) {
    return ownPolicies({ overrides, enforcement })
  }
  return { overrides, enforcement, preload: { ...list, entries: new Map([[nextHop.name, entry]]) } }
}

function ownPolicies({
  overrides,
  enforcement,
}: Pick<DeliveryOptions, 'overrides' | 'enforcement'>): TravellingPolicies {
  return { overrides, enforcement, preload: undefined }
}

function settingsOf(delivery: DeliveryOptions): ChildSettings {
  const { hostname, postmaster, self, port, ca = [], sources } = delivery
  return {
    ...{ hostname, postmaster, self, port, ca, sources },
    timeouts: delivery.timeouts ?? DEFAULT_TIMEOUTS,
    retry: delivery.retry ?? defaultRetryOptions,
    notices: delivery.notices ?? defaultNoticeSettings,
    leaseMs: delivery.leaseMs ?? LEASE_MS,
    stopGraceMs: delivery.stopGraceMs ?? STOP_GRACE_MS,
  }
}

async function answer(
  child: ChildProcess,
  { seq, question }: FromChild & { readonly kind: 'question' },
  answers: SuspectAnswers,
): Promise<void> {
  try {
    send(child, { kind: 'answer', seq, answer: await answers.to(question) })
  } catch (error) {
    const known = error instanceof Error ? error : new Error(String(error))
    send(child, { kind: 'refusal', seq, error: known.name, detail: known.message })
  }
}

/** A child that is gone hears nothing; its exit says the rest. */
function send(child: ChildProcess, message: ToChild): void {
  if (child.connected) child.send(message, () => undefined)
}

export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const over = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', over)
      resolve()
    }
    const timer = setTimeout(over, ms)
    signal.addEventListener('abort', over)
  })
}
