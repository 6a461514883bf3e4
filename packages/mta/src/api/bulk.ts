/**
 * Orders to many messages over the API: those that are named are changed at once; those that match a filter are counted
 * first, and changed when the caller confirms a number that is not exceeded.
 */
import type { ControlOrder } from '../admin/control-order.ts'
import { ORDER_MAX, PAGE_MAX } from '../admin/control-protocol.ts'
import { expectedResult } from '../admin/expected-change.ts'
import type { QueueOrder } from '../admin/routed-queue.ts'
import type { QueueChange, QueueEntry, QueuePage } from '../spool/spool.ts'
import type { BulkEndpoint, Given } from './endpoint.ts'
import { ApiProblem } from './problem.ts'
import { received } from './wire-names.ts'

export interface BulkWorld {
  /** By path. */
  readonly orders: ReadonlyMap<string, ControlOrder>
  /** The caller is gone, or the time is over: what is done is done, the rest is left. */
  readonly signal: AbortSignal
}

/** Of messages that were not changed, so many are named. */
const NAMED_MAX = 1_000

export async function carryOutBulk({ action }: BulkEndpoint, given: Given, world: BulkWorld): Promise<unknown> {
  const { ids, filter, confirm, ...terms } = given
  if ((ids === undefined) === (filter === undefined)) throw new ApiProblem('bad-request', 'either ids or filter')
  const order = { kind: action, ...Object(received(terms)) } as QueueOrder
  if (ids !== undefined) {
    if (confirm !== undefined) throw new ApiProblem('bad-request', 'confirm: ids need no number')
    return change(Array.isArray(ids) ? ids : [], order, world)
  }
  const found = await matching(filter, order, world)
  if (confirm === undefined) return { changed: false, ...found.counted }
  const { messages } = found.counted
  if (messages > Number(confirm)) {
    throw new ApiProblem('more-than-confirmed', `${messages} messages match, ${confirm} were confirmed`)
  }
  return change(found.ids, order, world)
}

interface Counted {
  readonly messages: number
  readonly bytes: number
  readonly recipients: number
  readonly oldestReceivedAt?: number
  readonly would: Readonly<Record<string, number>>
}

async function matching(
  filter: unknown,
  action: QueueOrder,
  world: BulkWorld,
): Promise<{ readonly ids: readonly string[]; readonly counted: Counted }> {
  const ids: string[] = []
  const would: Record<string, number> = {}
  let after: string | undefined
  let [bytes, recipients, oldest] = [0, 0, Number.POSITIVE_INFINITY]
  // What is wrong with the order itself is told before anything is counted.
  await give('/queue/change', { ids: [], action }, world)
  for (;;) {
    if (world.signal.aborted) throw new ApiProblem('unavailable', 'the messages were not counted in time')
    const page = (await give('/queue/list', { filter: received(filter), limit: PAGE_MAX, after }, world)) as QueuePage
    const { entries } = page
    after = page.more
    for (const result of await expectedOf(entries, action, world)) add(would, result)
    for (const entry of entries) {
      ids.push(entry.id)
      bytes += entry.envelope.size
      recipients += entry.deliveries.flatMap((one) => one.recipients.filter(({ state }) => state === 'open')).length
      oldest = Math.min(oldest, entry.receivedAt)
    }
    if (after === undefined || ids.length >= ORDER_MAX) break
  }
  const since = ids.length === 0 ? {} : { oldestReceivedAt: oldest }
  return { ids, counted: { messages: ids.length, bytes, recipients, ...since, would } }
}

/** Only whoever has the routes knows where mail would go. */
async function expectedOf(
  entries: readonly QueueEntry[],
  action: QueueOrder,
  world: BulkWorld,
): Promise<readonly QueueChange['result'][]> {
  if (action.kind !== 'reroute') return entries.map((entry) => expectedResult(entry, action))
  const changes = await give('/queue/change', { ids: entries.map(({ id }) => id), action, dry: true }, world)
  return (changes as readonly QueueChange[]).map(({ result }) => result)
}

async function change(ids: readonly unknown[], action: QueueOrder, world: BulkWorld): Promise<unknown> {
  const results: Record<string, number> = {}
  const leftAlone: QueueChange[] = []
  let complete = true
  for (let start = 0; start < ids.length; start += PAGE_MAX) {
    if (world.signal.aborted) {
      complete = false
      break
    }
    const changes = await give('/queue/change', { ids: ids.slice(start, start + PAGE_MAX), action }, world)
    for (const one of changes as readonly QueueChange[]) {
      add(results, one.result)
      if (one.result !== 'done' && leftAlone.length < NAMED_MAX) leftAlone.push(one)
    }
  }
  return { changed: true, complete, results, leftAlone }
}

async function give(path: string, body: Readonly<Record<string, unknown>>, { orders, signal }: BulkWorld) {
  const parsed = orders.get(path)?.parse(body)
  if (parsed === undefined) throw new ApiProblem('not-found')
  if (!parsed.ok) throw new ApiProblem('bad-request', parsed.error)
  return parsed.value(signal)
}

function add(counts: Record<string, number>, result: string): void {
  counts[result] = (counts[result] ?? 0) + 1
}
