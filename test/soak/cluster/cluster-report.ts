/**
 * The outcome of the cluster soak in words: for the terminal and docs/measurements, and whether it passed. Pure.
 */
import type { MxCounts } from '../receiving-mx.ts'
import type { ClusterDuplicate, ClusterLedgerReport } from './cluster-ledger.ts'
import type { ClusterSize } from './cluster-plan.ts'
import type { OpenTransactionsReport } from './open-transactions.ts'

export interface ClusterSoakResult extends ClusterSize {
  readonly seed: number
  readonly nodes: number
  readonly accepted: number
  readonly cutOff: number
  readonly ledger: ClusterLedgerReport
  readonly mx: MxCounts
  readonly site: OpenTransactionsReport
  readonly leftInQueue: number
  readonly quarantined: number
  readonly seconds: number
  readonly machine: string
}

/** What is wrong; empty: the soak passed. */
export function verdictOf(result: ClusterSoakResult): readonly string[] {
  const { accepted, messages, ledger, quarantined, leftInQueue, site } = result
  const outside = outsideWindow(ledger)
  const problems: readonly (readonly [boolean, string])[] = [
    [accepted < messages, `only ${accepted} of ${messages} messages were accepted in time`],
    [ledger.lost.length > 0, `${ledger.lost.length} lost: ${ledger.lost.slice(0, 5).join(', ')}`],
    [ledger.contradictory.length > 0, `delivered and bounced: ${ledger.contradictory.slice(0, 5).join(', ')}`],
    [quarantined > 0, `${quarantined} quarantined`],
    [leftInQueue > 0, `${leftInQueue} messages left in the queue`],
    [site.beyond > 0, `${site.beyond} transactions began beyond the limit of the site`],
    [outside.length > 0, `duplicates outside the window: ${outside.slice(0, 5).map(told).join(', ')}`],
  ]
  return problems.flatMap(([wrong, problem]) => (wrong ? [problem] : []))
}

export function clusterSoakReport(result: ClusterSoakResult, date: string): string {
  const { ledger, mx, site } = result
  const problems = verdictOf(result)
  const rows: readonly (readonly [string, string | number])[] = [
    ['nodes on one Redis (AOF, fsync always)', result.nodes],
    ['nodes killed with SIGKILL and started again', result.kills],
    ['nodes stopped with SIGSTOP for 1–5 s', result.pauses],
    ['nodes stopped for longer than the lease of 60 s', result.longPauses],
    ['Redis restarted; killed with SIGKILL', `${result.restarts}; ${result.crashes}`],
    ['messages answered 250', result.accepted],
    ['submissions cut off and tried again', result.cutOff],
    ['recipients promised', ledger.promised],
    ['delivered', ledger.delivered],
    ['returned to the sender', ledger.bounced],
    ['**lost**', `**${ledger.lost.length}**`],
    ['**quarantined**', `**${result.quarantined}**`],
    ['left in the queue', result.leftInQueue],
    ['duplicates', ledger.duplicates.length],
    ...causes(ledger.duplicates),
    ['duplicates outside the window', outsideWindow(ledger).length],
    ["longest time from the peer's 250 to what kept its node from settling", longest(ledger.duplicates)],
    ['arrived without a promise (the 250 was lost)', ledger.unpromised],
    ['transactions the peer took', `${mx.transactions}, in clear ${mx.inClear}`],
    ['recipients, contents the peer refused for now', `${mx.refusedRecipients}, ${mx.refusedContents}`],
    ['connections the peer dropped', mx.dropped],
    ['transactions open with the site at a time, at most', `${site.most}; ${site.limit} allowed`],
    ['the same with those of processes stopped beyond their lease', site.mostWithStopped],
  ]
  return `${[
    `# Cluster soak of ${date}`,
    '',
    `Made by \`pnpm test:soak\` (\`test/soak/cluster/main.ts\`), seed ${result.seed}, ${result.seconds.toFixed(0)} s, ${result.machine}.`,
    '',
    '| | |',
    '|---|---|',
    ...rows.map(([name, value]) => `| ${name} | ${value} |`),
    '',
    problems.length === 0 ? 'Passed.' : `Failed: ${problems.join('; ')}.`,
  ].join('\n')}\n`
}

function causes(duplicates: readonly ClusterDuplicate[]): readonly (readonly [string, number])[] {
  const byCause = Map.groupBy(duplicates, ({ cause, kind }) => `of them ${kind}, ${cause}`)
  return [...byCause].map(([cause, some]) => [cause, some.length] as const)
}

function told({ address, cause, nodes, laterMs, settledMs }: ClusterDuplicate): string {
  const settled = settledMs.length === 0 ? 'never settled' : `settled after ${settledMs.map(Math.round).join(', ')} ms`
  return `${address} (${cause}: ${nodes.join(', again ')} after ${Math.round(laterMs)} ms, ${settled})`
}

function longest(duplicates: readonly ClusterDuplicate[]): string {
  const gaps = duplicates.map(({ gapMs }) => gapMs)
  return gaps.length === 0 ? 'none' : `${Math.max(...gaps).toFixed(0)} ms`
}

function outsideWindow({ duplicates }: ClusterLedgerReport): readonly ClusterDuplicate[] {
  return duplicates.filter(({ cause }) => cause === 'settled-before' || cause === 'undisturbed')
}
