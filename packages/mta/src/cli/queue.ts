/** `hermetic queue …`: looks at waiting mail and changes what is to become of it. */

import { parseDomainName } from '@hermetic/policy'
import { PAGE_MAX } from '../admin/control-protocol.ts'
import { NOTICE_LANE } from '../bounce/notice-lane.ts'
import { suggestion } from '../config/suggestion.ts'
import { parseLaneId } from '../delivery/lane.ts'
import { formatAddress } from '../smtp/mail-address.ts'
import { parseQueueId, type QueueId } from '../spool/queue-id.ts'
import type { QueueAction, QueueChange, QueueEntry, QueueFilter, SpoolAdmin } from '../spool/spool.ts'
import { parseMailbox } from '../submission/address.ts'
import { readArguments } from './arguments.ts'
import { type OpenedQueue, openQueue } from './open-queue.ts'
import { attemptsText, pastAttempts } from './past-attempts.ts'
import { queueExport } from './queue-export.ts'
import { queueImport } from './queue-import.ts'
import { queueRebuild } from './queue-rebuild.ts'
import { listText, messageText, summaryText } from './queue-text.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { counted } from './table.ts'
import { tryHint } from './try-directory.ts'
import { EXIT, type Terminal, UsageError, UserError, type Verb } from './verb.ts'

const OPTIONS = {
  ...CONFIG_OPTION,
  json: { type: 'boolean', default: false },
  all: { type: 'boolean', default: false },
  limit: { type: 'string' },
  lane: { type: 'string' },
  domain: { type: 'string' },
  sender: { type: 'string' },
  state: { type: 'string' },
  reason: { type: 'string' },
} as const

const SUBVERBS = ['list', 'show', 'retry', 'hold', 'release', 'cancel', 'summary'] as const
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
const LIST_MAX = 1_000_000

