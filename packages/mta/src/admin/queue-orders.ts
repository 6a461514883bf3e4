/** Orders about waiting mail over `admin.sock`: totals, pages, one message, and changes; and the client's side of it. */
import { ok, type Result } from '@hermetic/policy'
import type { RelayEvent } from '../observability/relay-events.ts'
import type { QueueAction, QueueChange, SpoolAdmin } from '../spool/spool.ts'
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

export interface QueueOrdersOptions {
  readonly queue: SpoolAdmin
  /** Messages are due now that were not before, or the other way round. */
  queueChanged(action: QueueAction, changes: readonly QueueChange[]): void
  readonly emit: (event: RelayEvent) => void
}

export function queueOrders({ queue, queueChanged, emit }: QueueOrdersOptions): readonly ControlOrder[] {
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
  return [
    order(['summary', 'read'], parseNothing, () => queue.summary()),
    order(['shape', 'read'], parseShapeRequest, (wanted) => queue.shape({ ...wanted, now: Date.now() })),
    order(['list', 'read'], parseListRequest, ({ filter, limit, after }) =>
      queue.list(filter, after === undefined ? { limit } : { limit, after }),
    ),
    order(['show', 'read'], parseShowRequest, (id) => queue.show(id)),
    order(['change', 'operate'], parseChangeRequest, async ({ ids, action }) => {
      const changes = await queue.change(ids, action)
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
export function queueClient(ask: Ask): SpoolAdmin {
  return {
    summary: () => ask('/queue/summary', {}),
    shape: ({ by, limit }) => ask('/queue/shape', { by, limit }),
    list: (filter, { limit, after }) => ask('/queue/list', { filter, limit: Math.min(limit, PAGE_MAX), after }),
    show: async (id) => (await ask<Awaited<ReturnType<SpoolAdmin['show']>> | null>('/queue/show', { id })) ?? undefined,
    change: async (ids, action) => {
      const changes: QueueChange[] = []
      for (let start = 0; start < ids.length; start += IDS_MAX) {
        const page = ids.slice(start, start + IDS_MAX)
        changes.push(...(await ask<readonly QueueChange[]>('/queue/change', { ids: page, action })))
      }
      return changes
    },
  }
}
