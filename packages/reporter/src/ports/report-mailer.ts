/**
 * Port: the mail queue that report mails go through. Adapter: the relay's own spool, in the package that has one.
 *
 * `submit` answers `queued` after a commit that a power cut cannot undo; submitting the same id again, before or after
 * that, gives at most the identical message once more. From then on retries, and the end of them, are the queue's.
 *
 * The queue promises (RFC 8460 §3, RPT-68, RPT-76): no TLS policy holds such a mail back, sessions that carry one are in no
 * report, and no notification is made of its failure. So nothing about a report ever causes another mail.
 */
export interface ReportMailer {
  submit(mail: OutgoingReport): Promise<MailAnswer>
}

export interface OutgoingReport {
  /** Of this report for this target: the same in every attempt. */
  readonly id: string
  /** Reverse-path (RPT-89) and only recipient, as SMTP writes them. */
  readonly sender: string
  readonly recipient: string
  /** The signed message: ASCII, CRLF. */
  readonly bytes: Uint8Array
  readonly messageId: string
  /** UTC milliseconds: no attempt after this. */
  readonly giveUpAt: number
}

export type MailAnswer =
  /** `name`: what operators look it up by. */
  | { readonly kind: 'queued'; readonly name: string }
  /** Not now. */
  | { readonly kind: 'unavailable'; readonly reason: 'queue-full' | 'queue-failing' }
