/** Rates as people write them: `1000/1h`, so many in that time, and so many at once after a rest. Pure. */
import { formatDuration, parseDuration } from '../config/quantity.ts'
import type { Rate } from './rate.ts'

const RATE = /^(\d{1,9})\s*\/\s*(\S+)$/
/** One unit of time may stand without a number: `100/h`. */
const BARE_UNIT = /^(?:s|m|h|d)$/
const PER_MS_MIN = 1_000
const PER_MS_MAX = 31 * 86_400_000

/** Undefined when it is no rate. The burst is the whole amount: what was not used may be used at once. */
export function parseRate(text: string): Rate | undefined {
  const [, digits, time = ''] = RATE.exec(text) ?? []
  const perMs = parseDuration(BARE_UNIT.test(time) ? `1${time}` : time)
  const transactions = Number(digits)
  if (digits === undefined || !perMs.ok || transactions < 1) return undefined
  if (perMs.value < PER_MS_MIN || perMs.value > PER_MS_MAX) return undefined
  return { transactions, perMs: perMs.value, burst: transactions }
}

export function formatRate({ transactions, perMs }: Rate): string {
  return `${transactions}/${formatDuration(perMs)}`
}
