/** From a Prometheus to the picture: asks every query of every panel, names and colours the series. */
import { type Panel, readPanels, seriesName, type Variables } from './panels.ts'
import { queryRange, type Span } from './prometheus-api.ts'
import { dashboardSvg, type FilledPanel } from './svg-page.ts'
import type { Line } from './svg-words.ts'

export const DASHBOARD = new URL('../../deploy/grafana/hermetic.json', import.meta.url)

const PALETTE = [
  '#3b78c2',
  '#e0a12b',
  '#299c46',
  '#8f3bb8',
  '#d44a3a',
  '#1f7a8c',
  '#e0752d',
  '#b5478f',
  '#7a8b2a',
  '#5b6470',
]

export interface Drawn {
  readonly svg: string
  /** Queries without a single series. */
  readonly silent: readonly string[]
}

export async function drawDashboard(
  prometheus: string,
  { variables, span }: { readonly variables: Variables; readonly span: Span },
): Promise<Drawn> {
  const silent: string[] = []
  const filled: FilledPanel[] = []
  for (const panel of readPanels(DASHBOARD, variables)) {
    const lines: Line[] = []
    for (const { expr, legend } of panel.queries) {
      const series = await queryRange(prometheus, expr, span)
      if (series.length === 0) silent.push(`${panel.title}: ${expr}`)
      for (const { labels, points } of series) {
        const name = seriesName(legend, labels)
        lines.push({ name, points, color: colorOf(panel, name) ?? PALETTE[lines.length % PALETTE.length] ?? '#000000' })
      }
    }
    filled.push({ panel, lines })
  }
  const day = new Date(span.to * 1_000).toISOString().slice(0, 10)
  const subtitle = `${day}, ${Math.round((span.to - span.from) / 60)} minutes, UTC`
  return { svg: dashboardSvg(filled, { title: 'Hermetic', subtitle, span }), silent }
}

function colorOf({ colors }: Panel, name: string): string | undefined {
  return colors.find((one) => one.name.test(name))?.color
}
