/**
 * One event as one log line: names in snake_case, times in ISO 8601, foreign text bounded and quoted, mail
 * addresses whole or as their domain. Pure: `adapters/pino-log.ts` writes it.
 */
import { deliveryRecord, problemWords } from './delivery-record.ts'
import { type FieldKind, LOG_EVENTS, type LogEvent, type LogLevel } from './log-events.ts'

export type LogValue = string | number | boolean | readonly LogValue[] | { readonly [name: string]: LogValue }

export interface LogLine {
  readonly level: LogLevel
  readonly fields: Readonly<Record<string, LogValue>>
}

export interface LogOptions {
  readonly addresses: 'full' | 'domain'
}

/** Longest foreign text; enough for an SMTP reply with a link in it. */
const TEXT_MAX = 512
/** Items of a list, and levels of facts inside facts. */
const ITEMS_MAX = 50
const DEPTH_MAX = 5
/** A SHA-512 digest (RFC 6698 §2.1.3). */
const OCTETS_MAX = 64

export function logLine(event: LogEvent, options: LogOptions): LogLine {
  const { level, fields: kinds } = LOG_EVENTS[event.event]
  const fields: Record<string, LogValue> = { event: event.event }
  const add = (name: string, value: unknown): void => {
    if (value !== undefined) fields[snakeCase(name)] = render(value, { kind: kindOf(kinds, name), options, depth: 0 })
  }
  const facts: object = event.event === 'attempt-finished' ? deliveryRecord(event) : event
  for (const [name, value] of Object.entries(facts)) {
    // Facts that every event tells in the same words are fields of the line itself.
    if (name === 'remote' && 'remote' in event) addAll(event.remote, add)
    else if (name === 'problem' && 'problem' in event && event.problem !== undefined)
      addAll(problemWords(event.problem), add)
    else if (name !== 'event' && kindOf(kinds, name) !== 'history') add(name, value)
  }
  return { level, fields }
}

function addAll(facts: object, add: (name: string, value: unknown) => void): void {
  for (const [name, value] of Object.entries(facts)) add(name, value)
}

function kindOf(kinds: Readonly<Record<string, FieldKind>>, name: string): FieldKind {
  return Object.hasOwn(kinds, name) ? (kinds[name] ?? 'facts') : 'facts'
}

interface Rendering {
  readonly kind: FieldKind
  readonly options: LogOptions
  readonly depth: number
}

function render(value: unknown, rendering: Rendering): LogValue {
  const { kind, options, depth } = rendering
  switch (typeof value) {
    case 'number':
      return kind === 'time' ? isoTime(value) : Math.round(value * 1000) / 1000
    case 'boolean':
      return value
    case 'string':
      // Cut before masking, so that long texts cost no more; wide enough that no address is cut inside the bounds.
      return kind === 'word' ? value : foreignText(masked(value.slice(0, 2 * TEXT_MAX), kind, options))
    case 'object':
      break
    default:
      return String(value)
  }
  if (value === null || depth >= DEPTH_MAX) return '…'
  if (value instanceof Uint8Array) return Buffer.from(value.subarray(0, OCTETS_MAX)).toString('hex')
  const inner = { kind: 'facts' as const, options, depth: depth + 1 }
  if (Array.isArray(value)) return value.slice(0, ITEMS_MAX).map((item) => render(item, inner))
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined && field !== null)
      .slice(0, ITEMS_MAX)
      .map(([name, field]) => [snakeCase(name), render(field, inner)]),
  )
}

function masked(text: string, kind: FieldKind, { addresses }: LogOptions): string {
  if (addresses === 'full') return text
  if (kind === 'mailbox') return text === '' ? '' : `*${text.slice(text.lastIndexOf('@'))}`
  // Peers repeat addresses in their replies.
  return text.replace(/(?:"(?:[^"\\]|\\.)*"|[^\s<>@,;:"()]+)@(?=[\w[])/g, '*@')
}

/** Most of what peers say: nothing to replace. */
const PLAIN = /^[ -~]*$/

/** Bounded, and on one line: control characters could forge lines or move the cursor of who reads them. */
export function foreignText(text: string): string {
  if (text.length <= TEXT_MAX && PLAIN.test(text)) return text
  const cut = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX).toWellFormed()}…` : text.toWellFormed()
  return cut.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?')
}

/** UTC; `Date` refuses what lies outside of its range. */
function isoTime(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString()
}

const snakeNames = new Map<string, string>()

export function snakeCase(name: string): string {
  let snake = snakeNames.get(name)
  if (snake === undefined) {
    snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).replaceAll('-', '_')
    snakeNames.set(name, snake)
  }
  return snake
}
