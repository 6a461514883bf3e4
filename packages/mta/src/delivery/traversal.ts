/**
 * One batch of a turn, from its claims to their outcomes: what is over or routed elsewhere first, then the hosts of the
 * next hop, once more where fresh facts may change the answer. Every claim ends settled, given back, or with its reason.
 */
import type { MessageTls } from '@hermetic/policy'
import type { TurnEnd } from '../schedule/lane-scheduler.ts'
import type { Claim } from '../spool/spool.ts'
import { type AttemptEnd, type AttemptOptions, attempt } from './attempt.ts'
import type { ClaimProgress } from './claim-progress.ts'
import type { Destination, NextHopFacts } from './facts.ts'
import { type Done, giveBack, release } from './give-back.ts'
import { destinationFor, requireTlsLeft } from './message-wish.ts'
import { nextHopFailed } from './next-hop-failed.ts'
import type { DeliveryProblem } from './outcome.ts'
import { isRefusedLogin, problemOf } from './problem.ts'
import { chosenRouteGone } from './reroute.ts'
import { expireAtClaim, moveWhereRouted } from './settlement.ts'
import { refuseSuppressed } from './suppressed-recipients.ts'
import type { TurnState, TurnWorld } from './turn-state.ts'

export async function traverse(
  pending: Set<ClaimProgress>,
  done: Done,
  state: TurnState,
): Promise<TurnEnd | undefined> {
  const { world, lane, right } = state
  for (const progress of [...pending]) {
    const gone = chosenRouteGone(progress.claim, world.settler.routing)
    if (gone !== undefined) world.emit(gone)
    moveWhereRouted(progress, { now: world.now(), routing: world.settler.routing })
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
    onGreeted: () => context.heard(),
    onAnswer: () => {
      state.feedback = 'good'
      state.answered = true
      world.health.answered(id)
      context.progressed()
      // Not before the host has answered: a dead one would get a connection from every worker.
      if (state.among.wantsAnother && world.waiting.hasRoom(state.permit?.site)) context.wakeAnother()
    },
  }
}
