/**
 * A message with all that the spool keeps of it: what moves between spools, whichever engine they are. In-delivery is a
 * lease and not a state, so it does not move; neither do the ids of settlements, whose repetitions go to the journal
 * of the spool that was asked. Pure.
 */
import type { Envelope } from '../smtp/envelope.ts'
import { formatReversePath } from '../smtp/mail-address.ts'
import type { PlacedContent } from './content-store.ts'
import type { SpooledDelivery, SpooledRecipient } from './message-state.ts'
import type { QueueId } from './queue-id.ts'
import type { EntryDeliveryRecord, EntryRecord, WholeRecord } from './store-protocol.ts'

export interface WholeMessage {
  readonly id: QueueId
  readonly envelope: Envelope
  readonly messageIdHeader?: string
  /** UTC milliseconds. */
  readonly receivedAt: number
  readonly expiresAt: number
  readonly deliveries: readonly SpooledDelivery[]
}

/** A whole message where it is now. */
export interface SpooledMessage {
  readonly message: WholeMessage
  /** Octets of its content. */
  readonly size: number
  /** Somebody is delivering a part of it. */
  readonly inDelivery: boolean
}

export function spooledMessage(record: EntryRecord): SpooledMessage {
  const { id, envelope, messageIdHeader, receivedAt, expiresAt, size, deliveries } = record
  return {
    message: {
      id,
      envelope: JSON.parse(envelope) as Envelope,
      ...(messageIdHeader === null ? {} : { messageIdHeader }),
      receivedAt,
      expiresAt,
      deliveries: deliveries.map(spooledDelivery),
    },
    size,
    inDelivery: deliveries.some(({ state }) => state === 'in-delivery'),
  }
}

export function wholeRecord(message: WholeMessage, content: PlacedContent): WholeRecord {
  const { id, envelope, messageIdHeader, receivedAt, expiresAt, deliveries } = message
  return {
    id,
    envelope: JSON.stringify(envelope),
    sender: formatReversePath(envelope.reversePath),
    ...(messageIdHeader === undefined ? {} : { messageIdHeader }),
    receivedAt,
    expiresAt,
    size: content.kind === 'inline' ? content.bytes.byteLength : content.size,
    content,
    deliveries,
  }
}

/** The rule that holds a delivery stays behind: elsewhere an operator releases what it held. */
function spooledDelivery({
  state,
  reason,
  rule: _,
  recipients,
  delayNoticeAt,
  ...rest
}: EntryDeliveryRecord): SpooledDelivery {
  return {
    ...rest,
    state: state === 'in-delivery' ? 'queued' : state,
    ...(reason === null ? {} : { reason }),
    ...(delayNoticeAt === null ? {} : { delayNoticeAt }),
    recipients: JSON.parse(recipients) as readonly SpooledRecipient[],
  }
}
