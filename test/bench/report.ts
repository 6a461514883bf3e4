/**
 * The bench's numbers as tables: for the terminal and for docs/measurements. Pure; medians over the rounds, and
 * ratios made inside each round before their median is taken, because the machine drifts between rounds.
 */
import type { Scenario } from './scenarios.ts'
import { median } from './statistics.ts'
import type { SystemName } from './system.ts'
import type { TrialResult } from './trial.ts'

export interface ScenarioResult {
  readonly scenario: Scenario
  readonly rounds: readonly (readonly TrialResult[])[]
  /** By system: the settings that it ran with. */
  readonly settings: readonly { readonly system: string; readonly lines: readonly string[] }[]
}

export interface BenchResult {
  readonly date: string
  readonly machine: readonly string[]
  readonly versions: readonly string[]
  readonly notes: readonly string[]
  readonly scenarios: readonly ScenarioResult[]
}

const COLUMNS = [
  'scenario',
  'system',
  'msg/s',
  'accepted/s',
  'submit p50 ms',
  'submit p99 ms',
  'CPU s / 1,000',
  'lost',
  'duplicates',
  'refused',
  'over TLS',
]

/** One row for each scenario and system. */
export function resultRows(results: readonly ScenarioResult[]): readonly (readonly string[])[] {
  return [COLUMNS, ...results.flatMap((result) => systemsOf(result).map((system) => row(result, system)))]
}

/** The relay beside Postfix, both bound by a policy or neither; its engines; and what the policy costs each. */
const COMPARISONS: readonly (readonly [SystemName, SystemName])[] = [
  ['hermetic', 'postfix'],
  ['hermetic-sts', 'postfix-sts'],
  ['hermetic-redis', 'postfix'],
  ['hermetic-redis', 'hermetic'],
  ['hermetic-sts', 'hermetic'],
  ['postfix-sts', 'postfix'],
]

/** Ratios made in each round; empty where only one system ran. */
export function ratioRows(results: readonly ScenarioResult[]): readonly (readonly string[])[] {
  const rows = results.flatMap((result) => COMPARISONS.flatMap((pair) => ratioRow(result, pair)))
  if (rows.length === 0) return []
  return [['scenario', 'what ÷ what', 'msg/s ÷', 'CPU ÷', 'submit p50 ÷', 'submit p99 ÷'], ...rows]
}

function ratioRow(result: ScenarioResult, names: readonly [SystemName, SystemName]): readonly (readonly string[])[] {
  const pairs = result.rounds.flatMap((round) => {
    const [one, other] = names.map((name) => round.find(({ system }) => system === name))
    return one === undefined || other === undefined ? [] : [{ one, other }]
  })
  if (pairs.length === 0) return []
  const ratio = (of: (trial: TrialResult) => number): string => {
    const ratios = pairs.map(({ one, other }) => of(one) / of(other))
    return `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`
  }
  return [
    [
      result.scenario.name,
      names.join(' ÷ '),
      ratio((trial) => trial.messagesPerSecond),
      ratio((trial) => trial.cpuSecondsPer1000),
      ratio((trial) => trial.latencyP50Ms),
      ratio((trial) => trial.latencyP99Ms),
    ],
  ]
}

export function markdownReport(result: BenchResult): string {
  const ratios = ratioRows(result.scenarios)
  return [
    `# Bench of ${result.date}`,
    '',
    'Made by `pnpm bench` (how it measures: the header of `test/bench/main.ts`). It asserts nothing.',
    '',
    ...result.machine.map((line) => `- ${line}`),
    ...result.versions.map((line) => `- ${line}`),
    ...result.notes.map((line) => `- ${line}`),
    '',
    '## Medians',
    '',
    ...markdownTable(resultRows(result.scenarios)),
    '',
    ...(ratios.length === 0
      ? []
      : ['## Ratios', '', 'Median of the ratios made in each round, with the lowest and the highest.', '']),
    ...markdownTable(ratios),
    '',
    '## Scenarios',
    '',
    ...result.scenarios.map(
      ({ scenario, rounds }) =>
        `- **${scenario.name}** ${scenario.title}: ${rounds[0]?.[0]?.messages ?? 0} messages, rounds: ${rounds.length}, ` +
        `at most ${scenario.deliverySlots} deliveries at once`,
    ),
    '',
    '## Every round',
    '',
    ...markdownTable(everyRound(result.scenarios)),
    '',
    '## Settings',
    '',
    ...result.scenarios.slice(0, 1).flatMap(({ settings }) => settings.flatMap(settingsBlock)),
  ].join('\n')
}

/** Columns padded to one width, for the terminal. */
export function plainTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)))
  return rows.map((cells) => cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')).join('\n')
}

function markdownTable(rows: readonly (readonly string[])[]): readonly string[] {
  const [header, ...body] = rows
  if (header === undefined) return []
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(header), line(header.map(() => '---')), ...body.map(line)]
}

function settingsBlock(of: { readonly system: string; readonly lines: readonly string[] }): readonly string[] {
  return [`${of.system} (first scenario; the slots follow the scenario):`, '', '```', ...of.lines, '```', '']
}

function systemsOf({ rounds }: ScenarioResult): readonly string[] {
  return [...new Set(rounds.flat().map(({ system }) => system))].sort().reverse()
}

function row({ scenario, rounds }: ScenarioResult, system: string): readonly string[] {
  const trials = rounds.flat().filter((trial) => trial.system === system)
  const middle = (of: (trial: TrialResult) => number): number => median(trials.map(of))
  const sum = (of: (trial: TrialResult) => number): string =>
    String(trials.reduce((total, trial) => total + of(trial), 0))
  return [
    scenario.name,
    system,
    middle((trial) => trial.messagesPerSecond).toFixed(0),
    middle((trial) => (trial.accepted / trial.submitMs) * 1000).toFixed(0),
    middle((trial) => trial.latencyP50Ms).toFixed(2),
    middle((trial) => trial.latencyP99Ms).toFixed(2),
    middle((trial) => trial.cpuSecondsPer1000).toFixed(3),
    sum((trial) => trial.lost),
    sum((trial) => trial.duplicates),
    sum((trial) => trial.refused),
    tlsShare(trials),
  ]
}

function tlsShare(trials: readonly TrialResult[]): string {
  const arrived = trials.reduce((total, trial) => total + trial.accepted - trial.lost + trial.duplicates, 0)
  const overTls = trials.reduce((total, trial) => total + trial.overTls, 0)
  const protocols = [...new Set(trials.flatMap((trial) => trial.tlsProtocols))].join(' ')
  return `${((overTls / arrived) * 100).toFixed(0)} % ${protocols}`
}

function everyRound(results: readonly ScenarioResult[]): readonly (readonly string[])[] {
  const rows = results.flatMap(({ scenario, rounds }) =>
    rounds.flatMap((round, index) =>
      round.map((trial) => [
        scenario.name,
        String(index + 1),
        trial.system,
        trial.messagesPerSecond.toFixed(0),
        (trial.completionMs / 1000).toFixed(2),
        trial.latencyP50Ms.toFixed(2),
        trial.latencyP99Ms.toFixed(2),
        trial.cpuSecondsPer1000.toFixed(3),
      ]),
    ),
  )
  return [['scenario', 'round', 'system', 'msg/s', 'completion s', 'p50 ms', 'p99 ms', 'CPU s / 1,000'], ...rows]
}
