/** What a settle makes of the delivery that it saw, in the words of `settle.lua`. Pure. */
import { mergeLateSettle, type Settler, settleDelivery } from '../message-state.ts'
import type { SettleOutcome } from '../spool.ts'
import type { StoreAsk } from '../store-protocol.ts'
import { deliveryArguments, messageArguments, type RedisArgument, storedDelivery } from './redis-records.ts'

interface Decided {
  readonly args: readonly RedisArgument[]
  readonly outcome: SettleOutcome
  readonly claimGoesOn: boolean
}

/** What a settle makes of what was seen of its delivery; of nothing seen, a question. */
export function decideSettle(
  ask: StoreAsk<'settle'>,
  seen: { readonly settler: Settler; readonly raw: string } | undefined,
): Decided {
  const keepClaim = ask.settlement.keepClaim === true
  if (seen === undefined) return { args: ['', '0'], outcome: { kind: 'already-done' }, claimGoesOn: keepClaim }
  const { revision, delivery } = storedDelivery(seen.raw)
  const isHolder = seen.settler === 'holder'
  const { deliveries, closed, ignored } =
    isHolder && !keepClaim
      ? settleDelivery(delivery, { ...ask.settlement, enqueue: [] })
      : mergeLateSettle(delivery, ask.settlement)
  // Notices that tell of ignored outcomes would be untrue; those that only tell of deliveries are kept.
  const enqueue = (isHolder && !keepClaim) || (closed > 0 && ignored === 0) ? ask.enqueue : []
  return {
    args: [
      ...[seen.settler, revision, String(deliveries.length)],
      ...deliveries.flatMap(deliveryArguments),
      String(enqueue.length),
      ...enqueue.flatMap(messageArguments),
    ],
    outcome: isHolder ? { kind: 'settled' } : { kind: 'merged', closed, ignored },
    claimGoesOn: isHolder && keepClaim && deliveries[0].state !== 'settled',
  }
}
