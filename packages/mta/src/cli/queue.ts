/** `hermetic queue …`: looks at waiting mail and changes what is to become of it. */

import { ORDER_MAX, PAGE_MAX, SHAPE_ROWS_MAX, SHAPES } from '../admin/control-protocol.ts'
import type { QueueOrder } from '../admin/routed-queue.ts'
import type { Waits } from '../admin/waits-order.ts'
import { suggestion } from '../config/suggestion.ts'
import type { LaneId } from '../delivery/lane.ts'
import { parseQueueId, type QueueId } from '../spool/queue-id.ts'
import type { QueueEntry, QueueFilter, ShapeBy } from '../spool/spool.ts'
import { readArguments } from './arguments.ts'
import { type OpenedQueue, openQueue } from './open-queue.ts'
import { attemptsText, pastAttempts } from './past-attempts.ts'
import { changeQueue } from './queue-change.ts'
import { queueExport } from './queue-export.ts'
import { FILTER_HELP, FILTER_OPTIONS, filterOf } from './queue-filter.ts'
import { queueImport } from './queue-import.ts'
import { queuePages } from './queue-pages.ts'
import { queueRebuild } from './queue-rebuild.ts'
import { listText, messageText, summaryText } from './queue-text.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { tryHint } from './try-directory.ts'
import { EXIT, type Terminal, UsageError, UserError, type Verb } from './verb.ts'

const OPTIONS = {
  ...CONFIG_OPTION,
  json: { type: 'boolean', default: false },
  all: { type: 'boolean', default: false },
  limit: { type: 'string' },
  after: { type: 'string' },
  by: { type: 'string' },
  ...FILTER_OPTIONS,
  reason: { type: 'string' },
  notify: { type: 'boolean', default: false },
  to: { type: 'string' },
  default: { type: 'boolean', default: false },
  'policy-too': { type: 'boolean', default: false },
  yes: { type: 'boolean', default: false },
} as const

const SUBVERBS = ['list', 'show', 'retry', 'hold', 'release', 'cancel', 'reroute', 'summary'] as const
type Subverb = (typeof SUBVERBS)[number]

/** All of the queue, and each with arguments of its own. */
const MOVING: Readonly<Record<string, (args: readonly string[], terminal: Terminal) => Promise<number>>> = {
  export: queueExport,
  import: queueImport,
  rebuild: queueRebuild,
}
const ALL_SUBVERBS = [...SUBVERBS, ...Object.keys(MOVING)]

/** What fits a screen or two; `--limit` asks for more. */
const LIST_DEFAULT = 100

