/**
 * The relay's own queue as the mailer of reports (`ReportMailer` of the reporter package).
 *
 * No TLS policy holds a report back (RFC 8460 §3: `tls-optional`, RPT-76), whether or not `ignore_tls_required_no` says
 * otherwise of submitted mail. It is of local origin and asks for no notification, so nothing is sent about its failure,
 * here or elsewhere (RPT-89), and whoever counts sessions knows it by that origin (RPT-68).
 */
import { createHash } from 'node:crypto'
import { invariant } from '@hermetic/policy'
import type { MailAnswer, OutgoingReport, ReportMailer } from '@hermetic/reporter'
import type { LaneId } from '../delivery/lane.ts'
import type { RoutedMail } from '../delivery/route.ts'
import type { MailAddress } from '../smtp/mail-address.ts'
import { parseQueueId, type QueueId } from '../spool/queue-id.ts'
import type { NewMessage, Spool } from '../spool/spool.ts'
import { parseMailbox } from '../submission/address.ts'

export interface QueueMailerOptions {
  readonly spool: Pick<Spool, 'accept' | 'health'>
  readonly laneFor: (mail: RoutedMail) => LaneId
  /** After the commit; wakes the lane. */
  readonly onQueued: (lane: LaneId) => void
  /** UTC milliseconds. */
  readonly now: () => number
}

/** RFC 6710: behind everything that people wait for. */
const PRIORITY = -4
/**
 * An id whose accept had an unknown outcome is never accepted later, so the next one of its row is taken. A store that fails
 * is not asked, so more than a few of them mean that something else is wrong.
 */
const IDS_MAX = 16

export function createQueueMailer(options: QueueMailerOptions): ReportMailer {
  return { submit: (mail) => submit(mail, options) }
}

async function submit(mail: OutgoingReport, options: QueueMailerOptions): Promise<MailAnswer> {
  const { spool, onQueued } = options
  for (let turn = 0; turn < IDS_MAX; turn += 1) {
    const { intake } = spool.health()
    if (intake !== 'open') return { kind: 'unavailable', reason: intake === 'full' ? 'queue-full' : 'queue-failing' }
    const message = queuedMessage(mail, turn, options)
    const answer = await spool.accept(message)
    if (answer.kind === 'full') return { kind: 'unavailable', reason: 'queue-full' }
    if (answer.kind === 'unavailable') continue
    for (const { lane } of message.deliveries) onQueued(lane)
    return { kind: 'queued', name: message.id }
  }
  return { kind: 'unavailable', reason: 'queue-failing' }
}

function queuedMessage(
  mail: OutgoingReport,
  turn: number,
  { laneFor, now }: Pick<QueueMailerOptions, 'laneFor' | 'now'>,
): NewMessage {
  const recipient = mailbox(mail.recipient)
  const sender = mailbox(mail.sender)
  const { bytes, messageId, giveUpAt } = mail
  return {
    id: reportQueueId(mail, turn),
    envelope: {
      reversePath: sender,
      body: '7bit',
      smtpUtf8: false,
      tls: 'tls-optional',
      dsn: {},
      size: bytes.length,
      origin: { kind: 'local', purpose: 'report' },
      priority: PRIORITY,
    },
    recipients: [{ index: 0, address: recipient, notify: ['NEVER'] }],
    deliveries: [{ lane: laneFor({ recipient, sender, attempt: 1 }), recipients: [0] }],
    receivedAt: now(),
    expiresAt: giveUpAt,
    content: { kind: 'memory', bytes },
    messageIdHeader: messageId,
  }
}

/** The record's own grammar is narrower than that of an envelope. */
function mailbox(text: string): MailAddress {
  const address = parseMailbox(text)
  invariant(address.ok, 'an address that was read from a record or from the configuration')
  return address.value
}

/** A UUID of version 8 (RFC 9562 §5.8) that follows from the report and its target: a repetition is the same message. */
function reportQueueId({ id, giveUpAt }: OutgoingReport, turn: number): QueueId {
  const octets = createHash('sha256')
    .update(JSON.stringify(['report', id, turn]))
    .digest()
    .subarray(0, 16)
  octets.writeUIntBE(Math.max(0, giveUpAt - DAY_MS) % 2 ** 48, 0, 6)
  octets.writeUInt8((octets.readUInt8(6) & 0x0f) | 0x80, 6)
  octets.writeUInt8((octets.readUInt8(8) & 0x3f) | 0x80, 8)
  const text = octets.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  const parsed = parseQueueId(text)
  invariant(parsed !== undefined, 'a SHA-256 makes a queue id')
  return parsed
}

/** From the first attempt to the end of all attempts: ids sort by the former. */
const DAY_MS = 86_400_000
