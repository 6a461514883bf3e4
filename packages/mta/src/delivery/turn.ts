/**
 * One turn of a lane: a permit for the site, then batch after batch until nothing is due or another lane waits.
 *
 * Every recipient of every claim gets one outcome or goes back untouched, whatever is thrown in between; a next hop
 * that cannot be reached costs one traversal for a whole batch, and the lane then backs off (SMTP-55).
 */
import type { MessageTls } from '@hermetic/policy'
import type { Permit } from '../limits/permits.ts'
import type { TurnContext, TurnEnd } from '../schedule/lane-scheduler.ts'
import { laneBackoffMs } from '../schedule/retry-schedule.ts'
import { type Claim, type Spool, StoreUnavailable } from '../spool/spool.ts'
import { type AttemptEnd, type AttemptOptions, attempt } from './attempt.ts'
import { FIRST_BATCH, nextBatchSize } from './batch-size.ts'
import type { ClaimProgress } from './claim-progress.ts'
import type { PooledSession } from './connection-pool.ts'
import type { DeliveryEvent } from './events.ts'
import type { Destination, FactsSource, NextHopFacts } from './facts.ts'
import { type Batch, batchOf, type Done, giveBack, release } from './give-back.ts'
import { type KeepingTurn, keepBack } from './keep-back.ts'
import { type Lane, type LaneId, laneOf } from './lane.ts'
import type { LaneHealth } from './lane-health.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import type { Logins } from './login-breaker.ts'
import { destinationFor, requireTlsLeft, wishGroups } from './message-wish.ts'
import { type DeliveryProblem, isOurTroubleWithDns } from './outcome.ts'
import { isPolicyFailure, isRefusedLogin, loginAnswer, problemOf } from './problem.ts'
import { expireAtClaim, moveWhereRouted } from './settlement.ts'
import { Settler, type SettlerOptions } from './settler.ts'
import { refuseSuppressed, type SuppressedOptions } from './suppressed-recipients.ts'
import { permitFor, TransactionRight } from './transaction-right.ts'
import { PARKED_MS, type WaitingLanes } from './waiting-lanes.ts'

export interface TurnWorld {
  readonly spool: Pick<Spool, 'claim'>
  readonly facts: FactsSource
  readonly waiting: WaitingLanes
  readonly health: LaneHealth
  readonly logins: Pick<Logins, 'refused'>
  readonly leases: LeaseKeeper
  readonly settler: SettlerOptions
  readonly attempt: Pick<AttemptOptions, 'pool' | 'session' | 'dial' | 'reports' | 'connectionsMax'>
  readonly transactions: Omit<AttemptOptions['transactions'], 'onDone' | 'onTaken' | 'onStopped'>
  /** Absent: no address is suppressed. */
  readonly suppressed: SuppressedOptions['find'] | undefined
  readonly leaseMs: number
  /** Claims at once, at the most. */
  readonly batch: number
  /** What a transaction behind its final dot may still take when we stop. */
  readonly stopGraceMs: number
  readonly now: () => number
  readonly monotonic: () => number
  readonly random: () => number
  readonly emit: (event: DeliveryEvent) => void
}

/** While the store does not answer. */
const STORE_RETRY_MS = 5_000

interface TurnState {
  readonly world: TurnWorld
  readonly id: LaneId
  readonly lane: Lane
  readonly context: TurnContext
  readonly settler: Settler
  readonly using: Set<PooledSession>
  feedback: 'good' | 'failed' | 'unused'
  readonly permit: Permit | undefined
  readonly right: TransactionRight
  /** What was found before the permit was taken: a policy without an age serves the attempt it was fetched for. */
  found: Destination | undefined
  batch: number
  /** The last claim was a full batch. */
  moreIsDue: boolean
  /** A host answered a message of this batch. */
  answered: boolean
  /** Gives back what is claimed and not on its way to a host. */
  handOver: () => void
}