export const queue: Verb = {
  summary: 'look at waiting mail, and hold, retry, re-route or cancel it',
  help: `Usage: hermetic queue list    [FILTERS] [--limit N] [--after ID] [--json]
       hermetic queue summary [--by lane|domain|sender|tag] [--limit N] [--json]
       hermetic queue show    ID… [--json]
       hermetic queue retry   ID… | FILTERS [--yes] | --all [--yes]
       hermetic queue hold    ID… | FILTERS [--yes] | --all [--yes]  [--reason TEXT]
       hermetic queue release ID… | FILTERS [--yes] | --all [--yes]
       hermetic queue cancel  ID… | FILTERS [--yes] | --all [--yes]  [--notify]
       hermetic queue reroute ID… | FILTERS [--yes] | --all [--yes]  [--to ROUTE [--policy-too] | --default]
       hermetic queue export  FILE | - [--move]
       hermetic queue import  FILE | - [--deliver] [--incomplete]
       hermetic queue rebuild [--check] [--json]

Talks to the running relay over its socket in data_dir; when none runs, opens the files itself.

  list     waiting messages, oldest first; of a long queue a part, if little matches: --after goes on behind an id
  summary  totals, and how many wait for each lane and how long already; --by: for each domain of recipients, or of
           senders, or each tag
  show     everything about a message, with what each server last said
  retry    try now, without waiting for the next time
  hold     do not try until released; release: end a hold or a quarantine
  cancel   remove, without telling the sender; --notify tells it
  reroute  move to where the routes of today lead; --to: through this smarthost of the configuration (HOST, HOST:PORT or
           USER@HOST), also at later attempts; --default ends that. What a TLS policy keeps back goes with --policy-too
  export   write every message into a file (-: to standard output); --move removes them from the queue once the file is
           safe. What was stopped goes on when it is ordered again
  import   take the messages of a file into this queue, each once; those of a copy are held, unless --deliver says that
           the other queue is gone. --incomplete takes what is there of a file without an end
           (both read the files of a stopped relay, and Redis at any time; see docs/operating/queue-moving.md)
  rebuild  compare schedule and indexes with the messages, and make anew what is wrong; --check only tells

${FILTER_HELP}
  --all            everything (needed when there is no filter)

  --yes            do it: without, an order with filters only counts what it would change, and what it would leave alone
  --json           one JSON object a line
  --config FILE    read this configuration file

Examples:
  hermetic queue list --domain example.com
  hermetic queue retry --domain example.com --yes
  hermetic queue cancel --sender news@example.com --older-than 2d --notify
  hermetic queue reroute --domain example.com --to backup.example.net --yes
  hermetic queue hold 0198a1b2-… --reason "asked by Jane"
  hermetic queue list --json | jq -r .id
  hermetic queue export --move /var/backups/queue && hermetic queue import /var/backups/queue --config redis.toml
`,
  async run([name, ...args], terminal) {
    const moving = name === undefined || !Object.hasOwn(MOVING, name) ? undefined : MOVING[name]
    if (moving !== undefined) return await moving(args, terminal)
    const subverb = subverbOf(name)
    const { values, positionals } = readArguments(args, OPTIONS, { min: 0, max: 10_000, name: 'queue ids' })
    const order: Order = { subverb, ids: positionals.map(idOf), filter: filterOf(values, terminal.now()), ...values }
    checkOrder(order)
    checkRoute(order)
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    const opened = await openQueue(settings.config)
    if (opened === undefined) {
      terminal.err(`There is no queue in ${settings.config.data_dir} yet: the relay has not run here.\n`)
      terminal.err(tryHint(settings.config, `queue ${subverb}`))
      return order.ids.length === 0 ? EXIT.done : EXIT.failed
    }
    if (opened.by !== 'relay') terminal.err(READING[opened.by])
    try {
      return await carryOut(order, opened, terminal)
    } finally {
      await opened.close()
    }
  },
}

const READING = {
  files: 'No relay runs; reading the files directly.\n',
  redis: 'No relay runs on this data_dir; reading Redis directly.\n',
} as const

interface Order {
  readonly subverb: Subverb
  readonly ids: readonly QueueId[]
  readonly filter: QueueFilter
  readonly json: boolean
  readonly all: boolean
  readonly limit?: string | undefined
  readonly after?: string | undefined
  readonly by?: string | undefined
  readonly reason?: string | undefined
  readonly notify: boolean
  readonly yes: boolean
  readonly to?: string | undefined
  readonly default: boolean
  readonly 'policy-too': boolean
}

function subverbOf(name: string | undefined): Subverb {
  const found = SUBVERBS.find((subverb) => subverb === name)
  if (found !== undefined) return found
  if (name === undefined || name.startsWith('-')) throw new UsageError(`write one of: ${ALL_SUBVERBS.join(', ')}`)
  const near = suggestion(name, ALL_SUBVERBS)
  throw new UsageError(
    `queue ${name} does not exist; ${near === undefined ? `there are ${ALL_SUBVERBS.join(', ')}` : `did you mean ${near}?`}`,
  )
}

function idOf(text: string): QueueId {
  const id = parseQueueId(text)
  if (id === undefined)
    throw new UsageError(`${JSON.stringify(text)} is not a queue id; hermetic queue list shows them`)
  return id
}

