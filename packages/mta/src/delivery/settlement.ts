/**
 * What one attempt made of one claim, as the spool takes it: the outcome of every recipient with its next time.
 * Pure: clock and chance are arguments. Notifications are added by `settler.ts`.
 */
import { assertNever } from '@hermetic/policy'
import { afterAmbiguous, nextAttempt, type RetryOptions } from '../schedule/retry-schedule.ts'
import type { Claim, OpenRecipient } from '../spool/spool.ts'
import type { ClaimProgress, Disposition } from './claim-progress.ts'
import type { DeliveryEvent } from './events.ts'
import { handedOver, mayFallBack, turnsBack } from './fallback-use.ts'
import type { LaneId } from './lane.ts'
import type { DeliveryProblem, RecipientOutcome } from './outcome.ts'
import { isPolicyFailure, ofSmarthost, problemOf, retryPace } from './problem.ts'
import type { RoutedMail } from './route.ts'
import type { MailRouting } from './routing.ts'

export interface SettlementMoment {
  /** UTC milliseconds. */
  readonly now: number
  /** 0 ≤ x < 1: one for the whole claim, so that its recipients stay together. */
  readonly chance: number
  readonly retry: RetryOptions
  readonly routing: MailRouting
}

type FallbackUsed = Extract<DeliveryEvent, { readonly event: 'fallback-used' }>

export interface ClaimOutcomes {
  readonly outcomes: readonly RecipientOutcome[]
  readonly hold?: string
  readonly quarantine?: string
}

export function claimOutcomes(progress: ClaimProgress, moment: SettlementMoment): ClaimOutcomes {
  const { claim, dispositions, quarantine } = progress
  const outcomes: RecipientOutcome[] = []
  let hold: string | undefined
  for (const recipient of claim.recipients) {
    const disposition = dispositions.get(recipient.index)
    if (disposition === undefined) continue
    const outcome = outcomeOf(recipient, disposition, { ...moment, progress })
    outcomes.push(outcome)
    if (outcome.kind === 'ambiguous' && isHeld(recipient, moment)) hold = HOLD_AMBIGUOUS
  }
  return {
    outcomes,
    ...(hold === undefined ? {} : { hold }),
    ...(quarantine === undefined ? {} : { quarantine }),
  }
}

/**
 * Deliveries that can be written down before the attempt has ended: all but those of which the sender is to be told,
 * which goes with the end.
 */
export function takenOutcomes({ claim, dispositions }: ClaimProgress): readonly RecipientOutcome[] {
  return claim.recipients.flatMap((recipient) => {
    const disposition = dispositions.get(recipient.index)
    if (disposition?.kind !== 'delivered') return []
    const outcome = delivery(recipient, disposition)
    return isPlainDelivery(outcome) ? [outcome] : []
  })
}

/** Nearly all mail: nobody is told. */
export function isPlainDelivery(outcome: RecipientOutcome): boolean {
  return outcome.kind === 'delivered' && outcome.withoutDsn !== true
}

const HOLD_AMBIGUOUS = 'ambiguous: the connection was lost after the final dot again and again'

type Moment = SettlementMoment & { readonly progress: ClaimProgress }

function outcomeOf(recipient: OpenRecipient, disposition: Disposition, moment: Moment): RecipientOutcome {
  const { index } = recipient
  switch (disposition.kind) {
    case 'delivered':
      return delivery(recipient, disposition)
    case 'failed':
      // What a fallback cannot take, the usual way perhaps can.
      return isAtFallback(recipient, moment) && turnsBack(disposition.problem)
        ? deferral(recipient, ofSmarthost(disposition.problem), moment)
        : { kind: 'failed', index, problem: disposition.problem }
    case 'ambiguous':
      return { kind: 'ambiguous', index, problem: disposition.problem, dueAt: ambiguousDueAt(recipient, moment) }
    case 'moved':
      return { kind: 'deferred', index, problem: disposition.problem, dueAt: moment.now, lane: disposition.lane }
    case 'deferred':
      return deferral(recipient, disposition.problem, moment)
    default:
      return assertNever(disposition)
  }
}

/** That the host does not offer DSN is remembered only where it matters. */
function delivery(
  { index, notify }: OpenRecipient,
  { reply, remote, withoutDsn }: Disposition & { readonly kind: 'delivered' },
): RecipientOutcome {
  const ours = withoutDsn === true && notify?.includes('SUCCESS') === true
  return { kind: 'delivered', index, reply, remote, ...(ours ? { withoutDsn } : {}) }
}

function deferral(recipient: OpenRecipient, problem: DeliveryProblem, moment: Moment): RecipientOutcome {
  const { progress, now, chance, retry } = moment
  const { index } = recipient
  // Set aside: an operator decides, not the clock.
  if (progress.quarantine !== undefined) return { kind: 'deferred', index, problem, dueAt: now }
  const { expiresAt, attempts } = progress.claim
  const next = nextAttempt({ now, expiresAt, attempts: attempts + 1, pace: retryPace(problem), chance }, retry)
  if (next.kind === 'retry') return waiting(recipient, problem, { ...moment, dueAt: next.dueAt })
  // A memory is not an attempt: the next claim comes at once and dials.
  if (problem.remembered) return { kind: 'deferred', index, problem, dueAt: now }
  // RFC 8461 §5.1: the next claim comes at once and looks for a new policy first.
  if (isPolicyFailure(problem.cause) && !progress.policyAsked) return { kind: 'deferred', index, problem, dueAt: now }
  return { kind: 'failed', index, problem: expiredProblem(problem, now) }
}