export const queue: Verb = {
  summary: 'look at waiting mail, and hold, retry or cancel it',
  help: `Usage: hermetic queue list    [FILTERS] [--limit N] [--json]
       hermetic queue summary [--json]
       hermetic queue show    ID… [--json]
       hermetic queue retry   ID… | FILTERS | --all
       hermetic queue hold    ID… | FILTERS | --all [--reason TEXT]
       hermetic queue release ID… | FILTERS | --all
       hermetic queue cancel  ID… | FILTERS | --all
       hermetic queue export  FILE | - [--move]
       hermetic queue import  FILE | - [--deliver] [--incomplete]
       hermetic queue rebuild [--check] [--json]

Talks to the running relay over its socket in data_dir; when none runs, opens the files itself.

  list     waiting messages, oldest first; summary: totals, and the lanes with most waiting
  show     everything about a message, with what each server last said
  retry    try now, without waiting for the next time
  hold     do not try until released; release: end a hold or a quarantine
  cancel   remove, without telling the sender
  export   write every message into a file (-: to standard output); --move removes them from the queue once the file is
           safe. What was stopped goes on when it is ordered again
  import   take the messages of a file into this queue, each once; those of a copy are held, unless --deliver says that
           the other queue is gone. --incomplete takes what is there of a file without an end
           (both read the files of a stopped relay, and Redis at any time; see docs/operating/queue-moving.md)
  rebuild  compare schedule and indexes with the messages, and make anew what is wrong; --check only tells

Filters, all of which must match:
  --lane LANE      e.g. mx:example.com:25
  --domain DOMAIN  recipients in this domain
  --sender ADDRESS the reverse-path; "<>" for notifications
  --state STATE    queued, held or quarantined
  --all            everything (needed when there is no filter)

  --json           one JSON object a line
  --config FILE    read this configuration file

Examples:
  hermetic queue list --domain example.com
  hermetic queue retry --domain example.com
  hermetic queue hold 0198a1b2-… --reason "asked by Jane"
  hermetic queue list --json | jq -r .id
  hermetic queue export --move /var/backups/queue && hermetic queue import /var/backups/queue --config redis.toml
`,
  async run([name, ...args], terminal) {
    const moving = name === undefined || !Object.hasOwn(MOVING, name) ? undefined : MOVING[name]
    if (moving !== undefined) return await moving(args, terminal)
    const subverb = subverbOf(name)
    const { values, positionals } = readArguments(args, OPTIONS, { min: 0, max: 10_000, name: 'queue ids' })
    const order: Order = { subverb, ids: positionals.map(idOf), filter: filterOf(values), ...values }
    checkOrder(order)
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
  readonly reason?: string | undefined
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

interface FilterWords {
  readonly lane?: string | undefined
  readonly domain?: string | undefined
  readonly sender?: string | undefined
  readonly state?: string | undefined
}

function filterOf({ lane, domain, sender, state }: FilterWords): QueueFilter {
  if (lane !== undefined && lane !== NOTICE_LANE && parseLaneId(lane) === undefined)
    throw new UsageError(`--lane ${lane} is not a lane; they look like mx:example.com:25`)
  if (state !== undefined && state !== 'queued' && state !== 'held' && state !== 'quarantined') {
    throw new UsageError('--state is queued, held or quarantined')
  }
  return {
    // Parsed above.
    ...(lane === undefined ? {} : { lane: lane as NonNullable<QueueFilter['lane']> }),
    ...(domain === undefined ? {} : { domain: domainOf(domain) }),
    ...(sender === undefined ? {} : { sender: senderOf(sender) }),
    ...(state === undefined ? {} : { state }),
  }
}

function domainOf(text: string): string {
  const name = parseDomainName(text)
  if (!name.ok && !text.startsWith('[')) throw new UsageError(`--domain ${text} is not a domain`)
  return name.ok ? name.value : text
}

/** As the spool keeps it: the empty string is the null reverse-path. */
function senderOf(text: string): string {
  if (text === '' || text === '<>') return ''
  const address = parseMailbox(text.replace(/^<(.*)>$/, '$1'))
  if (!address.ok) throw new UsageError(`--sender ${text} is not a mail address`)
  return formatAddress(address.value)
}

function checkOrder({ subverb, ids, filter, all, limit, reason }: Order): void {
  const filtered = Object.keys(filter).length > 0
  if (subverb === 'show' && ids.length === 0) throw new UsageError('queue ids missing')
  if (subverb === 'summary' && (ids.length > 0 || filtered || all))
    throw new UsageError('queue summary takes no filters')
  if (subverb === 'list' && ids.length > 0) throw new UsageError('queue list takes filters; queue show takes ids')
  if (ids.length > 0 && (filtered || all)) throw new UsageError('write ids or filters, not both')
  if (reason !== undefined && subverb !== 'hold') throw new UsageError('--reason belongs to queue hold')
  if (limit !== undefined && subverb !== 'list') throw new UsageError('--limit belongs to queue list')
  limitOf(limit)
  if (actionOf(subverb) !== undefined && ids.length === 0 && !filtered && !all) {
    throw new UsageError('write which messages: ids, a filter, or --all')
  }
  if (all && filtered) throw new UsageError('--all and a filter exclude each other')
}

function actionOf(subverb: Subverb, reason = ''): QueueAction | undefined {
  switch (subverb) {
    case 'retry':
    case 'release':
    case 'cancel':
      return { kind: subverb }
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
      const summary = await spool.summary()
      terminal.out(order.json ? `${JSON.stringify(summary)}\n` : summaryText(summary, paper))
      return EXIT.done
    }
    case 'list':
      return list(order, spool, terminal)
    case 'show':
      return show(order, opened, terminal)
    default:
      return change(order, spool, terminal)
  }
}

    const waiting = (await waits?.(entry.deliveries.map(({ lane }) => lane))) ?? {}
async function list(order: Order, spool: SpoolAdmin, terminal: Terminal): Promise<number> {
  const limit = limitOf(order.limit)
  const entries: QueueEntry[] = []
  for await (const page of pages(spool, order.filter, limit + 1)) {
    if (order.json) terminal.out(page.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
    else entries.push(...page)
  }
  if (order.json) return EXIT.done
  const shown = entries.slice(0, limit)
  if (shown.length === 0)
    terminal.out(Object.keys(order.filter).length > 0 ? 'No waiting message matches.\n' : 'The queue is empty.\n')
  else terminal.out(listText(shown, { now: terminal.now(), width: terminal.columns }))
  if (entries.length > limit) terminal.err(`There are more; --limit shows them, hermetic queue summary counts them.\n`)
  return EXIT.done
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return LIST_DEFAULT
  const limit = /^\d{1,7}$/.test(text) ? Number(text) : 0
  if (limit < 1 || limit > LIST_MAX) throw new UsageError(`--limit is a number from 1 to ${LIST_MAX}`)
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

async function change(order: Order, spool: SpoolAdmin, terminal: Terminal): Promise<number> {
  const action = actionOf(order.subverb, order.reason)
  if (action === undefined) throw new UserError(`${order.subverb} changes nothing`)
  const counts = new Map<QueueChange['result'], number>()
  for await (const ids of idBatches(order, spool)) {
    for (const { id, result } of await spool.change(ids, action)) {
      counts.set(result, (counts.get(result) ?? 0) + 1)
      if (order.json) terminal.out(`${JSON.stringify({ id, result })}\n`)
      else if (order.ids.length > 0 && result !== 'done') terminal.err(`${id}: ${WHY_NOT[result]}\n`)
    }
  }
  const done = counts.get('done') ?? 0
  if (!order.json) terminal.out(changeText(action, counts))
  return order.ids.length > 0 && done < order.ids.length ? EXIT.failed : EXIT.done
}

/** Ids that were given, or those of the messages that match now, gathered before anything changes. */
async function* idBatches(order: Order, spool: SpoolAdmin): AsyncGenerator<readonly QueueId[]> {
  if (order.ids.length > 0) {
    yield order.ids
    return
  }
  const ids: QueueId[] = []
  for await (const page of pages(spool, order.filter, LIST_MAX)) ids.push(...page.map(({ id }) => id))
  for (let start = 0; start < ids.length; start += PAGE_MAX) yield ids.slice(start, start + PAGE_MAX)
}

const WHY_NOT: Readonly<Record<Exclude<QueueChange['result'], 'done'>, string>> = {
  'not-found': 'not in the queue',
  'in-delivery': 'is being delivered right now; try again in a moment',
  'nothing-to-do': 'nothing to change',
}

const DONE: Readonly<Record<QueueAction['kind'], string>> = {
  retry: 'due now',
  hold: 'held',
  quarantine: 'set aside',
  release: 'released',
  cancel: 'cancelled',
}

function changeText(action: QueueAction, counts: ReadonlyMap<QueueChange['result'], number>): string {
  const done = counts.get('done') ?? 0
  const others = [...counts].filter(([result]) => result !== 'done').map(([result, count]) => `${count} ${result}`)
  return `${counted(done, 'message')} ${DONE[action.kind]}${others.length > 0 ? ` (${others.join(', ')})` : ''}\n`
}
