/**
 * What is kept of a message as a timeline that people like to read, and as JSON for programs. Whatever peers wrote is
 * made harmless here. Pure.
 */
import type { MessageHistory } from '../history/delivery-history.ts'
import type {
  AcceptedEntry,
  AttemptEntry,
  HistoryEntry,
  HostTrouble,
  SettledEntry,
  SettledRecipient,
} from '../history/entry.ts'
import { foreignText, snakeCase } from '../observability/log-line.ts'
import { coloured, type Tone } from './colour.ts'
import { counted, formatAge, formatBytes } from './table.ts'
import { type ChannelWords, channelLines, hostWords } from './trace-channel.ts'

export interface TracePaper {
  readonly now: number
  readonly colours: boolean
}

/** One thing that happened: a line, and lines of detail below it. */
export interface TraceLine {
  readonly at: number
  readonly word: string
  readonly tone: Tone | undefined
  readonly text: string
  readonly details: readonly (readonly [string, string])[]
}

const WORD_WIDTH = 10
const SINCE_WIDTH = 9
const NAME_WIDTH = 12
/** Of recipients that fared alike. */
const NAMED_MAX = 5

export function traceText(message: MessageHistory, paper: TracePaper): string {
  const { entries, omitted } = message
  const accepted = entries.find((entry): entry is AcceptedEntry => entry.kind === 'accepted')
  const start = entries[0]?.at ?? paper.now
  const lines = entries.flatMap(traceLines).map((line) => lineText(line, start, paper))
  const gap =
    omitted === 0 ? '' : `${' '.repeat(4)}… ${counted(omitted, 'older entry').replace('entrys', 'entries')} not shown\n`
  return `${headText(message, accepted, paper)}\n${lines.slice(0, 1).join('')}${gap}${lines.slice(1).join('')}`
}

/** Entries about attempts; with many hosts one attempt has several lines. */
const LATEST_MAX = 4

/** The last attempts only. */
export function latestText({ entries }: MessageHistory, paper: TracePaper): string {
  const attempts = entries.filter(({ kind }) => kind === 'attempt' || kind === 'settled').slice(-LATEST_MAX)
  const start = entries[0]?.at ?? paper.now
  return attempts
    .flatMap(traceLines)
    .map((line) => lineText(line, start, paper))
    .join('')
}

function headText({ id, entries }: MessageHistory, accepted: AcceptedEntry | undefined, paper: TracePaper): string {
  const rows: readonly (readonly [string, string])[] = [
    ['Id', id],
    ...(accepted === undefined ? [['Accepted', 'not in the history'] as const] : acceptedRows(accepted)),
    ['Now', stateWords(entries, paper.now)],
  ]
  return rows.map(([name, value]) => `${`${name}:`.padEnd(NAME_WIDTH)}${foreignText(value)}\n`).join('')
}

function acceptedRows({ messageId, sender, size, recipients }: AcceptedEntry): readonly (readonly [string, string])[] {
  return [
    ['Message-ID', messageId ?? '-'],
    ['From', sender === '' ? '<> (a notification)' : sender],
    ['To', namesOf(recipients.map(({ address }) => address))],
    ['Size', formatBytes(size)],
  ]
}

