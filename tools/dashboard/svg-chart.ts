/** One chart over time: axes, lines or stacked areas, and a legend that wraps. Pure. */
import type { Unit } from './panels.ts'
import type { Span } from './prometheus-api.ts'
import { escaped, type Line, TEXT } from './svg-words.ts'
import { valueText } from './value-text.ts'

export interface ChartOptions {
  readonly width: number
  readonly height: number
  readonly span: Span
  readonly unit: Unit
  readonly stacked: boolean
}

const TOP = 34
const LEFT = 62
const RIGHT = 12
const LEGEND_ROW = 15
/** Of the legend's font, on the average. */
const LETTER = 5.7
const SOFT = '#5b6470'
/** Steps of an axis that people read easily. */
const STEPS = [1, 2, 5, 10]

interface Scale {
  readonly x: (at: number) => number
  readonly y: (value: number) => number
}

export function chart(lines: readonly Line[], options: ChartOptions): string {
  const { width, height, span, unit, stacked } = options
  const legend = legendRows(lines, width - 20)
  const bottom = height - 22 - legend.length * LEGEND_ROW
  const shapes = stacked ? stackedLines(lines) : lines
  const values = shapes.flatMap(({ points }) => points.map(([, value]) => value)).filter(Number.isFinite)
  const ticks = axis(Math.min(0, ...values), Math.max(0, ...values), unit)
  const low = ticks[0] ?? 0
  const high = ticks.at(-1) ?? 1
  const scale: Scale = {
    x: (at) => LEFT + ((width - LEFT - RIGHT) * (at - span.from)) / (span.to - span.from),
    y: (value) => bottom - ((bottom - TOP) * (value - low)) / (high - low),
  }
  return [
    ...ticks.map((tick) => valueTick(scale.y(tick), { width, text: valueText(tick, unit) })),
    ...timeTicks(span).map((at) => timeTick(scale.x(at), bottom, clockText(at))),
    ...drawn(shapes, scale, stacked),
    ...legend.flatMap((row, index) => legendText(row, bottom + 34 + index * LEGEND_ROW)),
    ...(values.length === 0
      ? [
          `<text x="${width / 2}" y="${(TOP + bottom) / 2}" font-size="12" text-anchor="middle" fill="${SOFT}">none</text>`,
        ]
      : []),
  ].join('\n')
}

function drawn(shapes: readonly Line[], scale: Scale, stacked: boolean): readonly string[] {
  const path = ({ points }: Line) =>
    points
      .filter(([, value]) => Number.isFinite(value))
      .map(([at, value]) => `${scale.x(at).toFixed(1)},${scale.y(value).toFixed(1)}`)
  if (!stacked) {
    return shapes.map(
      (line) => `<polyline points="${path(line).join(' ')}" fill="none" stroke="${line.color}" stroke-width="1.6"/>`,
    )
  }
  // The highest sum first: each next area covers what is below it.
  return shapes.toReversed().map((line) => {
    const top = path(line)
    const [first = '0,0'] = top
    const last = top.at(-1) ?? first
    const base = scale.y(0).toFixed(1)
    const area = `${first.split(',')[0]},${base} ${top.join(' ')} ${last.split(',')[0]},${base}`
    return `<polygon points="${area}" fill="${lighter(line.color)}" stroke="${line.color}" stroke-width="1"/>`
  })
}

/** Each line on the sum of those before it. */
function stackedLines(lines: readonly Line[]): readonly Line[] {
  const sums = new Map<number, number>()
  const moments = [...new Set(lines.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b)
  return lines.map((line) => {
    const own = new Map(line.points)
    const points = moments.map((at) => {
      const value = own.get(at)
      const sum = (sums.get(at) ?? 0) + (value === undefined || !Number.isFinite(value) ? 0 : value)
      sums.set(at, sum)
      return [at, sum] as const
    })
    return { ...line, points }
  })
}

function axis(least: number, most: number, unit: Unit): readonly number[] {
  // Of bytes, whole numbers of KiB, MiB, …
  const scale = unit === 'bytes' && most > 0 ? 1_024 ** Math.floor(Math.log(most) / Math.log(1_024)) : 1
  const low = least / scale
  const high = most / scale
  const span = high - low || 1
  const power = 10 ** Math.floor(Math.log10(span / 4))
  const step = power * (STEPS.find((one) => one * power >= span / 4) ?? 10)
  const first = Math.floor(low / step)
  const last = Math.max(first + 1, Math.ceil(high / step))
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step * scale)
}

function valueTick(y: number, { width, text }: { readonly width: number; readonly text: string }): string {
  return `<line x1="${LEFT}" x2="${width - RIGHT}" y1="${y}" y2="${y}" stroke="#e6e9ed"/><text x="${LEFT - 6}" y="${y + 3.5}" font-size="10" text-anchor="end" fill="${SOFT}">${escaped(text)}</text>`
}

function timeTick(x: number, bottom: number, text: string): string {
  return `<text x="${x}" y="${bottom + 14}" font-size="10" text-anchor="middle" fill="${SOFT}">${text}</text>`
}

/** Five moments, on whole minutes or parts of them. */
function timeTicks({ from, to }: Span): readonly number[] {
  const every =
    [10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600].find((one) => (to - from) / one <= 6) ?? 86_400
  const first = Math.ceil((from + (to - from) * 0.02) / every) * every
  const ticks: number[] = []
  for (let at = first; at <= to - (to - from) * 0.02; at += every) ticks.push(at)
  return ticks
}

function clockText(at: number): string {
  const text = new Date(at * 1_000).toISOString()
  return at % 60 === 0 ? text.slice(11, 16) : text.slice(11, 19)
}

function legendRows(lines: readonly Line[], width: number): readonly (readonly Line[])[] {
  const rows: Line[][] = [[]]
  let used = 0
  for (const line of lines) {
    const need = entryWidth(line)
    if (used > 0 && used + need > width) {
      rows.push([])
      used = 0
    }
    rows.at(-1)?.push(line)
    used += need
  }
  return rows
}

function entryWidth({ name }: Line): number {
  return 26 + name.length * LETTER
}

function legendText(row: readonly Line[], y: number): readonly string[] {
  let x = 12
  return row.map((line) => {
    const at = x
    x += entryWidth(line)
    return `<rect x="${at}" y="${y - 8}" width="9" height="9" rx="2" fill="${line.color}"/><text x="${at + 13}" y="${y}" font-size="10" fill="${TEXT}">${escaped(line.name)}</text>`
  })
}

function lighter(color: string): string {
  const parts = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16))
  return `#${parts
    .map((part) =>
      Math.round(part + (255 - part) * 0.35)
        .toString(16)
        .padStart(2, '0'),
    )
    .join('')}`
}
