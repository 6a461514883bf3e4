/**
 * Holds that belong to a move: how a message is kept from being delivered while it leaves, and how a copy waits where it
 * has come to. Pure.
 */
import type { SpooledDelivery } from '../spool/message-state.ts'
import type { WholeMessage } from '../spool/whole-message.ts'

const MOVING = 'leaving with the queue file '

/** Why a message is held that is on its way out. */
export function movingReason(file: string): string {
  return `${MOVING}${file}`
}

export function isHeldForMove({ deliveries }: WholeMessage, file: string): boolean {
  return deliveries.some(({ state, reason }) => state === 'held' && reason === movingReason(file))
}

/** The message as it was before it was held for a move; also for one that was begun and given up. */
export function beforeTheMove(message: WholeMessage): WholeMessage {
  return { ...message, deliveries: message.deliveries.map(freed) }
}

/** The message held, because its original may be delivered where it was copied from. */
export function copiedMessage(message: WholeMessage, from: string): WholeMessage {
  const reason = `a copy from ${from}; release it when that queue will not deliver it`
  const held = (one: SpooledDelivery): SpooledDelivery =>
    one.state === 'queued' ? { ...one, state: 'held', reason } : one
  return { ...message, deliveries: message.deliveries.map(held) }
}

function freed(delivery: SpooledDelivery): SpooledDelivery {
  if (delivery.state !== 'held' || delivery.reason?.startsWith(MOVING) !== true) return delivery
  const { reason: _, ...rest } = delivery
  return { ...rest, state: 'queued' }
}
