/**
 * Tables for people: columns as wide as their longest cell, two spaces between, the last one cut at the edge of
 * the terminal. Foreign text is made harmless here. Pure.
 */
import { foreignText } from '../observability/log-line.ts'

export interface Column {
  readonly title: string
  readonly align?: 'right'
}

const GAP = '  '
/** Narrower than this, cutting would leave nothing. */
const LAST_COLUMN_MIN = 20

export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number | undefined,
): string {
  const cells = rows.map((row) => row.map(foreignText))
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...cells.map((row) => [...(row[index] ?? '')].length)),
  )
  const before = widths.slice(0, -1).reduce((sum, one) => sum + one + GAP.length, 0)
  const lastMax = width === undefined ? Number.POSITIVE_INFINITY : Math.max(LAST_COLUMN_MIN, width - before)
  const line = (row: readonly string[]): string =>
    row
      .map((cell, index) => {
        if (index === columns.length - 1) return cut(cell, lastMax)
        const missing = ' '.repeat(Math.max(0, (widths[index] ?? 0) - [...cell].length))
        return columns[index]?.align === 'right' ? missing + cell : cell + missing
      })
      .join(GAP)
      .trimEnd()
  return [line(columns.map(({ title }) => title)), ...cells.map(line)].map((text) => `${text}\n`).join('')
}

function cut(text: string, max: number): string {
  const characters = [...text]
  return characters.length <= max ? text : `${characters.slice(0, max - 1).join('')}…`
}

/** `45s`, `12m`, `3h 20m`, `2d 4h`: two units are enough to judge by. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  const days = Math.floor(hours / 24)
  if (days > 0) return hours % 24 === 0 ? `${days}d` : `${days}d ${hours % 24}h`
  if (hours > 0) return minutes % 60 === 0 ? `${hours}h` : `${hours}h ${minutes % 60}m`
  return minutes > 0 ? `${minutes}m` : `${seconds}s`
}

/** `980 B`, `4.9 KiB`, `12 MiB`. */
export function formatBytes(bytes: number): string {
  let amount = bytes
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (amount < 1024 || unit === 'GiB')
      return `${amount < 10 && unit !== 'B' ? amount.toFixed(1) : Math.round(amount)} ${unit}`
    amount /= 1024
  }
  return `${bytes} B`
}

/** `1 message`, `2 messages`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
