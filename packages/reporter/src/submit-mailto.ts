/**
 * A report to a mailbox (RFC 8460 §5.3): composed from the stored bytes, signed, given to the mail queue. The same report,
 * target and key give the same octets. Without a key for the submitter's domain nothing is sent (RPT-79).
 */
import type { OutgoingReport, ReportMailer } from './ports/report-mailer.ts'
import type { Signer } from './ports/signer.ts'
import { reportMessage } from './report-message.ts'
import type { MailtoRua } from './rua.ts'
import { RETRY_FOR_MS } from './schedule.ts'
import type { StoredReport } from './stored-report.ts'
import { failed, notTried, type Submission } from './submission.ts'

export interface MailtoOptions {
  readonly mailer: ReportMailer
  /** Undefined: no key is configured. */
  readonly signer: Signer | undefined
}

export interface SendingTime {
  /** UTC milliseconds. */
  readonly firstAttemptAt: number
}

export async function submitByMail(
  stored: StoredReport,
  target: MailtoRua,
  { mailer, signer, firstAttemptAt }: MailtoOptions & SendingTime,
): Promise<Submission> {
  if (signer === undefined) return failed('no-dkim-key')
  // The report was made when the contact had another domain: another domain's signature would not be aligned.
  if (signer.domain !== stored.submitter) return failed('dkim-key-of-another-domain')
  const { compressed, madeAt, reportId } = stored.rendered
  const message = reportMessage({ ...stored, compressed, madeAt, target })
  let bytes: Uint8Array
  try {
    bytes = await signer.sign(message.bytes, madeAt)
  } catch {
    return failed('not-signed')
  }
  const mail: OutgoingReport = {
    id: JSON.stringify([reportId, target.uri]),
    sender: stored.report['contact-info'],
    recipient: target.address,
    bytes,
    messageId: message.messageId,
    giveUpAt: firstAttemptAt + RETRY_FOR_MS,
  }
  const answer = await mailer.submit(mail)
  if (answer.kind === 'unavailable') return notTried(answer.reason)
  return { outcome: { kind: 'queued' }, told: { queueId: answer.name } }
}
