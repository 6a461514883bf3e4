/** Orders about waiting mail over `admin.sock`: totals, pages, one message, and changes; and the client's side of it. */
import { ok, type Result } from '@hermetic/policy'
import { wayOf } from '../delivery/reroute.ts'
import type { RoutingOptions } from '../delivery/routing.ts'
import type { RelayEvent } from '../observability/relay-events.ts'
import type { QueueId } from '../spool/queue-id.ts'
import type { QueueChange, QueueEntry, SpoolAdmin } from '../spool/spool.ts'
import type { Ask, ControlOrder, OrderRole } from './control-order.ts'
import {
  fieldsOf,
  IDS_MAX,
  PAGE_MAX,
  parseChangeRequest,
  parseListRequest,
  parseShapeRequest,
  parseShowRequest,
} from './control-protocol.ts'
import { type QueueAdmin, type QueueOrder, routedQueue } from './routed-queue.ts'

export interface QueueOrdersOptions {
  readonly queue: SpoolAdmin
  /** By which mail is re-routed. */
  readonly routing?: RoutingOptions | undefined
  /** Messages are due now that were not before, or the other way round. */
  queueChanged(order: QueueOrder, changes: readonly QueueChange[]): void
  readonly emit: (event: RelayEvent) => void
}

/** RFC 5321 §4.5.4.2: where nothing is routed. */
const MAIL_EXCHANGERS: RoutingOptions = { port: 25 }

export function queueOrders({ queue, routing, queueChanged, emit }: QueueOrdersOptions): readonly ControlOrder[] {
  const routed = routedQueue(queue, routing ?? MAIL_EXCHANGERS)
  const order = <T>(
    [verb, role]: readonly [string, OrderRole],
    parse: (body: unknown) => Result<T, string>,
    act: (asked: T) => Promise<unknown>,
  ): ControlOrder => ({
    path: `/queue/${verb}`,
    role,
    parse: (body) => {
      const asked = parse(body)
      return asked.ok ? ok(() => act(asked.value)) : asked
    },
  })
  const parseOrder = (body: unknown): ReturnType<typeof parseChangeRequest> => {
    const asked = parseChangeRequest(body)
    if (!asked.ok || asked.value.action.kind !== 'reroute') return asked
    const way = wayOf(asked.value.action, routing ?? MAIL_EXCHANGERS)
    return way.ok ? asked : way
  }
  return [
    order(['summary', 'read'], parseNothing, () => queue.summary()),
    order(['shape', 'read'], parseShapeRequest, ({ summary, ...wanted }) => {
      const wish = { ...wanted, now: Date.now() }
      return summary ? queue.overview(wish) : queue.shape(wish)
    }),
    order(['list', 'read'], parseListRequest, ({ filter, limit, after }) =>
      queue.page(filter, after === undefined ? { limit } : { limit, after }),
    ),
    order(['show', 'read'], parseShowRequest, (id) => queue.show(id)),
    order(['change', 'operate'], parseOrder, async ({ ids, action, dry }) => {
      if (dry) return routed.expect(ids, action)
      const changes = await routed.change(ids, action)
      const messages = changes.filter(({ result }) => result === 'done').length
      emit({ event: 'queue-ordered', action: action.kind, messages })
      queueChanged(action, changes)
      return changes
    }),
  ]
}

function parseNothing(body: unknown): Result<Readonly<Record<string, unknown>>, string> {
  return fieldsOf(body, [])
}

/** The running relay's, for the command line. */
export function queueClient(ask: Ask): QueueAdmin {
  const inPages = async (ids: readonly QueueId[], order: object): Promise<readonly QueueChange[]> => {
    const changes: QueueChange[] = []
    for (let start = 0; start < ids.length; start += IDS_MAX) {
      const page = ids.slice(start, start + IDS_MAX)
      changes.push(...(await ask<readonly QueueChange[]>('/queue/change', { ids: page, ...order })))
    }
    return changes
  }
  const page: SpoolAdmin['page'] = (filter, { limit, after }) =>
    ask('/queue/list', { filter, limit: Math.min(limit, PAGE_MAX), after })
  return {
    summary: () => ask('/queue/summary', {}),
    overview: ({ by, limit }) => ask('/queue/shape', { by, limit, summary: true }),
    shape: ({ by, limit }) => ask('/queue/shape', { by, limit }),
    list: async (filter, { limit, after }) => {
      const entries: QueueEntry[] = []
      for (let from = after, left = Math.min(limit, PAGE_MAX); left > 0; left = limit - entries.length) {
        const found = await page(filter, { limit: left, ...(from === undefined ? {} : { after: from }) })
        entries.push(...found.entries)
        from = found.more
        if (from === undefined || entries.length >= PAGE_MAX) break
      }
      return entries
    },
    page,
    show: async (id) => (await ask<Awaited<ReturnType<SpoolAdmin['show']>> | null>('/queue/show', { id })) ?? undefined,
    change: (ids, action) => inPages(ids, { action }),
    expect: (ids, action) => inPages(ids, { action, dry: true }),
  }
}