export async function runTurn(id: LaneId, context: TurnContext, world: TurnWorld): Promise<TurnEnd> {
  const first = context.slot === 0
  const parkedMs = first ? world.waiting.remainingMs(id) : 0
  if (parkedMs > 0) return { kind: 'parked', retryAfterMs: parkedMs }
  const lane = laneOf(id)
  const destination = await world.facts.get(lane)
  const permit = await permitFor(destination, (site) => world.waiting.acquire(id, site, { wait: first }))
  if (permit === 'none') return { kind: 'parked', retryAfterMs: PARKED_MS }
  const settler = new Settler(world.settler)
  const state: TurnState = {
    ...{ world, id, lane, context, settler, using: new Set(), feedback: 'unused', moreIsDue: false, answered: false },
    permit,
    right: new TransactionRight({ permit, context, onLater: (site, ms) => world.waiting.pause(id, site, ms) }),
    found: destination,
    batch: Math.min(FIRST_BATCH, world.batch),
    handOver: () => undefined,
  }
  const disarm = destroyAfterGrace(state)
  try {
    return await batches(state)
  } finally {
    disarm()
    permit?.release(state.feedback)
    await settler.finished()
  }
}

/**
 * Architecture, decision 11: what has not begun is given back at once, so that another node has it; when the grace is
 * over, what is still behind its final dot becomes ambiguous.
 */
function destroyAfterGrace(state: TurnState): () => void {
  const { context, using, world } = state
  let timer: NodeJS.Timeout | undefined
  const onAbort = (): void => {
    state.handOver()
    timer = setTimeout(() => {
      for (const { connection } of using) connection.destroy()
    }, world.stopGraceMs)
  }
  context.signal.addEventListener('abort', onAbort)
  return () => {
    clearTimeout(timer)
    context.signal.removeEventListener('abort', onAbort)
  }
}

async function batches(state: TurnState): Promise<TurnEnd> {
  const { world, context, settler } = state
  for (;;) {
    if (context.signal.aborted) return { kind: 'more' }
    await settler.room()
    const claims = await claimBatch(state)
    if (claims === 'store-failed') return { kind: 'backoff', until: world.now() + STORE_RETRY_MS }
    if (claims.length === 0) return { kind: 'idle' }
    const full = claims.length >= state.batch
    state.moreIsDue = full
    world.leases.hold(claims)
    const startedAt = world.monotonic()
    const end = await deliverGroups(wishGroups(claims), state)
    if (state.answered) state.permit?.answered()
    if (end !== undefined) return end
    state.batch = nextBatchSize(state.batch, { tookMs: world.monotonic() - startedAt, max: world.batch })
    // What arrived since has woken the lane again.
    if (!full) return { kind: 'idle' }
    if (context.othersWaiting()) return { kind: 'more' }
  }
}

async function claimBatch({ world, id, batch }: TurnState): Promise<readonly Claim[] | 'store-failed'> {
  try {
    return await world.spool.claim(id, { limit: batch, leaseMs: world.leaseMs })
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error
    world.emit({ event: 'delivery-store-failed', step: 'claim', detail: error.message })
    return 'store-failed'
  }
}

/** One host may be out of reach for some of them only: the lane goes on as long as anybody answers. */
async function deliverGroups(groups: readonly (readonly Claim[])[], state: TurnState): Promise<TurnEnd | undefined> {
  const ends: (TurnEnd | undefined)[] = []
  state.answered = false
  const batches = groups.map((group) => batchOf(group, state))
  state.handOver = () => {
    for (const { pending, done } of batches) void giveBack(pending, done, state)
  }
  for (const batch of batches) ends.push(await deliverBatch(batch, state))
  if (ends.length === 1) return ends[0]
  const stopped = ends.find((end) => end?.kind === 'more' || end?.kind === 'parked')
  return stopped ?? (state.answered ? undefined : ends.find((end) => end !== undefined))
}

/** Whatever is thrown, each claim ends here: settled, or given back. */
async function deliverBatch({ pending, done }: Batch, state: TurnState): Promise<TurnEnd | undefined> {
  const { world, id } = state
  try {
    return await traverse(pending, done, state)
  } catch (error) {
    if (error instanceof StoreUnavailable) {
      world.emit({ event: 'delivery-store-failed', step: 'open', detail: error.message })
      await giveBack(pending, done, state)
      return { kind: 'backoff', until: world.now() + STORE_RETRY_MS }
    }
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
    world.emit({ event: 'delivery-defect', lane: id, detail, messages: pending.size })
    const problem = problemOf({ kind: 'internal', detail: String(error) }, { at: world.now() })
    for (const progress of [...pending]) {
      progress.conclude(problem)
      done(progress)
    }
    return { kind: 'backoff', until: world.now() + STORE_RETRY_MS }
  }
}

