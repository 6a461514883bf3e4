/**
 * Orders to many messages: first counted and told, then carried out in batches, with what was left alone and why. Who
 * names messages by their ids has counted already.
 */
import { ORDER_MAX, PAGE_MAX } from '../admin/control-protocol.ts'
import { expectedResult } from '../admin/expected-change.ts'
import type { QueueAdmin, QueueOrder } from '../admin/routed-queue.ts'
import type { QueueId } from '../spool/queue-id.ts'
import type { QueueChange, QueueEntry, QueueFilter } from '../spool/spool.ts'
import { Progress } from './progress.ts'
import { queuePages } from './queue-pages.ts'
import { counted, formatAge, formatBytes } from './table.ts'
import { EXIT, type Terminal } from './verb.ts'

export interface ChangeOrder {
  readonly action: QueueOrder
  readonly ids: readonly QueueId[]
  readonly filter: QueueFilter
  readonly json: boolean
  /** Acts on what the filter matches; without it that is only counted. */
  readonly yes: boolean
}

type Result = QueueChange['result']
type Counts = ReadonlyMap<Result, number>

export async function changeQueue(order: ChangeOrder, spool: QueueAdmin, terminal: Terminal): Promise<number> {
  if (order.ids.length > 0) return changeNamed(order, spool, terminal)
  const found = await matching(order, spool, terminal)
  if (!order.yes) {
    terminal.out(order.json ? dryJson(order.action, found) : dryText(order.action, found, terminal.now()))
    return EXIT.done
  }
  await carryOut(order, { ids: found.ids, spool, terminal })
  return EXIT.done
}

async function changeNamed(order: ChangeOrder, spool: QueueAdmin, terminal: Terminal): Promise<number> {
  const counts = await carryOut(order, { ids: order.ids, spool, terminal })
  return (counts.get('done') ?? 0) < order.ids.length ? EXIT.failed : EXIT.done
}

interface Found {
  /** All that match now, gathered before anything changes. */
  readonly ids: readonly QueueId[]
  /** What would become of them. */
  readonly expected: Counts
  readonly bytes: number
  readonly recipients: number
  readonly oldest: number | undefined
}

async function matching({ action, filter }: ChangeOrder, spool: QueueAdmin, terminal: Terminal): Promise<Found> {
  const progress = new Progress(terminal)
  const ids: QueueId[] = []
  const expected = new Map<Result, number>()
  let [bytes, recipients, oldest] = [0, 0, Number.POSITIVE_INFINITY]
  for await (const { entries: page } of queuePages(spool, filter, { limit: ORDER_MAX })) {
    for (const result of await expectedOf(page, action, spool)) increase(expected, result)
    for (const entry of page) {
      ids.push(entry.id)
      bytes += entry.envelope.size
      recipients += entry.deliveries.flatMap((delivery) => delivery.recipients.filter(isOpen)).length
      oldest = Math.min(oldest, entry.receivedAt)
    }
    progress.tell(() => `${counted(ids.length, 'message')} found`)
  }
  progress.end()
  return { ids, expected, bytes, recipients, oldest: ids.length === 0 ? undefined : oldest }
}

/** Only whoever has the routes knows where mail would go. */
async function expectedOf(
  page: readonly QueueEntry[],
  order: QueueOrder,
  spool: QueueAdmin,
): Promise<readonly Result[]> {
  if (order.kind !== 'reroute') return page.map((entry) => expectedResult(entry, order))
  const ids = page.map(({ id }) => id)
  return (await spool.expect(ids, order)).map(({ result }) => result)
}

function isOpen({ state }: { readonly state: string }): boolean {
  return state === 'open'
}

interface Work {
  readonly ids: readonly QueueId[]
  readonly spool: QueueAdmin
  readonly terminal: Terminal
}

async function carryOut(order: ChangeOrder, { ids, spool, terminal }: Work): Promise<Counts> {
  const counts = new Map<Result, number>()
  const progress = new Progress(terminal)
  for (let start = 0; start < ids.length; start += PAGE_MAX) {
    for (const { id, result } of await spool.change(ids.slice(start, start + PAGE_MAX), order.action)) {
      increase(counts, result)
      if (order.json) terminal.out(`${JSON.stringify({ id, result })}\n`)
      else if (result !== 'done' && (order.ids.length > 0 || result === 'in-delivery')) {
        progress.end()
        terminal.err(`${id}: ${WHY_NOT[result]}\n`)
      }
    }
    progress.tell(() => `${Math.min(start + PAGE_MAX, ids.length)} of ${ids.length}`)
  }
  progress.end()
  if (!order.json) terminal.out(changeText(order.action, counts))
  return counts
}

function increase(counts: Map<Result, number>, result: Result): void {
  counts.set(result, (counts.get(result) ?? 0) + 1)
}

const WHY_NOT: Readonly<Record<Exclude<Result, 'done'>, string>> = {
  'not-found': 'not in the queue',
  'in-delivery': 'is being delivered right now; try again in a moment',
  'nothing-to-do': 'nothing to change',
  'kept-by-policy': 'a TLS policy keeps it back; --policy-too moves it all the same',
}

const DONE: Readonly<Record<QueueOrder['kind'], string>> = {
  retry: 'due now',
  hold: 'held',
  quarantine: 'set aside',
  release: 'released',
  cancel: 'cancelled',
  reroute: 're-routed',
}

function changeText(action: QueueOrder, counts: Counts): string {
  const done = counts.get('done') ?? 0
  const others = [...counts].filter(([result]) => result !== 'done').map(([result, count]) => `${count} ${result}`)
  return `${counted(done, 'message')} ${DONE[action.kind]}${others.length > 0 ? ` (${others.join(', ')})` : ''}\n`
}

function dryText(action: QueueOrder, { ids, expected, bytes, recipients, oldest }: Found, now: number): string {
  if (oldest === undefined) return 'No waiting message matches.\n'
  const size = `${formatBytes(bytes)}, ${counted(recipients, 'open recipient')}, the oldest ${formatAge(now - oldest)} old`
  const lines = [
    `${counted(ids.length, 'message')} (${size})`,
    `  ${expected.get('done') ?? 0} would be ${DONE[action.kind]}`,
    ...(['in-delivery', 'nothing-to-do', 'kept-by-policy'] as const).flatMap((result) => {
      const count = expected.get(result)
      return count === undefined ? [] : [`  ${count} would be left alone: ${WHY_LEFT[result]}`]
    }),
    'Nothing was changed; the same with --yes does it.',
  ]
  return `${lines.join('\n')}\n`
}

const WHY_LEFT = {
  'in-delivery': 'in delivery right now',
  'nothing-to-do': 'nothing to change',
  'kept-by-policy': WHY_NOT['kept-by-policy'],
} as const

function dryJson(action: QueueOrder, { ids, expected, bytes, recipients }: Found): string {
  const would = Object.fromEntries(expected)
  return `${JSON.stringify({ action: action.kind, changed: false, messages: ids.length, bytes, recipients, would })}\n`
}
