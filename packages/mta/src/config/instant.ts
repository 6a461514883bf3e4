/**
 * The end of something, as people write it in the configuration: a date, which lasts until its day is over in UTC, or a
 * date with time and offset (RFC 3339 §5.6). A time without an offset is refused, for it would mean another instant on
 * every machine. Pure.
 */
import { err, ok } from '@hermetic/policy'
import { nameOf, quote, type ValueType, withArticle } from './value-type.ts'
import { WrittenDate } from './written-date.ts'

const DATE = /^(\d{4}-\d\d-\d\d)$/
const TIME = /^(\d{4}-\d\d-\d\d)[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?<offset>[Zz]|[+-]\d\d:\d\d)?$/
const DAY_MS = 86_400_000

const NAME = 'date, or date with time and offset'
const WRITE = 'a date, e.g. 2026-12-31, which counts to the end of that day in UTC, or e.g. 2026-12-31T12:00:00Z'

/** UTC milliseconds of the instant at which it is over. */
export const endInstant: ValueType<number> = {
  name: NAME,
  toml: 'string',
  parse(input) {
    const text = input instanceof WrittenDate ? input.written : input
    if (typeof text !== 'string') return err({ wrong: `is ${nameOf(text)}, not a date`, write: WRITE })
    const parsed = parseEnd(text)
    if (parsed !== undefined) return ok(parsed)
    if (TIME.exec(text)?.groups?.['offset'] !== undefined || !TIME.test(text)) {
      return err({ wrong: `is not ${withArticle(NAME)}: ${quote(text)}`, write: WRITE })
    }
    return err({ wrong: `has a time without an offset: ${quote(text)}`, write: `${text}Z for UTC` })
  },
}

function parseEnd(text: string): number | undefined {
  const [, day] = DATE.exec(text) ?? []
  if (day !== undefined) return isDay(day) ? Date.parse(`${day}T00:00:00Z`) + DAY_MS : undefined
  const match = TIME.exec(text)
  if (match?.groups?.['offset'] === undefined || !isDay(match[1] ?? '')) return undefined
  const at = Date.parse(text.replace(' ', 'T').toUpperCase())
  return Number.isNaN(at) ? undefined : at
}

/** Date.parse would turn 30 February into March. */
function isDay(text: string): boolean {
  const start = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(start.getTime()) && start.toISOString().startsWith(text)
}