async function traverse(pending: Set<ClaimProgress>, done: Done, state: TurnState): Promise<TurnEnd | undefined> {
  const { world, lane, right } = state
  for (const progress of [...pending]) {
    moveWhereRouted(progress, { now: world.now(), laneFor: world.settler.laneFor })
    expireAtClaim(progress, { now: world.now(), retry: world.settler.retry })
    if (progress.isDone) done(progress)
  }
  await leaveOutSuppressed(pending, done, world)
  const message = [...pending][0]?.claim.envelope.tls ?? 'default'
  const round: Round = {
    startedAt: world.monotonic(),
    message,
    confirmed: false,
    policyAsked: false,
    policyFirst: false,
  }
  for (let batch = [...pending]; batch.length > 0; ) {
    if (!right.goesOn) {
      await giveBack(pending, done, state)
      return right.end
    }
    const lastChance = !round.policyAsked && (round.policyFirst || batch.some(({ claim }) => isOver(claim, world)))
    const found = await (lastChance ? world.facts.getAfresh(lane) : nextFacts(state))
    const destination = destinationFor(round.message, found)
    if (!right.goesOn) continue
    if (lastChance) round.policyAsked = true
    if (round.policyAsked) for (const progress of batch) progress.policyAsked = destination.kind === 'facts'
    if (destination.kind === 'nobody') {
      if (destination.seen && round.message !== 'tls-optional') world.attempt.reports?.session(destination.seen)
      return nextHopFailed(pending, done, { state, problem: problemOf(destination.cause, { at: world.now() }) })
    }
    const { facts } = destination
    const end = await attempt(batch, facts, attemptOptions(state, round.message, done))
    const again = end.kind === 'interrupted' ? end.left : onceMore(end, { facts, round, state })
    if (again.length === 0 && end.kind === 'finished' && end.problem !== undefined) {
      if (!end.answered || isRefusedLogin(end.problem))
        return nextHopFailed(pending, done, { state, problem: end.problem })
    }
    batch = [...again]
  }
  await concludeAll(pending, done, state)
  return undefined
}

async function leaveOutSuppressed(pending: Set<ClaimProgress>, done: Done, world: TurnWorld): Promise<void> {
  const { suppressed: find, now } = world
  if (find === undefined) return
  await refuseSuppressed([...pending], { find, now })
  for (const progress of [...pending]) if (progress.isDone) done(progress)
}

interface Round {
  readonly startedAt: number
  /** What hosts are asked for; at first what the senders want. */
  message: MessageTls
  /** The facts have been asked for again, because they say that nothing can be done. */
  confirmed: boolean
  policyAsked: boolean
  /** What is left would come back because of a policy: perhaps there is a better one. */
  policyFirst: boolean
}

function isOver({ expiresAt }: Claim, { now }: TurnWorld): boolean {
  return expiresAt <= now()
}

interface AfterAttempt {
  readonly facts: NextHopFacts
  readonly round: Round
  readonly state: TurnState
}

type Finished = Extract<AttemptEnd, { readonly kind: 'finished' }>

/** Those that no host took and for which the hosts are to be walked once more; with their notes forgotten. */
function onceMore(end: Finished, { facts, round, state }: AfterAttempt): readonly ClaimProgress[] {
  const { world, lane } = state
  const tagged = round.message === 'requiretls' ? requireTlsAgain(end.left, round) : []
  if (tagged.length > 0) return anew(tagged)
  if (end.policyFailed && end.left.length > 0 && !round.policyAsked) world.facts.renewPolicy(lane, facts)
  if (end.answered || end.problem === undefined) return []
  // A permanent end is believed when it comes from a fresh lookup (SMTP-43).
  if (round.confirmed || facts.madeAt >= round.startedAt || !isPermanent(end.problem)) return []
  round.confirmed = true
  world.facts.forget(lane)
  return anew(end.left)
}

function requireTlsAgain(left: readonly ClaimProgress[], round: Round): readonly ClaimProgress[] {
  const { policyFirst, withoutParameter } = requireTlsLeft(left)
  round.policyFirst = !round.policyAsked && policyFirst.length > 0
  if (round.policyFirst) return policyFirst
  if (withoutParameter.length > 0) round.message = 'default'
  return withoutParameter
}

