/**
 * From a settlement's outcomes to the failure notification that is committed with it (architecture §3). Pure.
 *
 * The notification's queue id follows from the settlement's id, so a settlement that is repeated or replayed
 * names the same message and the spool takes it once. Its envelope is the one of RFC 3461 §6.1: null
 * reverse-path, no RET, NOTIFY=NEVER, and the original's reverse-path as its only recipient.
 */
import { createHash } from 'node:crypto'
import { invariant } from '@hermetic/policy'
import type { LaneId } from '../delivery/lane.ts'
import type { RecipientOutcome } from '../delivery/outcome.ts'
import { type BeginSignature, type SigningOutcome, signWhole } from '../signing/dkim.ts'
import type { Envelope, Recipient } from '../smtp/envelope.ts'
import { type MailAddress, nullReversePath } from '../smtp/mail-address.ts'
import { parseQueueId, type QueueId } from '../spool/queue-id.ts'
import type { NewMessage } from '../spool/spool.ts'
import { renderFailureDsn } from './dsn.ts'
import { decideFailureDsn, type FailureDsnDecision, type SilentReason } from './dsn-decision.ts'
import type { BounceEvent } from './events.ts'

export interface FailureDsnRequest {
  readonly original: OriginalMessage
  readonly outcomes: readonly RecipientOutcome[]
  /**
   * The content from its first octet: all of it, or at least `RETURNED_CONTENT_LIMIT` octets; empty when it
   * cannot be read. Needed only when `decideFailureDsn` says `notify`.
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
  /** Absent: notifications are not signed. */
  readonly beginSignature?: BeginSignature | undefined
}

export interface OriginalMessage {
  readonly id: QueueId
  readonly envelope: Envelope
  readonly recipients: readonly Recipient[]
  readonly receivedAt: number
}

/** The events are for after the commit. */
export type FailureDsn =
  | { readonly kind: 'dsn'; readonly message: NewMessage; readonly events: readonly BounceEvent[] }
  | { readonly kind: 'none'; readonly reason: SilentReason; readonly events: readonly BounceEvent[] }

export function failureDsn(request: FailureDsnRequest): FailureDsn {
  const decision = decideFailureDsn(request.original, request.outcomes)
  const { id } = request.original
  if (decision.kind === 'silent') {
    const { reason, failed } = decision
    if (reason === 'nothing-failed') return { kind: 'none', reason, events: [] }
    return { kind: 'none', reason, events: [{ event: 'failure-not-reported', id, recipients: failed, reason }] }
  }
  const { message, dkim } = newMessage(request, decision)
  const signed = dkim === undefined ? {} : { dkim }
  const queued = { event: 'dsn-queued', id, dsnId: message.id, recipients: decision.failed.length, ...signed } as const
  if (decision.withheld === 0) return { kind: 'dsn', message, events: [queued] }
  const withheld = {
    event: 'failure-not-reported',
    id,
    recipients: decision.withheld,
    reason: 'not-requested',
  } as const
  return { kind: 'dsn', message, events: [queued, withheld] }
}

function newMessage(
  request: FailureDsnRequest,
  decision: FailureDsnDecision & { readonly kind: 'notify' },
): { readonly message: NewMessage; readonly dkim: SigningOutcome | undefined } {
  const { original, hostname, postmaster, now, beginSignature } = request
  const id = dsnQueueId(request.settlementId, original.receivedAt)
  const messageIdHeader = `<${id}@${hostname}>`
  const { bytes: rendered, smtpUtf8 } = renderFailureDsn({
    ...decision,
    original,
    contentStart: request.contentStart,
    messageId: messageIdHeader,
    hostname,
    postmaster,
    now,
  })
  const signed = beginSignature === undefined ? undefined : signWhole(beginSignature, rendered, now)
  const bytes = signed?.bytes ?? rendered
  const message: NewMessage = {
    id,
    envelope: {
      reversePath: nullReversePath,
      body: '7bit',
      smtpUtf8,
      // RFC 8689 §5: a notification about a REQUIRETLS message demands it as well.
      tls: original.envelope.tls === 'requiretls' ? 'requiretls' : 'default',
      dsn: {},
      size: bytes.length,
      origin: { kind: 'local', purpose: 'dsn' },
    },
    recipients: [{ index: 0, address: decision.sender, notify: ['NEVER'] }],
    deliveries: [{ lane: request.laneFor(decision.sender), recipients: [0] }],
    receivedAt: now,
    expiresAt: now + request.maxAgeMs,
    content: { kind: 'memory', bytes },
    messageIdHeader,
  }
  return { message, dkim: signed?.outcome }
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
