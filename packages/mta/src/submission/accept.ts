/**
 * Gives a received message to the spool: recipients partitioned by lane, one delivery each, then the lanes are
 * told that there is work. Knows no SMTP; the reply is made in `incoming-message.ts`.
 */
import type { LaneId } from '../delivery/lane.ts'
import type { RoutedMail } from '../delivery/route.ts'
import type { Envelope, Recipient } from '../smtp/envelope.ts'
import type { MailAddress } from '../smtp/mail-address.ts'
import type { NewMessage, Spool } from '../spool/spool.ts'
import type { AcceptMessage } from './incoming-message.ts'

export interface AcceptOptions {
  readonly spool: Pick<Spool, 'accept'>
  readonly laneFor: (mail: RoutedMail) => LaneId
  readonly maxAgeMs: number
  /** After the commit; wakes the lanes. */
  readonly onAccepted: (lanes: readonly LaneId[], envelope: Envelope) => void
}

export function messageAcceptor(options: AcceptOptions): AcceptMessage {
  const { spool, laneFor, maxAgeMs, onAccepted } = options
  return async (message) => {
    const { reversePath: sender, tag } = message.envelope
    const deliveries = partitionByLane(message.recipients, (recipient) =>
      laneFor({ recipient, sender, tag, attempt: 1 }),
    )
    const lanes = deliveries.length
    const envelope = lanes > 1 ? { ...message.envelope, lanes } : message.envelope
    const expiresAt = message.receivedAt + maxAgeMs
    const answer = await spool.accept({ ...message, envelope, deliveries, expiresAt })
    if (answer.kind === 'accepted')
      onAccepted(
        deliveries.map((delivery) => delivery.lane),
        envelope,
      )
    return answer
  }
}

export function partitionByLane(
  recipients: readonly Recipient[],
  laneFor: (address: MailAddress) => LaneId,
): NewMessage['deliveries'] {
  const lanes = new Map<LaneId, number[]>()
  for (const { address, index } of recipients) {
    const lane = laneFor(address)
    const indexes = lanes.get(lane)
    if (indexes === undefined) lanes.set(lane, [index])
    else indexes.push(index)
  }
  return [...lanes].map(([lane, indexes]) => ({ lane, recipients: indexes }))
}