/** By the last word on each recipient. */
function stateWords(entries: readonly HistoryEntry[], now: number): string {
  const last = new Map<string, SettledRecipient | undefined>()
  let cancelled = false
  for (const entry of entries) {
    if (entry.kind === 'ordered' && entry.action === 'cancel') cancelled = true
    if (entry.kind === 'accepted') for (const { address } of entry.recipients) last.set(address, undefined)
    if (entry.kind === 'settled') for (const recipient of entry.recipients) last.set(recipient.address, recipient)
  }
  const counts = new Map<string, number>()
  for (const recipient of last.values()) {
    const word = endWord(recipient, cancelled)
    counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  const dueAt = [...last.values()].flatMap((recipient) => recipient?.dueAt ?? []).sort((a, b) => a - b)[0]
  const words = [...counts].map(([word, count]) => (last.size === 1 ? word : `${count} ${word}`)).join(', ')
  if (dueAt === undefined || cancelled) return words
  return `${words}; next try ${dueAt <= now ? 'now' : `in ${formatAge(dueAt - now)}`}`
}

function endWord(recipient: SettledRecipient | undefined, cancelled: boolean): string {
  switch (recipient?.end) {
    case 'delivered':
    case 'failed':
    case 'expired':
      return recipient.end
    default:
      return cancelled ? 'cancelled' : 'waiting'
  }
}

/** In the order of what happened. */
export function traceLines(entry: HistoryEntry): readonly TraceLine[] {
  switch (entry.kind) {
    case 'accepted':
      return [acceptedLine(entry)]
    case 'attempt':
      return [attemptLine(entry)]
    case 'settled':
      return [...entry.met.map((trouble) => troubleLine(trouble, entry)), ...settledLines(entry)]
    case 'ordered': {
      const reason = entry.reason === undefined ? '' : `: ${entry.reason}`
      return [line(entry.at, 'ordered', { text: `${entry.action}, by an operator${reason}` })]
    }
    case 'noted':
      return [line(entry.at, 'noted', { tone: 'warning', text: entry.note })]
  }
}

function line(
  at: number,
  word: string,
  {
    tone,
    text,
    details = [],
  }: { readonly tone?: Tone; readonly text: string; readonly details?: TraceLine['details'] },
): TraceLine {
  return { at, word, tone, text, details }
}

function acceptedLine({ at, origin, recipients }: AcceptedEntry): TraceLine {
  const lanes = [...new Set(recipients.map(({ lane }) => lane))]
  const by =
    origin.kind === 'local'
      ? `made here (${origin.purpose})`
      : `from ${origin.kind === 'credential' ? `${origin.username} at ` : ''}${origin.address}`
  return line(at, 'accepted', { text: `${by}, for ${counted(recipients.length, 'recipient')}, lane ${namesOf(lanes)}` })
}

const ATTEMPT_TONES: Readonly<Record<AttemptEntry['record']['result'], Tone>> = {
  delivered: 'good',
  'partly-delivered': 'warning',
  deferred: 'warning',
  failed: 'bad',
  ambiguous: 'bad',
}

function attemptLine({ at, record, session }: AttemptEntry): TraceLine {
  const { result, attempt, durationMs, reused, reply, cause, priority } = record
  const kept = reused === 0 ? '' : `, message ${reused + 1} of the connection`
  const urged = priority === undefined || priority === 0 ? '' : `, priority ${priority}`
  return line(at, result === 'partly-delivered' ? 'partly' : result, {
    tone: ATTEMPT_TONES[result],
    text: `attempt ${attempt}: ${hostWords(record)}, ${milliseconds(durationMs)}${kept}${urged}`,
    details: [
      ...channelLines({ record, session }),
      ...(reply === undefined ? [] : [['reply', reply] as const]),
      ...(cause === undefined || cause.endsWith(`: ${reply}`) ? [] : [['cause', cause] as const]),
    ],
  })
}

function troubleLine(trouble: HostTrouble, { attempt, lane }: SettledEntry): TraceLine {
  const { mxHostname, durationMs, cause, status, policy, session, stsMatched } = trouble
  const took = durationMs === undefined ? '' : `, ${milliseconds(durationMs)}`
  const where = mxHostname === undefined ? lane : hostWords({ ...trouble, mxHostname })
  const words: ChannelWords = {
    record: { ...policy, nextHop: '' },
    session: session ?? (stsMatched === undefined ? {} : { stsMatched }),
  }
  return line(trouble.at, 'no mail', {
    tone: 'warning',
    text: `attempt ${attempt}: ${where}${took}`,
    details: [...channelLines(words), ['cause', `${status} ${cause}`]],
  })
}

const END_TONES: Readonly<Record<SettledRecipient['end'], Tone>> = {
  delivered: 'good',
  deferred: 'warning',
  failed: 'bad',
  expired: 'bad',
  ambiguous: 'bad',
}

function settledLines(entry: SettledEntry): readonly TraceLine[] {
  const groups = Map.groupBy(entry.recipients, ({ end, text, status, dueAt, lane }) =>
    end === 'delivered' ? end : JSON.stringify([end, text, status, dueAt, lane]),
  )
  const lines = [...groups.values()].flatMap((group) => {
    const [first] = group
    return first === undefined ? [] : [settledLine(entry, first, group)]
  })
  const more: readonly (readonly [string, string])[] = [
    ...(entry.dsnId === undefined ? [] : [['notice', `the sender is told by ${entry.dsnId}`] as const]),
    ...(entry.hold === undefined ? [] : [['held', entry.hold] as const]),
    ...(entry.quarantine === undefined ? [] : [['set aside', entry.quarantine] as const]),
  ]
  const last = lines.at(-1)
  return last === undefined ? lines : [...lines.slice(0, -1), { ...last, details: [...last.details, ...more] }]
}

function settledLine({ at }: SettledEntry, first: SettledRecipient, group: readonly SettledRecipient[]): TraceLine {
  const { end, status, text, dueAt, lane } = first
  const names = namesOf(group.map(({ address }) => address))
  const next = dueAt === undefined ? '' : `; next try ${isoTime(dueAt)}${lane === undefined ? '' : ` on lane ${lane}`}`
  const why = end === 'delivered' ? [] : [['because', `${status === undefined ? '' : `${status} `}${text}`] as const]
  return line(at, 'settled', { tone: END_TONES[end], text: `${names}: ${end}${next}`, details: why })
}

function lineText({ at, word, tone, text, details }: TraceLine, start: number, { colours }: TracePaper): string {
  const padded = word.padEnd(WORD_WIDTH)
  const shown = tone === undefined ? padded : coloured(padded, tone, colours)
  const since = `+${sinceWords(at - start)}`.padEnd(SINCE_WIDTH)
  const indent = ' '.repeat(isoTime(at).length + 2)
  const below = details.map(([name, value]) => {
    return `${indent}${coloured(name.padEnd(NAME_WIDTH), 'quiet', colours)}${foreignText(value)}\n`
  })
  return `${isoTime(at)}  ${since}${shown}${foreignText(text)}\n${below.join('')}`
}

function sinceWords(ms: number): string {
  return ms < 1_000 ? `${Math.max(0, Math.round(ms))}ms` : formatAge(ms)
}

function milliseconds(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}

function namesOf(names: readonly string[]): string {
  const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : ''
  return `${names.slice(0, NAMED_MAX).join(', ')}${more}`
}

/** A clock may be anything, also in a file. */
function isoTime(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString().replace(/\.\d{3}Z$/, 'Z')
}

/** What `--json` prints, one line a message: names in snake_case, times in ISO 8601, text as it was said. */
export function traceJson(message: MessageHistory): string {
  // Control characters that JSON lets pass are escaped too: this may end up on a terminal.
  return JSON.stringify(named(message)).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) =>
    [...Array(character.length).keys()]
      .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}

const TIMES: ReadonlySet<string> = new Set(['at', 'dueAt'])

function named(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(named)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      snakeCase(name),
      TIMES.has(name) && typeof field === 'number' ? isoTime(field) : named(field),
    ]),
  )
}
