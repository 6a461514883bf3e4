/** `hermetic trace`: what became of a message, also when it is gone. */
import type { HistorySearch } from '../admin/trace-order.ts'
import { FOUND_MAX, type HistoryAnswer, type HistoryKey, type MessageHistory } from '../history/delivery-history.ts'
import { formatAddress } from '../smtp/mail-address.ts'
import { parseQueueId } from '../spool/queue-id.ts'
import { parseMailbox } from '../submission/address.ts'
import { readArguments } from './arguments.ts'
import { withHistory } from './open-history.ts'
import { isoTime } from './queue-text.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { formatAge } from './table.ts'
import { traceJson, traceText } from './trace-text.ts'
import { EXIT, type Terminal, UsageError, type Verb } from './verb.ts'

const OPTIONS = {
  ...CONFIG_OPTION,
  json: { type: 'boolean', default: false },
  limit: { type: 'string' },
} as const

/** What fits a screen or two. */
const LIMIT_DEFAULT = 10
/** A line of a header. */
const WORD_MAX = 998

export const trace: Verb = {
  summary: 'what became of a message, also when it is gone',
  help: `Usage: hermetic trace ID | MESSAGE-ID | ADDRESS [--json] [--limit N]

Tells the way of messages, newest first, also of those that are delivered or returned: when each was accepted, each
attempt with its host, its policy, its channel and its certificate, and what became of each recipient. Asks the
running relay over its socket in data_dir; when none runs, reads history.db.

  ID          a queue id, as in the log and in "250 queued as …"
  MESSAGE-ID  as in the header, with angle brackets or without
  ADDRESS     a sender or a recipient

  --limit N      so many messages (${LIMIT_DEFAULT}; at most ${FOUND_MAX})
  --json         one JSON object a line
  --config FILE  read this configuration file

The history is kept for [history] retention (7 days) or until it has [history] max_bytes. Exits with 1 when nothing is
known.

Examples:
  hermetic trace 0198a1b2-…
  hermetic trace '<20261122.1@app.example.com>'
  hermetic trace jane@example.com --limit 3
`,
  async run(args, terminal) {
    const { values, positionals } = readArguments(args, OPTIONS, { min: 1, max: 1, name: 'id, Message-ID or address' })
    const [wanted = ''] = positionals
    const order: Order = { wanted, keys: keysOf(wanted), limit: limitOf(values.limit), json: values.json }
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    return withHistory(settings.config, { words: 'trace …', terminal }, async (history) =>
      show(order, await found(order, history), terminal),
    )
  },
}

interface Order {
  readonly wanted: string
  /** A word with an @ may be either. */
  readonly keys: readonly HistoryKey[]
  readonly limit: number
  readonly json: boolean
}

function keysOf(word: string): readonly HistoryKey[] {
  const id = parseQueueId(word.toLowerCase())
  if (id !== undefined) return [{ kind: 'id', id }]
  const bare = word.trim().replace(/^<|>$/g, '')
  if (bare === '' || bare.length > WORD_MAX) throw new UsageError('write a queue id, a Message-ID or a mail address')
  const messageId: HistoryKey = { kind: 'message-id', messageId: bare }
  if (!bare.includes('@')) return [messageId]
  const mailbox = parseMailbox(bare)
  return [messageId, { kind: 'address', address: mailbox.ok ? formatAddress(mailbox.value) : bare }]
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return LIMIT_DEFAULT
  const limit = /^\d{1,7}$/.test(text) ? Number(text) : 0
  if (limit < 1 || limit > FOUND_MAX) {
    throw new UsageError(`--limit takes a whole number from 1 to ${FOUND_MAX}`)
  }
  return limit
}

async function found({ keys, limit }: Order, history: HistorySearch): Promise<HistoryAnswer> {
  const messages = new Map<string, MessageHistory>()
  let more = false
  let since: number | undefined
  for (const by of keys) {
    const answer = await history.find({ by, limit })
    for (const message of answer.messages) messages.set(message.id, message)
    more ||= answer.more
    since = answer.since ?? since
  }
  // Queue ids begin with the time of arrival.
  const newestFirst = [...messages.values()].sort((one, other) => (one.id < other.id ? 1 : -1))
  const shown = newestFirst.slice(0, limit)
  return { messages: shown, more: more || newestFirst.length > limit, ...(since === undefined ? {} : { since }) }
}

function show({ wanted, json, limit }: Order, { messages, more, since }: HistoryAnswer, terminal: Terminal): number {
  if (messages.length === 0) {
    const reach =
      since === undefined
        ? 'the history is empty'
        : `the history reaches back ${formatAge(terminal.now() - since)}, to ${isoTime(since)}`
    terminal.err(`Nothing is known about ${JSON.stringify(wanted)}: ${reach}.\n`)
    return EXIT.failed
  }
  const paper = { now: terminal.now(), colours: terminal.colours }
  for (const [index, message] of messages.entries()) {
    terminal.out(json ? `${traceJson(message)}\n` : `${index > 0 ? '\n' : ''}${traceText(message, paper)}`)
  }
  if (more) terminal.err(`There are more messages than these ${limit}; --limit asks for more.\n`)
  return EXIT.done
}
