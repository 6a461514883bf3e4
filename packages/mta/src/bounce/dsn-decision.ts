/**
 * Who is told what became of a message, and about which recipients (RFC 3461 §5.2, RFC 5321 §6.1). Pure.
 *
 * Only recipients whose sender asked for it, or left the default, are told of. Failures that nobody is told of are
 * counted instead (`events.ts`), never lost silently.
 */
import type { RecipientOutcome } from '../delivery/outcome.ts'
import type { Envelope, Recipient } from '../smtp/envelope.ts'
import { type MailAddress, nullReversePath } from '../smtp/mail-address.ts'
import { isWanted, type Reported, reportOf } from './reported.ts'

export interface ReportedMessage {
  readonly envelope: Envelope
  readonly recipients: readonly Recipient[]
}

export interface DsnDecision {
  /** Those that somebody is told of, with their sender; nobody, and then there may be no sender. */
  readonly reported: readonly Reported[]
  /** Failed, and nobody is told: the postmaster's to see (RFC 3461 §5.2.6). */
  readonly untold?: { readonly failed: number; readonly reason: SilentReason }
}

export type SilentReason =
  /** RFC 5321 §6.1: a notification about a notification would loop. */
  | 'null-reverse-path'
  /** A DSN or report of our own: its failure is the postmaster's to see, not a sender's. */
  | 'local-origin'
  | 'not-requested'

/** Whose notifications go nowhere at all. */
export function silentReason({ reversePath, origin }: Envelope): Exclude<SilentReason, 'not-requested'> | undefined {
  if (reversePath === nullReversePath) return 'null-reverse-path'
  return origin.kind === 'local' ? 'local-origin' : undefined
}

/** The address that notifications about the message go to, if any do. */
export function notifiedSender(envelope: Envelope): MailAddress | undefined {
  const { reversePath } = envelope
  return silentReason(envelope) === undefined && reversePath !== nullReversePath ? reversePath : undefined
}

export function decideDsn(message: ReportedMessage, outcomes: readonly RecipientOutcome[]): DsnDecision {
  const all = reports(message.recipients, outcomes)
  const silent = silentReason(message.envelope)
  const reported = silent === undefined ? all.filter(isWanted) : []
  const failed = all.filter(isFailure).length - reported.filter(isFailure).length
  if (failed === 0) return { reported }
  return { reported, untold: { failed, reason: silent ?? 'not-requested' } }
}

function isFailure({ action }: Reported): boolean {
  return action === 'failed'
}

function reports(recipients: readonly Recipient[], outcomes: readonly RecipientOutcome[]): readonly Reported[] {
  const byIndex = new Map(recipients.map((recipient) => [recipient.index, recipient]))
  return outcomes.flatMap((outcome) => {
    const recipient = byIndex.get(outcome.index)
    const report = recipient === undefined ? undefined : reportOf(recipient, outcome)
    return report === undefined ? [] : [report]
  })
}
