/**
 * Between the values of the port and the records of the store: new messages in, claims and queue entries out. Pure.
 */
import { invariant } from '@hermetic/policy'
import type { RecipientOutcome } from '../delivery/outcome.ts'
import type { Envelope } from '../smtp/envelope.ts'
import { formatDomain, formatReversePath } from '../smtp/mail-address.ts'
import type { PlacedContent } from './content-store.ts'
import { openRecipient, type SpooledRecipient, toReport } from './message-state.ts'
import type { Claim, NewContent, NewMessage, QueueEntry } from './spool.ts'
import type { ClaimRecord, EntryRecord, MessageRecord, NewDeliveryRecord } from './store-protocol.ts'

export function messageRecord(message: NewMessage, content: PlacedContent, now: number): MessageRecord {
  const { id, receivedAt, expiresAt, messageIdHeader } = message
  const deliveries = message.deliveries.map(({ lane, recipients, held }): NewDeliveryRecord => {
    const spooled = recipients.map((index) => newRecipient(message, index))
    const text = JSON.stringify(spooled)
    // A message stamped ahead of the store's clock is due now, not later.
    return {
      lane,
      ...(held === undefined ? {} : { held }),
      dueAt: Math.min(receivedAt, now),
      recipients: text,
      open: spooled.length,
      domains: domainsOf(spooled),
    }
  })
  return {
    id,
    envelope: JSON.stringify(message.envelope),
    sender: formatReversePath(message.envelope.reversePath),
    receivedAt,
    expiresAt,
    size: content.kind === 'inline' ? content.bytes.byteLength : content.size,
    content,
    deliveries,
    ...(messageIdHeader === undefined ? {} : { messageIdHeader }),
  }
}

export function contentBytes(content: NewContent): number {
  return content.kind === 'memory' ? content.bytes.byteLength : content.size
}

export function claimOf(record: ClaimRecord, leaseUntilMono: number): Claim {
  const recipients = JSON.parse(record.recipients) as readonly SpooledRecipient[]
  const reported = toReport(recipients)
  return {
    token: record.token,
    id: record.id,
    lane: record.lane,
    envelope: JSON.parse(record.envelope) as Envelope,
    recipients: recipients.filter((recipient) => recipient.state === 'open').map(openRecipient),
    receivedAt: record.receivedAt,
    expiresAt: record.expiresAt,
    dueAt: record.dueAt,
    attempts: record.attempts,
    leaseUntilMono,
    marks: record.delayNoticeAt === null ? {} : { delayNoticeAt: record.delayNoticeAt },
    ...(reported.length === 0 ? {} : { toReport: reported }),
  }
}

export function entryOf(record: EntryRecord): QueueEntry {
  return {
    id: record.id,
    envelope: JSON.parse(record.envelope) as Envelope,
    ...(record.messageIdHeader === null ? {} : { messageIdHeader: record.messageIdHeader }),
    receivedAt: record.receivedAt,
    expiresAt: record.expiresAt,
    deliveries: record.deliveries.map(({ reason, rule, recipients, delayNoticeAt: _, ...delivery }) => ({
      ...delivery,
      ...(rule === null ? {} : { rule }),
      ...(reason === null ? {} : { stateReason: reason }),
      recipients: (JSON.parse(recipients) as readonly SpooledRecipient[]).map(
        ({
          ambiguousCount: _,
          ...recipient
        }): Omit<SpooledRecipient, 'ambiguousCount'> & { lastOutcome?: RecipientOutcome } => recipient,
      ),
    })),
  }
}

function newRecipient(message: NewMessage, index: number): SpooledRecipient {
  const recipient = message.recipients.find((candidate) => candidate.index === index)
  invariant(recipient !== undefined, `recipient ${index} of a delivery is a recipient of its message`)
  return { ...recipient, state: 'open', ambiguousCount: 0 }
}

/** A recipient in no delivery would never be tried, one in two would get the message twice. */
export function assertPartition(message: NewMessage): void {
  const indices = new Set(message.recipients.map(({ index }) => index))
  const inDeliveries = message.deliveries.flatMap((delivery) => delivery.recipients)
  invariant(
    message.recipients.length > 0 &&
      inDeliveries.length === message.recipients.length &&
      new Set(inDeliveries).size === indices.size &&
      inDeliveries.every((index) => indices.has(index)) &&
      message.deliveries.every((delivery) => delivery.recipients.length > 0),
    'the deliveries are a partition of the recipients',
  )
}

/** The recipients' domains, each between spaces, for `queue list` by domain. */
export function domainsOf(recipients: readonly Pick<SpooledRecipient, 'address'>[]): string {
  return ` ${[...new Set(recipients.map(({ address }) => formatDomain(address.domain)))].join(' ')} `
}
