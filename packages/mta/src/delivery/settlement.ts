/**
 * What one attempt made of one claim, as the spool takes it: the outcome of every recipient with its next time.
 * Pure: clock and chance are arguments. Notifications are added by `settler.ts`.
 */
import { assertNever } from '@hermetic/policy'
import { afterAmbiguous, nextAttempt, type RetryOptions } from '../schedule/retry-schedule.ts'
import type { MailAddress } from '../smtp/mail-address.ts'
import type { OpenRecipient } from '../spool/spool.ts'
import type { ClaimProgress, Disposition } from './claim-progress.ts'
import type { LaneId } from './lane.ts'
import type { DeliveryProblem, RecipientOutcome } from './outcome.ts'
import { isPolicyFailure, problemOf, retryPace } from './problem.ts'

export interface SettlementMoment {
  /** UTC milliseconds. */
  readonly now: number
  /** 0 ≤ x < 1: one for the whole claim, so that its recipients stay together. */
  readonly chance: number
  readonly retry: RetryOptions
}

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
      return { kind: 'failed', index, problem: disposition.problem }
    case 'ambiguous':
      return { kind: 'ambiguous', index, problem: disposition.problem, dueAt: ambiguousDueAt(recipient, moment) }
    case 'moved':
      return { kind: 'deferred', index, problem: disposition.problem, dueAt: moment.now, lane: disposition.lane }
    case 'deferred':
      return deferral(index, disposition.problem, moment)
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

function deferral(index: number, problem: DeliveryProblem, { progress, now, chance, retry }: Moment): RecipientOutcome {
  // Set aside: an operator decides, not the clock.
  if (progress.quarantine !== undefined) return { kind: 'deferred', index, problem, dueAt: now }
  const { expiresAt, attempts } = progress.claim
  const next = nextAttempt({ now, expiresAt, attempts: attempts + 1, pace: retryPace(problem), chance }, retry)
  if (next.kind === 'retry') return { kind: 'deferred', index, problem, dueAt: next.dueAt }
  // A memory is not an attempt: the next claim comes at once and dials.
  if (problem.remembered) return { kind: 'deferred', index, problem, dueAt: now }
  // RFC 8461 §5.1: the next claim comes at once and looks for a new policy first.
  if (isPolicyFailure(problem.cause) && !progress.policyAsked) return { kind: 'deferred', index, problem, dueAt: now }
  return { kind: 'failed', index, problem: expiredProblem(problem, now) }
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
  { now, laneFor }: { readonly now: number; readonly laneFor: (recipient: MailAddress) => LaneId },
): void {
  for (const { index, address, lastProblem } of progress.open) {
    const lane = laneFor(address)
    if (lane === progress.claim.lane) continue
    const problem = lastProblem ?? problemOf({ kind: 'route-changed' }, { at: now })
    progress.settle(index, { kind: 'moved', problem, lane })
  }
}

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
    if (isPolicyFailure(lastProblem.cause) || lastProblem.cause.kind === 'route-changed') continue
    progress.settle(index, { kind: 'failed', problem: expiredProblem(lastProblem, now) })
  }
}
