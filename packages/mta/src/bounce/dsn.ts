/**
 * Renders the failure notification (RFC 3464, RFC 6522): a text for people, fields for machines, and the
 * returned header section or message. Pure, and the same bytes for the same facts.
 *
 * Composed here and not with a MIME library, because it must be made synchronously inside a settlement, octet
 * for octet as intended: seven bits, no line over 998 octets, and no text of a peer outside its place.
 */
import { createHash } from 'node:crypto'
import { formatDateTime } from '../smtp/date-time.ts'
import type { Envelope } from '../smtp/envelope.ts'
import { formatAddress, type MailAddress } from '../smtp/mail-address.ts'
import type { QueueId } from '../spool/queue-id.ts'
import { deliveryStatusPart } from './delivery-status.ts'
import type { FailedRecipient } from './dsn-decision.ts'
import { failureText } from './failure-text.ts'
import { field, foldField, isAscii, printable, quotedPrintable, singleLine } from './header-text.ts'
import { originalMessageId, type ReturnedContent, returnedContent } from './returned-content.ts'

export interface FailureDsnFacts {
  readonly sender: MailAddress
  readonly failed: readonly [FailedRecipient, ...FailedRecipient[]]
  readonly original: { readonly id: QueueId; readonly envelope: Envelope; readonly receivedAt: number }
  readonly contentStart: Uint8Array
  readonly messageId: string
  readonly hostname: string
  readonly postmaster: string
  /** UTC milliseconds. */
  readonly now: number
}

export interface RenderedDsn {
  readonly bytes: Uint8Array
  /** RFC 6531 §3.4: the sender's own address puts UTF-8 into the header. */
  readonly smtpUtf8: boolean
}

/** The spool keeps content up to 256 KiB inline (architecture §3); 8 KiB are left for signatures on top. */
export const DSN_SIZE_LIMIT = 253_952

export function renderFailureDsn(facts: FailureDsnFacts): RenderedDsn {
  const parts = [textPart(facts), statusPart(facts)]
  const returned = returnedContent(facts.contentStart, facts.original.envelope)
  const withReturned = returned === undefined ? parts : [...parts, returnedPart(returned)]
  const whole = compose(facts, withReturned)
  // A great many recipients leave no room for the returned part, which is the optional one (RFC 6522 §3).
  const bytes = whole.length <= DSN_SIZE_LIMIT ? whole : compose(facts, parts)
  return { bytes, smtpUtf8: !isAscii(formatAddress(facts.sender)) }
}

function compose(facts: FailureDsnFacts, parts: readonly string[]): Uint8Array {
  const boundary = boundaryFor(parts, facts.messageId)
  const body = parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')
  return Buffer.from(`${headerOf(facts, boundary)}\r\n${body}--${boundary}--\r\n`, 'utf8')
}

function headerOf(facts: FailureDsnFacts, boundary: string): string {
  const { sender, postmaster, messageId, now } = facts
  const answered = originalMessageId(facts.contentStart)
  return [
    field('Date', formatDateTime(now)),
    foldField('From', `Mail Delivery System <${printable(postmaster, 320)}>`),
    field('To', `<${singleLine(formatAddress(sender))}>`),
    foldField('Subject', subjectOf(facts)),
    foldField('Message-ID', printable(messageId, 320)),
    ...(answered === undefined ? [] : [foldField('In-Reply-To', printable(answered, 460))]),
    // RFC 3834 §5: nobody's responder may answer this.
    foldField('Auto-Submitted', 'auto-replied'),
    field('MIME-Version', '1.0'),
    `Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="${boundary}"\r\n`,
  ].join('')
}

/** An address longer than this would push the Subject over a line. */
const ADDRESS_IN_SUBJECT = 40

function subjectOf({ failed: [first, ...more] }: FailureDsnFacts): string {
  const address = formatAddress(first.recipient.address)
  const shown =
    isAscii(address) && address.length <= ADDRESS_IN_SUBJECT ? printable(address, ADDRESS_IN_SUBJECT) : undefined
  if (shown === undefined) return `Your message was not delivered (${more.length + 1} of its recipients)`
  return `Your message was not delivered to ${shown}${more.length === 0 ? '' : ` and ${more.length} more`}`
}

function textPart(facts: FailureDsnFacts): string {
  const { id, receivedAt } = facts.original
  const text = failureText({ ...facts, queueId: id, receivedAt })
  if (isAscii(text)) return part('text/plain; charset=us-ascii', '7bit', text)
  return part('text/plain; charset=utf-8', 'quoted-printable', quotedPrintable(Buffer.from(text, 'utf8')))
}

function statusPart({ hostname, original, failed }: FailureDsnFacts): string {
  const { envelope, receivedAt } = original
  return part(
    'message/delivery-status',
    '7bit',
    deliveryStatusPart({ hostname, envid: envelope.dsn.envid, receivedAt, failed }),
  )
}

function returnedPart({ contentType, encoding, body }: ReturnedContent): string {
  return part(contentType, encoding, body)
}

function part(contentType: string, encoding: '7bit' | 'quoted-printable', body: string): string {
  return `Content-Type: ${contentType}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${body}`
}

/** RFC 2046 §5.1.1: must not begin a line of any part; counted on until it does not. */
function boundaryFor(parts: readonly string[], seed: string): string {
  for (let round = 0; ; round++) {
    const boundary = `=_${createHash('sha256').update(`${round}\0${seed}`).digest('hex').slice(0, 32)}`
    if (!parts.some((text) => text.includes(boundary))) return boundary
  }
}
