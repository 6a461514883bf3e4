/**
 * Durations ("25s", "5d") and sizes ("10 MiB") as people write them in the configuration file. Pure.
 *
 * Durations become milliseconds, sizes become bytes. Every number has its unit: "25" alone is refused,
 * because mail software disagrees about what it would mean.
 */
import { err, ok, type Result } from '@hermetic/policy'

const MS_PER = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const BYTES_PER = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const

const DURATION = /^(\d{1,9})\s*(ms|s|m|h|d)$/
const SIZE = /^(\d{1,9})\s*(B|KiB|MiB|GiB|TiB)$/

export function parseDuration(text: string): Result<number, 'not-a-duration'> {
  const [, digits, unit] = DURATION.exec(text) ?? []
  if (digits === undefined || unit === undefined || !isKeyOf(MS_PER, unit)) return err('not-a-duration')
  return ok(Number(digits) * MS_PER[unit])
}

export function parseSize(text: string): Result<number, 'not-a-size'> {
  const [, digits, unit] = SIZE.exec(text) ?? []
  if (digits === undefined || unit === undefined || !isKeyOf(BYTES_PER, unit)) return err('not-a-size')
  const bytes = Number(digits) * BYTES_PER[unit]
  return Number.isSafeInteger(bytes) ? ok(bytes) : err('not-a-size')
}

/** The shortest exact form: 90000 → "90s", 86400000 → "1d". */
export function formatDuration(ms: number): string {
  return formatExact(ms, MS_PER, '')
}

/** The shortest exact form: 10485760 → "10 MiB". */
export function formatSize(bytes: number): string {
  return formatExact(bytes, BYTES_PER, ' ')
}

function formatExact(amount: number, units: Readonly<Record<string, number>>, gap: string): string {
  let best = ''
  for (const [unit, factor] of Object.entries(units)) {
    if (best === '' || (amount !== 0 && amount % factor === 0)) best = `${amount / factor}${gap}${unit}`
  }
  return best
}

function isKeyOf<T extends object>(table: T, key: string): key is Extract<keyof T, string> {
  return Object.hasOwn(table, key)
}
