/**
 * The queue as operators order it: what they say of routes becomes lanes by the routes of the configuration, and what an
 * order would do can be asked before.
 */
import { type RerouteOrder, rerouteOf, type Way, wayOf } from '../delivery/reroute.ts'
import type { RoutingOptions } from '../delivery/routing.ts'
import type { QueueId } from '../spool/queue-id.ts'
import type { QueueAction, QueueChange, QueueEntry, SpoolAdmin } from '../spool/spool.ts'
import { expectedResult } from './expected-change.ts'

/** An order as it is written. */
export type QueueOrder = Exclude<QueueAction, { readonly kind: 'reroute' }> | RerouteOrder

export interface QueueAdmin extends Omit<SpoolAdmin, 'change'> {
  change(ids: readonly QueueId[], order: QueueOrder): Promise<readonly QueueChange[]>
  /** What `change` would answer if nothing happened until then. */
  expect(ids: readonly QueueId[], order: QueueOrder): Promise<readonly QueueChange[]>
}

/** The order names no route of the configuration; the message says what there is. */
export class UnknownRoute extends Error {
  override readonly name = 'UnknownRoute'
}

export function routedQueue(queue: SpoolAdmin, routing: RoutingOptions): QueueAdmin {
  return {
    list: (filter, page) => queue.list(filter, page),
    page: (filter, page) => queue.page(filter, page),
    show: (id) => queue.show(id),
    summary: () => queue.summary(),
    overview: (ask) => queue.overview(ask),
    shape: (ask) => queue.shape(ask),
    change: async (ids, order) => {
      if (order.kind !== 'reroute') return await queue.change(ids, order)
      return await reroute(ids, { order, queue, routing })
    },
    expect: async (ids, order) => {
      const way = order.kind === 'reroute' ? wayIn(order, routing) : undefined
      const changes: QueueChange[] = []
      for await (const { id, entry } of shown(ids, queue)) {
        if (entry === undefined) changes.push({ id, result: 'not-found' })
        else if (order.kind !== 'reroute') changes.push({ id, result: expectedResult(entry, order) })
        else {
          const { kind } = rerouteOf(entry, { way, policyToo: order.policyToo === true, routing })
          changes.push({ id, result: kind === 'move' ? 'done' : kind })
        }
      }
      return changes
    },
  }
}

/** As many as the spool changes at once. */
const SHOWN_AT_ONCE = 64

/** In their order, page by page: a store far away answers a page in the time of one message. */
async function* shown(
  ids: readonly QueueId[],
  queue: Pick<SpoolAdmin, 'show'>,
): AsyncGenerator<{ readonly id: QueueId; readonly entry: QueueEntry | undefined }> {
  for (let at = 0; at < ids.length; at += SHOWN_AT_ONCE) {
    const page = ids.slice(at, at + SHOWN_AT_ONCE)
    yield* await Promise.all(page.map(async (id) => ({ id, entry: await queue.show(id) })))
  }
}

interface Rerouting {
  readonly order: RerouteOrder
  readonly queue: SpoolAdmin
  readonly routing: RoutingOptions
}

/** Messages that move alike are changed together. */
async function reroute(ids: readonly QueueId[], { order, queue, routing }: Rerouting): Promise<readonly QueueChange[]> {
  const way = wayIn(order, routing)
  const results = new Map<QueueId, QueueChange>()
  const alike = new Map<string, { readonly ids: QueueId[]; readonly action: QueueAction }>()
  for await (const { id, entry } of shown(ids, queue)) {
    const plan = entry && rerouteOf(entry, { way, policyToo: order.policyToo === true, routing })
    if (plan === undefined) results.set(id, { id, result: 'not-found' })
    else if (plan.kind !== 'move') results.set(id, { id, result: plan.kind })
    else {
      const key = JSON.stringify(plan.lanes)
      const action = { kind: 'reroute', lanes: plan.lanes, ...(way === undefined ? {} : { via: way }) } as const
      const group = alike.get(key) ?? { ids: [], action }
      group.ids.push(id)
      alike.set(key, group)
    }
  }
  for (const group of alike.values()) {
    for (const change of await queue.change(group.ids, group.action)) results.set(change.id, change)
  }
  return ids.flatMap((id) => results.get(id) ?? [])
}

function wayIn(order: RerouteOrder, routing: RoutingOptions): Way {
  const way = wayOf(order, routing)
  if (!way.ok) throw new UnknownRoute(way.error)
  return way.value
}
