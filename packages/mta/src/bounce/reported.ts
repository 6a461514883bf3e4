/**
 * One recipient as a notification tells of it (RFC 3464 §2.3.3), and whether its sender wants to know (RFC 3461 §4.1,
 * §5.2). Pure; when it is told is decided in `notice-plan.ts`.
 */
import { assertNever } from '@hermetic/policy'
import type { DeliveryProblem, RecipientOutcome, RemoteHost } from '../delivery/outcome.ts'
import type { Recipient } from '../smtp/envelope.ts'
import type { SmtpReply } from '../smtp/reply.ts'

export type Reported = ReportedProblem | ReportedRelay

export interface ReportedProblem {
  readonly action: 'failed' | 'delayed'
  readonly recipient: Recipient
  readonly problem: DeliveryProblem
  /** Delayed: the other side may have the message all the same. */
  readonly ambiguous?: true
}

/** Passed on to a host that does not offer DSN: nobody behind it will tell of success (RFC 3461 §5.2.2). */
export interface ReportedRelay {
  readonly action: 'relayed'
  readonly recipient: Recipient
  readonly reply: SmtpReply
  readonly remote: RemoteHost
}

/** The worst first: the order in which a notification tells. */
export const ACTIONS = ['failed', 'delayed', 'relayed'] as const satisfies readonly Reported['action'][]

/** What happened, in the words of a notification; undefined when there is nothing to tell of anybody. */
export function reportOf(recipient: Recipient, outcome: RecipientOutcome): Reported | undefined {
  switch (outcome.kind) {
    case 'failed':
      return { action: 'failed', recipient, problem: outcome.problem }
    case 'deferred':
      return { action: 'delayed', recipient, problem: outcome.problem }
    case 'ambiguous':
      return { action: 'delayed', recipient, problem: outcome.problem, ambiguous: true }
    case 'delivered': {
      const { withoutDsn, reply, remote } = outcome
      return withoutDsn === true ? { action: 'relayed', recipient, reply, remote } : undefined
    }
    default:
      return assertNever(outcome)
  }
}

/** RFC 3461 §5.2.5, §5.2.6: without NOTIFY the default is to tell of failures and delays; NEVER stands alone. */
export function isWanted({ action, recipient: { notify } }: Reported): boolean {
  switch (action) {
    case 'failed':
      return notify === undefined || notify.includes('FAILURE')
    case 'delayed':
      return notify === undefined || notify.includes('DELAY')
    case 'relayed':
      return notify?.includes('SUCCESS') === true
    default:
      return assertNever(action)
  }
}
