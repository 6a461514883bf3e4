/**
 * Who is told that a delivery failed, and about which recipients (RFC 3461 §5.2, RFC 5321 §6.1). Pure.
 *
 * One settlement makes at most one failure notification, and it names only recipients whose sender asked for
 * it or left the default. What nobody is told is counted instead (`events.ts`), never lost silently.
 */
import type { DeliveryProblem, RecipientOutcome } from '../delivery/outcome.ts'
import type { Envelope, Recipient } from '../smtp/envelope.ts'
import { type MailAddress, nullReversePath } from '../smtp/mail-address.ts'

export interface FailedRecipient {
  readonly recipient: Recipient
  readonly problem: DeliveryProblem
}

export type FailureDsnDecision =
  | {
      readonly kind: 'notify'
      readonly sender: MailAddress
      readonly failed: readonly [FailedRecipient, ...FailedRecipient[]]
      /** Failed too, but their NOTIFY forbids to say so (RFC 3461 §4.1). */
      readonly withheld: number
    }
  | { readonly kind: 'silent'; readonly reason: SilentReason; readonly failed: number }

export type SilentReason =
  | 'nothing-failed'
  /** RFC 5321 §6.1: a notification about a notification would loop. */
  | 'null-reverse-path'
  /** A DSN or report of our own: its failure is the postmaster's to see, not a sender's. */
  | 'local-origin'
  | 'not-requested'

export function decideFailureDsn(
  message: { readonly envelope: Envelope; readonly recipients: readonly Recipient[] },
  outcomes: readonly RecipientOutcome[],
): FailureDsnDecision {
  const failed = failedRecipients(message.recipients, outcomes)
  const { reversePath, origin } = message.envelope
  if (failed.length === 0) return { kind: 'silent', reason: 'nothing-failed', failed: 0 }
  if (reversePath === nullReversePath) return { kind: 'silent', reason: 'null-reverse-path', failed: failed.length }
  if (origin.kind === 'local') return { kind: 'silent', reason: 'local-origin', failed: failed.length }
  const [first, ...more] = failed.filter(({ recipient }) => wantsFailure(recipient))
  if (first === undefined) return { kind: 'silent', reason: 'not-requested', failed: failed.length }
  return { kind: 'notify', sender: reversePath, failed: [first, ...more], withheld: failed.length - 1 - more.length }
}

function failedRecipients(
  recipients: readonly Recipient[],
  outcomes: readonly RecipientOutcome[],
): readonly FailedRecipient[] {
  const byIndex = new Map(recipients.map((recipient) => [recipient.index, recipient]))
  return outcomes.flatMap((outcome) => {
    const recipient = byIndex.get(outcome.index)
    return outcome.kind === 'failed' && recipient !== undefined ? [{ recipient, problem: outcome.problem }] : []
  })
}

/** RFC 3461 §5.2.6: without NOTIFY the default is to tell; NEVER stands alone and holds no FAILURE. */
function wantsFailure({ notify }: Recipient): boolean {
  return notify === undefined || notify.includes('FAILURE')
}