function checkRoute({ subverb, to, default: usual, 'policy-too': policyToo }: Order): void {
  const word = to !== undefined ? '--to' : usual ? '--default' : policyToo ? '--policy-too' : undefined
  if (word !== undefined && subverb !== 'reroute') throw new UsageError(`${word} belongs to queue reroute`)
  if (to !== undefined && usual) throw new UsageError('--to and --default exclude each other')
  if (policyToo && to === undefined) throw new UsageError('--policy-too belongs to --to')
}

function checkOrder({ subverb, ids, filter, all, limit, after, by, reason, notify, yes }: Order): void {
  const filtered = Object.keys(filter).length > 0
  if (subverb === 'show' && ids.length === 0) throw new UsageError('queue ids missing')
  if (subverb === 'summary' && (ids.length > 0 || filtered || all))
    throw new UsageError('queue summary takes no filters')
  if (subverb === 'list' && ids.length > 0) throw new UsageError('queue list takes filters; queue show takes ids')
  if (ids.length > 0 && (filtered || all)) throw new UsageError('write ids or filters, not both')
  if (reason !== undefined && subverb !== 'hold') throw new UsageError('--reason belongs to queue hold')
  if (notify && subverb !== 'cancel') throw new UsageError('--notify belongs to queue cancel')
  if (yes && actionOf({ subverb }) === undefined)
    throw new UsageError('--yes belongs to an order, with filters or --all')
  if (limit !== undefined && subverb !== 'list' && subverb !== 'summary')
    throw new UsageError('--limit belongs to queue list and queue summary')
  if (after !== undefined && subverb !== 'list') throw new UsageError('--after belongs to queue list')
  placeOf(after)
  if (by !== undefined && subverb !== 'summary') throw new UsageError('--by belongs to queue summary')
  shapeOf(by)
  limitOf(limit)
  if (actionOf({ subverb }) !== undefined && ids.length === 0 && !filtered && !all) {
    throw new UsageError('write which messages: ids, a filter, or --all')
  }
  if (all && filtered) throw new UsageError('--all and a filter exclude each other')
}

type Ordered = Pick<Order, 'subverb'> & Partial<Omit<Order, 'subverb'>>

function actionOf({ subverb, reason = '', notify = false, ...way }: Ordered): QueueOrder | undefined {
  switch (subverb) {
    case 'reroute':
      return {
        kind: subverb,
        ...(way.to === undefined ? {} : { to: way.to }),
        ...(way.default === true ? { usual: true } : {}),
        ...(way['policy-too'] === true ? { policyToo: true } : {}),
      }
    case 'retry':
    case 'release':
      return { kind: subverb }
    case 'cancel':
      return notify ? { kind: subverb, notify } : { kind: subverb }
    case 'hold':
      return { kind: 'hold', reason: reason === '' ? 'held by an operator' : reason }
    default:
      return undefined
  }
}

async function carryOut(order: Order, opened: OpenedQueue, terminal: Terminal): Promise<number> {
  const { queue: spool } = opened
  const paper = { now: terminal.now(), width: terminal.columns }
  switch (order.subverb) {
    case 'summary': {
      const limit = order.limit === undefined ? SUMMARY_ROWS : Math.min(limitOf(order.limit), SHAPE_ROWS_MAX)
      const { summary, shape } = await spool.overview({ by: shapeOf(order.by), now: terminal.now(), limit })
      terminal.out(order.json ? `${JSON.stringify({ ...summary, shape })}\n` : summaryText(summary, shape, paper))
      return EXIT.done
    }
    case 'list':
      return list(order, opened, terminal)
    case 'show':
      return show(order, opened, terminal)
    default: {
      const action = actionOf(order)
      if (action === undefined) throw new UserError(`${order.subverb} changes nothing`)
      return changeQueue({ ...order, action }, spool, terminal)
    }
  }
}

