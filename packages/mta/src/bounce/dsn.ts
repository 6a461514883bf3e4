/**
 * Renders a notification (RFC 3464, RFC 6522, RFC 6533): a text for people, fields for machines, and the returned header
 * section or message. Pure, and the same bytes for the same facts.
 *
 * Composed here and not with a MIME library, because it must be made octet for octet as intended (decision 0006): no
 * line over 998 octets, no text of a peer outside its place, and seven bits unless something in it is in UTF-8 or was
 * asked for whole.
 */
import { createHash } from 'node:crypto'
import { formatDateTime } from '../smtp/date-time.ts'
import type { Envelope } from '../smtp/envelope.ts'
import { formatAddress, type MailAddress } from '../smtp/mail-address.ts'
import type { QueueId } from '../spool/queue-id.ts'
import { deliveryStatusPart } from './delivery-status.ts'
import { field, foldField, isAscii, printable, quotedPrintable, singleLine } from './header-text.ts'
import { noticeText } from './notice-text.ts'
import { ACTIONS, type Reported } from './reported.ts'
import { originalMessageId, returnedContent } from './returned-content.ts'

export interface DsnFacts {
  readonly sender: MailAddress
  readonly reported: readonly [Reported, ...Reported[]]
  readonly original: OriginalMessage
  readonly contentStart: Uint8Array
  readonly messageId: string
  readonly hostname: string
  readonly postmaster: string
  /** UTC milliseconds. */
  readonly now: number
}

export interface OriginalMessage {
  readonly id: QueueId
  readonly envelope: Envelope
  /** UTC milliseconds. */
  readonly receivedAt: number
  readonly expiresAt: number
}

export interface RenderedDsn {
  readonly bytes: Uint8Array
  /** RFC 6531 §3.4: UTF-8 in its header, or in a part that only such mail may have. */
  readonly smtpUtf8: boolean
  /** RFC 6152: what its parts need. */
  readonly body: Envelope['body']
}

/** The spool keeps content up to 256 KiB inline (architecture §3); 8 KiB are left for signatures on top. */
export const DSN_SIZE_LIMIT = 253_952

export function renderDsn(facts: DsnFacts): RenderedDsn {
  if (speaksUtf8(facts)) {
    const bytes = render(facts, true)
    // What turns out to be ASCII is for everybody (EAI-02).
    if (!isSevenBit(bytes)) return { bytes, smtpUtf8: true, body: '8bitmime' }
  }
  const bytes = render(facts, false)
  return { bytes, smtpUtf8: false, body: isSevenBit(bytes) ? '7bit' : '8bitmime' }
}

/** RFC 6533 §4: the mail was internationalised, or an address in the notification is. */
function speaksUtf8({ sender, reported, original }: DsnFacts): boolean {
  const addresses = [sender, ...reported.map(({ recipient }) => recipient.address)]
  return original.envelope.smtpUtf8 || addresses.some((address) => !isAscii(formatAddress(address)))
}

function render(facts: DsnFacts, international: boolean): Uint8Array {
  const parts = [textPart(facts), statusPart(facts, international)]
  const failed = facts.reported.some(({ action }) => action === 'failed')
  const returned = returnedContent(facts.contentStart, facts.original.envelope, { failed, international })
  const withReturned =
    returned === undefined
      ? parts
      : [...parts, { type: returned.contentType, encoding: returned.encoding, octets: latin1(returned.body) }]
  const whole = compose(facts, withReturned)
  // A great many recipients leave no room for the returned part, which is the optional one (RFC 6522 §3).
  return whole.length <= DSN_SIZE_LIMIT ? whole : compose(facts, parts)
}

interface Part {
  readonly type: string
  readonly encoding: '7bit' | '8bit' | 'quoted-printable'
  readonly octets: Buffer
}

function compose(facts: DsnFacts, parts: readonly Part[]): Uint8Array {
  const boundary = boundaryFor(parts, facts.messageId)
  const chunks = parts.flatMap(({ type, encoding, octets }) => [
    Buffer.from(`--${boundary}\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`),
    octets,
    Buffer.from('\r\n'),
  ])
  const header = Buffer.from(`${headerOf(facts, boundary)}\r\n`, 'utf8')
  return Buffer.concat([header, ...chunks, Buffer.from(`--${boundary}--\r\n`)])
}

function headerOf(facts: DsnFacts, boundary: string): string {
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

const SUBJECTS = {
  failed: 'was not delivered',
  delayed: 'is delayed',
  relayed: 'was handed on',
} as const satisfies Record<Reported['action'], string>

const TOWARDS = { failed: 'to', delayed: 'on its way to', relayed: 'towards' } as const

/** Of the worst that there is to tell. */
function subjectOf({ reported }: DsnFacts): string {
  const action = ACTIONS.find((one) => reported.some((report) => report.action === one)) ?? 'failed'
  const [first, ...more] = reported.filter((report) => report.action === action)
  const address = first === undefined ? '' : formatAddress(first.recipient.address)
  const shown =
    isAscii(address) && address.length <= ADDRESS_IN_SUBJECT ? printable(address, ADDRESS_IN_SUBJECT) : undefined
  const message = `Your message ${SUBJECTS[action]}`
  if (shown === undefined) return `${message} (${more.length + 1} of its recipients)`
  return `${message} ${TOWARDS[action]} ${shown}${more.length === 0 ? '' : ` and ${more.length} more`}`
}

function textPart(facts: DsnFacts): Part {
  const { id, receivedAt, expiresAt } = facts.original
  const text = noticeText({ ...facts, queueId: id, receivedAt, expiresAt })
  const octets = Buffer.from(text, 'utf8')
  if (isAscii(text)) return { type: 'text/plain; charset=us-ascii', encoding: '7bit', octets }
  return { type: 'text/plain; charset=utf-8', encoding: 'quoted-printable', octets: latin1(quotedPrintable(octets)) }
}

function statusPart({ hostname, original, reported }: DsnFacts, international: boolean): Part {
  const { envelope, receivedAt, expiresAt } = original
  const { envid } = envelope.dsn
  const status = deliveryStatusPart({ hostname, envid, receivedAt, expiresAt, reported, international })
  const octets = Buffer.from(status, 'utf8')
  if (international) return { type: 'message/global-delivery-status', encoding: '8bit', octets }
  return { type: 'message/delivery-status', encoding: '7bit', octets }
}

/** RFC 2046 §5.1.1: must not begin a line of any part; counted on until it does not. */
function boundaryFor(parts: readonly Part[], seed: string): string {
  for (let round = 0; ; round++) {
    const boundary = `=_${createHash('sha256').update(`${round}\0${seed}`).digest('hex').slice(0, 32)}`
    if (!parts.some(({ octets }) => octets.includes(boundary))) return boundary
  }
}

function isSevenBit(bytes: Uint8Array): boolean {
  return bytes.every((octet) => octet < 0x80)
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}
