/**
 * The dashboard of deploy/grafana as data: its panels in their places, their queries with Grafana's variables filled
 * in. Knows the part of Grafana's format that this dashboard uses, and refuses the rest. Pure but for reading the file.
 */
import { readFileSync } from 'node:fs'

export interface Panel {
  readonly title: string
  readonly description: string
  readonly kind: 'row' | 'stat' | 'timeseries'
  /** In 24 columns, and rows of 30 pixels. */
  readonly place: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly unit: Unit
  readonly decimals: number | undefined
  readonly stacked: boolean
  /** From which value on which colour; the first has none. */
  readonly thresholds: readonly { readonly color: string; readonly value: number | null }[]
  /** Of series whose name fits. */
  readonly colors: readonly { readonly name: RegExp; readonly color: string }[]
  readonly queries: readonly { readonly expr: string; readonly legend: string }[]
}

export type Unit = 'short' | 's' | 'cpm' | 'percentunit' | 'bytes'
const UNITS: readonly string[] = ['short', 's', 'cpm', 'percentunit', 'bytes'] satisfies readonly Unit[]

export interface Variables {
  readonly job: string
  /** A regular expression. */
  readonly instance: string
  readonly rateInterval: string
}

interface GrafanaPanel {
  readonly title: string
  readonly description?: string
  readonly type: string
  readonly gridPos: Panel['place']
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[]
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit: string
      readonly decimals?: number
      readonly thresholds?: { readonly steps: Panel['thresholds'] }
      readonly custom?: { readonly stacking: { readonly mode: string } }
    }
    readonly overrides: readonly {
      readonly matcher: { readonly id: string; readonly options: string }
      readonly properties: readonly { readonly value: { readonly fixedColor: string } }[]
    }[]
  }
}

export function readPanels(file: URL, variables: Variables): readonly Panel[] {
  const { panels }: { readonly panels: readonly GrafanaPanel[] } = JSON.parse(readFileSync(file, 'utf8'))
  return panels.map((panel) => {
    const { title, description = '', type, gridPos, targets = [], fieldConfig } = panel
    if (type !== 'row' && type !== 'stat' && type !== 'timeseries') throw new Error(`${title}: a panel of type ${type}`)
    const { unit = 'short', decimals, thresholds, custom } = fieldConfig?.defaults ?? {}
    if (!isUnit(unit)) throw new Error(`${title}: unit ${unit}`)
    return {
      ...{ title, description, kind: type, place: gridPos, unit, decimals },
      stacked: custom?.stacking.mode === 'normal',
      thresholds: thresholds?.steps ?? [],
      colors: (fieldConfig?.overrides ?? []).flatMap(({ matcher, properties }) =>
        properties.map(({ value }) => ({ name: new RegExp(matcher.options), color: value.fixedColor })),
      ),
      queries: targets.map(({ expr, legendFormat }) => ({ expr: filled(expr, variables), legend: legendFormat })),
    }
  })
}

function isUnit(unit: string): unit is Unit {
  return UNITS.includes(unit)
}

function filled(expr: string, { job, instance, rateInterval }: Variables): string {
  const text = expr
    .replaceAll('$job', job)
    .replaceAll('$instance', instance)
    .replaceAll('$__rate_interval', rateInterval)
  if (text.includes('$')) throw new Error(`a variable that nobody fills in: ${text}`)
  return text
}

/** `{{name}}` in the legend is the label of that name. */
export function seriesName(legend: string, labels: Readonly<Record<string, string>>): string {
  return legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? '')
}
