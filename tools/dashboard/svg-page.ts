/**
 * Panels with their series as one SVG picture, in the places that the dashboard gives them. Pure: the same numbers
 * make the same picture.
 */

import type { Panel } from './panels.ts'
import type { Span } from './prometheus-api.ts'
import { chart } from './svg-chart.ts'
import { escaped, type Line, TEXT } from './svg-words.ts'
import { valueText } from './value-text.ts'

export interface FilledPanel {
  readonly panel: Panel
  readonly lines: readonly Line[]
}

const COLUMN = 56
const ROW = 30
const GAP = 6
const MARGIN = 10
const HEADER = 46

export function dashboardSvg(
  panels: readonly FilledPanel[],
  { title, subtitle, span }: { readonly title: string; readonly subtitle: string; readonly span: Span },
): string {
  const rows = Math.max(...panels.map(({ panel: { place } }) => place.y + place.h))
  const width = 24 * COLUMN + 2 * MARGIN
  const height = HEADER + rows * ROW + MARGIN
  const body = panels.map((filled) => placed(filled, span)).join('\n')
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="DejaVu Sans, Arial, sans-serif">
<rect width="100%" height="100%" fill="#eef0f3"/>
<text x="${MARGIN + 4}" y="30" font-size="20" font-weight="bold" fill="${TEXT}">${escaped(title)}</text>
<text x="${width - MARGIN - 4}" y="29" font-size="12" text-anchor="end" fill="#5b6470">${escaped(subtitle)}</text>
${body}
</svg>
`
}

function placed(filled: FilledPanel, span: Span): string {
  const { place, kind, title } = filled.panel
  const x = MARGIN + place.x * COLUMN
  const y = HEADER + place.y * ROW
  const size = { width: place.w * COLUMN - GAP, height: place.h * ROW - GAP }
  if (kind === 'row') {
    return `<text x="${x + 4}" y="${y + 20}" font-size="14" font-weight="bold" fill="${TEXT}">${escaped(title)}</text>`
  }
  const inner = kind === 'stat' ? stat(filled, size) : timeseries(filled, { ...size, span })
  return `<g transform="translate(${x} ${y})">${inner}</g>`
}

function stat(
  { panel, lines }: FilledPanel,
  { width, height }: { readonly width: number; readonly height: number },
): string {
  const points = lines[0]?.points ?? []
  const value = points.findLast(([, number]) => !Number.isNaN(number))?.[1] ?? Number.NaN
  const reached = panel.thresholds.findLast((step) => step.value === null || value >= step.value)
  const most = Math.max(...points.map(([, number]) => number), Number.MIN_VALUE)
  const [from = 0] = points[0] ?? []
  const [to = 1] = points.at(-1) ?? []
  const spark = points
    .filter(([, number]) => !Number.isNaN(number))
    .map(([at, number]) => {
      const x = (width * (at - from)) / Math.max(1, to - from)
      return `${x.toFixed(1)},${(height - (number / most) * 24).toFixed(1)}`
    })
  return `<rect width="${width}" height="${height}" rx="4" fill="${reached?.color ?? '#5b6470'}"/>
<polygon points="0,${height} ${spark.join(' ')} ${width},${height}" fill="#ffffff" opacity="0.18"/>
<text x="10" y="22" font-size="12" fill="#ffffff">${escaped(panel.title)}</text>
<text x="${width / 2}" y="70" font-size="30" font-weight="bold" text-anchor="middle" fill="#ffffff">${escaped(valueText(value, panel.unit, panel.decimals))}</text>`
}

function timeseries(
  { panel, lines }: FilledPanel,
  { width, height, span }: { readonly width: number; readonly height: number; readonly span: Span },
): string {
  return `<rect width="${width}" height="${height}" rx="4" fill="#ffffff" stroke="#d5d9df"/>
<text x="10" y="20" font-size="12.5" font-weight="bold" fill="${TEXT}">${escaped(panel.title)}</text>
${chart(lines, { ...{ width, height, span }, unit: panel.unit, stacked: panel.stacked })}`
}