async function list(order: Order, { queue: spool, waits }: OpenedQueue, terminal: Terminal): Promise<number> {
  const limit = limitOf(order.limit)
  const entries: QueueEntry[] = []
  let upTo: QueueId | undefined
  for await (const page of queuePages(spool, order.filter, { limit: limit + 1, after: placeOf(order.after) })) {
    const shown = page.entries.slice(0, limit - entries.length)
    if (order.json) terminal.out(shown.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
    const short = page.entries.length < Math.min(PAGE_MAX, limit + 1 - entries.length)
    entries.push(...page.entries)
    // It was looked for long enough: whoever asked says whether to go on.
    upTo = page.more
    if (short) break
  }
  const shown = entries.slice(0, limit)
  const isAll = upTo === undefined
  if (order.json) {
    if (!isAll || entries.length > limit) terminal.err(moreText(shown, { upTo, isFull: entries.length > limit }))
    return EXIT.done
  }
  const paper = { now: terminal.now(), width: terminal.columns }
  if (shown.length > 0) terminal.out(listText(shown, { ...paper, waiting: await waitingOf(shown, waits) }))
  else if (isAll)
    terminal.out(Object.keys(order.filter).length > 0 ? 'No waiting message matches.\n' : 'The queue is empty.\n')
  if (!isAll || entries.length > limit) terminal.err(moreText(shown, { upTo, isFull: entries.length > limit }))
  return EXIT.done
}

/** Of so many lanes at the most: the first of a long list are those that are read. */
const LANES_ASKED_MAX = 3_000

async function waitingOf(entries: readonly QueueEntry[], waits: OpenedQueue['waits']): Promise<Waits> {
  const lanes = new Set<LaneId>()
  for (const { deliveries } of entries) {
    for (const { lane, state } of deliveries) if (state === 'queued' && lanes.size < LANES_ASKED_MAX) lanes.add(lane)
  }
  return (await waits?.([...lanes])) ?? {}
}

function moreText(
  shown: readonly QueueEntry[],
  { upTo, isFull }: { readonly upTo: QueueId | undefined; readonly isFull: boolean },
): string {
  if (isFull)
    return `There are more; --limit shows them, or --after ${shown.at(-1)?.id}; hermetic queue summary counts them.\n`
  return `Only a part of the queue was looked at, for this would take long; go on with --after ${upTo}.\n`
}

function placeOf(text: string | undefined): QueueId | undefined {
  return text === undefined ? undefined : idOf(text)
}

/** Rows that fit a screen. */
const SUMMARY_ROWS = 30

function shapeOf(text = 'lane'): ShapeBy {
  const by = SHAPES.find((known) => known === text)
  if (by === undefined) throw new UsageError(`--by is one of: ${SHAPES.join(', ')}`)
  return by
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return LIST_DEFAULT
  const limit = /^\d{1,7}$/.test(text) ? Number(text) : 0
  if (limit < 1 || limit > ORDER_MAX) throw new UsageError(`--limit is a number from 1 to ${ORDER_MAX}`)
  return limit
}

async function show(order: Order, { queue: spool, history, waits }: OpenedQueue, terminal: Terminal): Promise<number> {
  let missing = 0
  for (const [index, id] of order.ids.entries()) {
    const entry = await spool.show(id)
    if (entry === undefined) {
      missing++
      terminal.err(`${id}: not in the queue (delivered, returned or cancelled); hermetic trace ${id} tells more\n`)
      continue
    }
    const paper = { now: terminal.now(), width: terminal.columns }
    const past = await pastAttempts(id, history)
    const waiting = (await waits?.(entry.deliveries.map(({ lane }) => lane))) ?? {}
    if (order.json)
      terminal.out(
        `${JSON.stringify({ ...entry, ...(past.kind === 'known' && { history: past.message }), ...(Object.keys(waiting).length > 0 && { waiting }) })}\n`,
      )
    else
      terminal.out(
        `${index > 0 ? '\n' : ''}${messageText(entry, { ...paper, waiting })}${attemptsText(past, { ...paper, colours: terminal.colours })}`,
      )
  }
  return missing === 0 ? EXIT.done : EXIT.failed
}
