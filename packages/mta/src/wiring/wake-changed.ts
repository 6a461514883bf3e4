/** Messages that an order made due, and what senders are to be told of them, are looked at now; an operator's retry also ends a lane's back-off. */
import type { QueueOrder } from '../admin/routed-queue.ts'
import type { QueueAction, QueueChange, Spool } from '../spool/spool.ts'
import type { Waking } from './ordered-attempts.ts'

export async function wakeChanged(
  action: QueueAction | QueueOrder,
  changes: readonly QueueChange[],
  { spool, scheduler }: { readonly spool: Pick<Spool, 'admin'>; readonly scheduler: Waking },
): Promise<void> {
  const tells = action.kind === 'cancel' && action.notify === true
  const due = action.kind === 'retry' || action.kind === 'release' || action.kind === 'reroute'
  if (!due && !tells) return
  for (const { id, result } of changes) {
    if (result !== 'done') continue
    const entry = await spool.admin.show(id)
    for (const { lane, state } of entry?.deliveries ?? []) {
      if (state === 'queued') scheduler.wake(lane, undefined, 'operator')
    }
  }
}
