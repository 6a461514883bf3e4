/**
 * The envelope of a mail object (RFC 5321 §2.3.1): everything about a message that is not its content and
 * must survive a restart (SMTP-51). Plain data, stored as JSON by the spool adapters.
 */
import type { MessageTls } from '@hermetic/policy'
import type { MailAddress, ReversePath } from './mail-address.ts'

export interface Envelope {
  readonly reversePath: ReversePath
  /** RFC 6152: what the content needs. `7bit` content is never labelled 8BITMIME. */
  readonly body: '7bit' | '8bitmime'
  /** RFC 6531: the envelope or the header holds UTF-8, so the next hop must offer SMTPUTF8. */
  readonly smtpUtf8: boolean
  /** What the sender wants of TLS for this message (RFC 8689 §4.1). */
  readonly tls: MessageTls
  /** RFC 3461 §4.3–4.4, exactly as received. */
  readonly dsn: DsnEnvelope
  /** Octets of the content with CRLF line ends, before dot-stuffing (RFC 1870 §5). */
  readonly size: number
  /** Into how many lanes it was accepted, when into several: its sender is told of all of them together. */
  readonly lanes?: number
  /** Who submitted it, for logs and limits. */
  readonly origin: Origin
  /** RFC 6710 §3: −9 to 9, as authorised at submission; absent: 0. */
  readonly priority?: number
  /** A name that operators gave to mail of one kind, for views and metrics. */
  readonly tag?: string
}

export interface DsnEnvelope {
  /** xtext as received (RFC 3461 §4.4), at most 100 octets. */
  readonly envid?: string
  readonly ret?: 'FULL' | 'HDRS'
}

export interface Recipient {
  /** Index in the message's list of recipients: the stable name of this recipient inside the message. */
  readonly index: number
  readonly address: MailAddress
  /** RFC 3461 §4.1; absent means the default (FAILURE, and DELAY by our choice). */
  readonly notify?: readonly NotifyCondition[]
  /** RFC 3461 §4.2, byte for byte as received (`addr-type;xtext`). */
  readonly orcpt?: string
}

export type NotifyCondition = 'NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY'

export type Origin =
  | { readonly kind: 'credential'; readonly username: string; readonly address: string }
  | { readonly kind: 'network'; readonly address: string }
  /** Made by ourselves: a DSN or a report. */
  | { readonly kind: 'local'; readonly purpose: 'dsn' | 'report' }
