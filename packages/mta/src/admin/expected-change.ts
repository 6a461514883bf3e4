/** What an order would do to a message, as the spool will decide if nothing changes until then. Pure. */
import { orderDelivery } from '../spool/message-state.ts'
import type { QueueAction, QueueChange, QueueDelivery, QueueEntry } from '../spool/spool.ts'

export function expectedResult(
  { deliveries }: QueueEntry,
  action: QueueAction,
): Exclude<QueueChange['result'], 'not-found'> {
  const changes = deliveries.map((delivery) =>
    isIdle(delivery) ? orderDelivery(asSpooled(delivery), action, 0) : 'out',
  )
  if (changes.some((change) => change !== undefined && change !== 'out')) return 'done'
  return changes.includes('out') ? 'in-delivery' : 'nothing-to-do'
}

type IdleDelivery = QueueDelivery & { readonly state: Exclude<QueueDelivery['state'], 'in-delivery'> }

function isIdle(delivery: QueueDelivery): delivery is IdleDelivery {
  return delivery.state !== 'in-delivery'
}

function asSpooled({ recipients, ...delivery }: IdleDelivery) {
  return { ...delivery, recipients: recipients.map((recipient) => ({ ...recipient, ambiguousCount: 0 })) }
}