/** Where it waits: in the lane of its next attempt, which may be another one; or at once for its fallback. */
function waiting(
  recipient: OpenRecipient,
  problem: DeliveryProblem,
  { progress, routing, now, dueAt }: Moment & { readonly dueAt: number },
): RecipientOutcome {
  const { claim } = progress
  const { index, lastProblem } = recipient
  const present = routedMail(claim, recipient, claim.attempts + 1)
  const fallback = claim.lane === routing.laneFor(present) ? routing.fallbackFor(present) : undefined
  const known = { problem, met: progress.problems, before: lastProblem }
  if (fallback !== undefined && mayFallBack(known, fallback.use)) {
    return { kind: 'deferred', index, problem, dueAt: now, lane: fallback.lane }
  }
  const lane = routing.laneFor(routedMail(claim, recipient, claim.attempts + 2))
  return { kind: 'deferred', index, problem, dueAt, ...(lane === claim.lane ? {} : { lane }) }
}

function routedMail(
  { envelope }: Pick<Claim, 'envelope'>,
  { address: recipient, via }: OpenRecipient,
  attempt: number,
): RoutedMail {
  return { recipient, sender: envelope.reversePath, tag: envelope.tag, attempt, via }
}

function isAtFallback(recipient: OpenRecipient, { progress, routing }: Moment): boolean {
  return staysAtFallback(recipient, progress.claim, routing)
}

/** It was handed over for good reason, and the fallback is still its own. */
function staysAtFallback(recipient: OpenRecipient, claim: Claim, { fallbackFor }: MailRouting): boolean {
  const fallback = fallbackFor(routedMail(claim, recipient, claim.attempts + 1))
  return fallback?.lane === claim.lane && handedOver(recipient.lastProblem, fallback.use)
}

/** Of outcomes that were decided with the same routing, for each fallback once. */
export function fallbacksUsed(
  claim: Claim,
  outcomes: readonly RecipientOutcome[],
  { fallbackFor }: MailRouting,
): readonly FallbackUsed[] {
  const used = new Map<LaneId, FallbackUsed>()
  for (const outcome of outcomes) {
    if (outcome.kind !== 'deferred' || outcome.lane === undefined) continue
    const { lane: fallback, problem } = outcome
    const recipient = claim.recipients.find(({ index }) => index === outcome.index)
    if (recipient === undefined) continue
    const offered = fallbackFor(routedMail(claim, recipient, claim.attempts + 1))
    if (offered?.lane !== fallback) continue
    const recipients = (used.get(fallback)?.recipients ?? 0) + 1
    used.set(fallback, { event: 'fallback-used', id: claim.id, lane: claim.lane, fallback, recipients, problem })
  }
  return [...used.values()]
}

function ambiguousDueAt({ ambiguousCount }: OpenRecipient, { now, chance, retry }: SettlementMoment): number {
  const next = afterAmbiguous({ now, ambiguousCount: ambiguousCount + 1, chance }, retry)
  return next.kind === 'retry' ? next.dueAt : now + retry.ambiguousMs
}

function isHeld({ ambiguousCount }: OpenRecipient, { now, chance, retry }: SettlementMoment): boolean {
  return afterAmbiguous({ now, ambiguousCount: ambiguousCount + 1, chance }, retry).kind === 'hold'
}

/** DSN-13: the end of patience, told with the last actual problem. */
export function expiredProblem(last: DeliveryProblem, now: number): DeliveryProblem {
  const cause = last.cause.kind === 'expired' ? last.cause : ({ kind: 'expired', last: last.cause } as const)
  return problemOf(cause, { at: now, ...(last.remote === undefined ? {} : { remote: last.remote }) })
}

/**
 * The configuration may have changed since the message was accepted or last tried: each recipient goes where it is
 * routed now, and no mail waits in a lane that no route leads to. What was wrong at its last attempt stays known.
 */
export function moveWhereRouted(
  progress: ClaimProgress,
  { now, routing }: { readonly now: number; readonly routing: MailRouting },
): void {
  const { claim } = progress
  for (const recipient of progress.open) {
    const { index, lastProblem } = recipient
    const lane = routing.laneFor(routedMail(claim, recipient, claim.attempts + 1))
    if (lane === claim.lane || staysAtFallback(recipient, claim, routing)) continue
    const problem = lastProblem ?? problemOf({ kind: 'route-changed' }, { at: now })
    progress.settle(index, { kind: 'moved', problem, lane })
  }
}

const NOT_AN_ATTEMPT: ReadonlySet<DeliveryProblem['cause']['kind']> = new Set(['route-changed', 'not-tried'])

/**
 * A message that is over its age and was tried until then is given up without another connection. One that waited
 * for us, because the relay was down or an operator held it, is tried once more: its time ran out, not its attempts.
 * So is one that a policy kept back: the policy may have changed (RFC 8461 §5.1); and one for which nobody was dialled,
 * because its hosts had been silent to other mail.
 */
export function expireAtClaim(
  progress: ClaimProgress,
  { now, retry }: { readonly now: number; readonly retry: RetryOptions },
): void {
  if (now < progress.claim.expiresAt) return
  const triedLately = now - retry.intervalMaxMs * (1 + retry.jitter)
  for (const { index, lastProblem } of progress.open) {
    if (lastProblem === undefined || lastProblem.at < triedLately || lastProblem.remembered) continue
    if (isPolicyFailure(lastProblem.cause) || NOT_AN_ATTEMPT.has(lastProblem.cause.kind)) continue
    progress.settle(index, { kind: 'failed', problem: expiredProblem(lastProblem, now) })
  }
}
