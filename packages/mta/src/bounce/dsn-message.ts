/**
 * From what is to be told to the notification as a message of the queue (architecture §3). Pure.
 *
 * Its queue id follows from the id of the settlement that carries it, so a settlement that is repeated or replayed
 * names the same message and the spool takes it once. Its envelope is the one of RFC 3461 §6.1: null reverse-path, no
 * RET, NOTIFY=NEVER, and the original's reverse-path as its only recipient.
 */
import { createHash } from 'node:crypto'
import { invariant } from '@hermetic/policy'
import type { LaneId } from '../delivery/lane.ts'
import type { Envelope } from '../smtp/envelope.ts'
import { type MailAddress, nullReversePath } from '../smtp/mail-address.ts'
import { parseQueueId, type QueueId } from '../spool/queue-id.ts'
import type { NewMessage } from '../spool/spool.ts'
import { type OriginalMessage, renderDsn } from './dsn.ts'
import type { Reported } from './reported.ts'

export interface DsnRequest {
  readonly original: OriginalMessage
  readonly sender: MailAddress
  readonly reported: readonly [Reported, ...Reported[]]
  /**
   * The content from its first octet: all of it, or at least `RETURNED_CONTENT_LIMIT` octets; empty when it
   * cannot be read.
   */
  readonly contentStart: Uint8Array
  /** The id of the settlement that will carry the notification. */
  readonly settlementId: string
  /** The name this relay goes by: a domain name or an address literal. */
  readonly hostname: string
  /** The addr-spec of the person responsible (RFC 3464 §2). */
  readonly postmaster: string
  readonly laneFor: (recipient: MailAddress) => LaneId
  /** UTC milliseconds. */
  readonly now: number
  readonly maxAgeMs: number
}

export function dsnMessage(request: DsnRequest): NewMessage {
  const { original, hostname } = request
  const id = dsnQueueId(request.settlementId, original.receivedAt)
  const messageId = `<${id}@${hostname}>`
  const { bytes, ...needs } = renderDsn({ ...request, messageId })
  // RFC 8689 §5: a notification about a REQUIRETLS message demands it as well.
  const tls = original.envelope.tls === 'requiretls' ? 'requiretls' : 'default'
  return notification(request, { id, messageId, bytes, ...needs, tls })
}

export interface SevenBitRequest extends Pick<DsnRequest, 'settlementId' | 'laneFor' | 'now' | 'maxAgeMs'> {
  /** The notification that a host could not take as it is. */
  readonly refused: { readonly receivedAt: number; readonly envelope: Envelope; readonly sender: MailAddress }
  readonly bytes: Uint8Array
  readonly messageId: string
}

/** The same notification in seven bits: another message of the queue. */
export function sevenBitMessage({ refused, bytes, messageId, ...request }: SevenBitRequest): NewMessage {
  const id = dsnQueueId(request.settlementId, refused.receivedAt)
  const { tls } = refused.envelope
  return notification(
    { ...request, sender: refused.sender },
    { id, messageId, bytes, smtpUtf8: false, body: '7bit', tls },
  )
}

interface Notification extends Pick<Envelope, 'smtpUtf8' | 'body' | 'tls'> {
  readonly id: QueueId
  readonly messageId: string
  readonly bytes: Uint8Array
}

function notification(
  { sender, laneFor, now, maxAgeMs }: Pick<DsnRequest, 'sender' | 'laneFor' | 'now' | 'maxAgeMs'>,
  { id, messageId, bytes, ...needs }: Notification,
): NewMessage {
  return {
    id,
    envelope: {
      reversePath: nullReversePath,
      ...needs,
      dsn: {},
      size: bytes.length,
      origin: { kind: 'local', purpose: 'dsn' },
    },
    recipients: [{ index: 0, address: sender, notify: ['NEVER'] }],
    deliveries: [{ lane: laneFor(sender), recipients: [0] }],
    receivedAt: now,
    expiresAt: now + maxAgeMs,
    content: { kind: 'memory', bytes },
    messageIdHeader: messageId,
  }
}

/**
 * A UUID made from the settlement's id (RFC 9562 §5.8: version 8, meaning is ours): the time at which the
 * original arrived, so that it sorts beside it, then SHA-256.
 */
export function dsnQueueId(settlementId: string, receivedAt: number): QueueId {
  const octets = createHash('sha256').update(`failure-dsn\0${settlementId}`).digest().subarray(0, 16)
  octets.writeUIntBE(Math.max(0, Math.trunc(receivedAt)) % 2 ** 48, 0, 6)
  octets.writeUInt8((octets.readUInt8(6) & 0x0f) | 0x80, 6)
  octets.writeUInt8((octets.readUInt8(8) & 0x3f) | 0x80, 8)
  const id = parseQueueId(octets.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'))
  invariant(id !== undefined, 'a SHA-256 makes a queue id')
  return id
}