function anew(left: readonly ClaimProgress[]): readonly ClaimProgress[] {
  for (const progress of left) progress.retry()
  return left
}

function nextFacts(state: TurnState): Promise<Destination> | Destination {
  const { found } = state
  state.found = undefined
  return found ?? state.world.facts.get(state.lane)
}

function isPermanent({ permanence }: DeliveryProblem): boolean {
  return permanence === 'permanent'
}

/** The hosts were tried; what is left has its reasons noted, or was never begun. */
async function concludeAll(pending: Set<ClaimProgress>, done: Done, state: TurnState): Promise<void> {
  const notBegun = [...pending].filter((progress) => progress.untouched)
  for (const progress of [...pending]) {
    if (progress.untouched) continue
    progress.conclude(problemOf({ kind: 'stopped' }, { at: state.world.now() }))
    done(progress)
  }
  await release(notBegun, pending, state)
}

interface Trouble {
  readonly state: TurnState
  readonly problem: DeliveryProblem
}

/** Nobody could be talked to: the whole batch has one reason, and the lane rests when it may pass. */
async function nextHopFailed(
  pending: Set<ClaimProgress>,
  done: Done,
  { state, problem }: Trouble,
): Promise<TurnEnd | undefined> {
  const { world, id } = state
  if (isOurTroubleWithDns(problem.cause)) return dnsOutOfReach(pending, done, { state, problem })
  if (isRefusedLogin(problem)) {
    const until = world.logins.refused(id, loginAnswer(problem))
    return keepBack({ pending, done }, keeping(state), { problem, until })
  }
  const messages = pending.size
  for (const progress of [...pending]) {
    progress.conclude(problem)
    done(progress)
  }
  // A policy is the domain's, a login the lane's: they say nothing about the site, which others share (SMTP-62).
  // What is remembered was said of it when it happened.
  const isOfSite = !isPolicyFailure(problem.cause) && problem.cause.kind !== 'login-failed' && !problem.remembered
  if (isOfSite) state.feedback = 'failed'
  const nextHop = nextHopName(state)
  // What keeps REQUIRETLS messages back says nothing about others.
  const oneWish = problem.cause.kind === 'tls-policy' && problem.cause.requireTls !== undefined
  if (isPermanent(problem) || oneWish) {
    world.emit({ event: 'next-hop-failed', lane: id, nextHop, problem, messages })
    return undefined
  }
  const failures = world.health.failed(id)
  const backoffUntil = world.now() + laneBackoffMs({ failures, chance: world.random() })
  world.emit({ event: 'next-hop-failed', lane: id, nextHop, problem, messages, backoffUntil })
  return { kind: 'backoff', until: backoffUntil }
}

/** While nobody answers us, or validates; a minute later, and lane by lane, it is asked again. */
function dnsOutOfReach(pending: Set<ClaimProgress>, done: Done, { state, problem }: Trouble): Promise<TurnEnd> {
  const { world } = state
  const until = world.now() + laneBackoffMs({ failures: 1, chance: world.random() })
  return keepBack({ pending, done }, keeping(state), { problem, until })
}

function keeping(state: TurnState): KeepingTurn {
  const { id, settler, world } = state
  const { now, emit } = world
  return { id, settler, nextHop: nextHopName(state), notices: world.settler.notices, now: now(), emit }
}

function nextHopName({ lane: { nextHop } }: TurnState): string {
  return nextHop.kind === 'name' ? nextHop.name : nextHop.address
}

function attemptOptions(state: TurnState, message: MessageTls, done: Done): AttemptOptions {
  const { world, id, context, using, right } = state
  return {
    ...world.attempt,
    lane: id,
    message,
    signal: context.signal,
    using,
    right,
    transactions: {
      ...{ ...world.transactions, onDone: done, onStopped: () => state.handOver() },
      onTaken: (progress) => state.settler.settleTaken(progress),
    },
    emit: world.emit,
    monotonic: world.monotonic,
    onAnswer: () => {
      state.feedback = 'good'
      state.answered = true
      world.health.answered(id)
      context.progressed()
      // Not before the host has answered: a dead one would get a connection from every worker.
      if (state.moreIsDue && world.waiting.hasRoom(state.permit?.site)) context.wakeAnother()
    },
  }
}
