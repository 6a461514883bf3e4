/**
 * The outcome of the kill soak in words: for the terminal and docs/measurements, and whether it passed. Pure.
 */
import type { LedgerReport } from './ledger.ts'
import type { MxCounts } from './receiving-mx.ts'

export interface KillSoakResult {
  readonly seed: number
  readonly engine: 'embedded' | 'redis'
  readonly messages: number
  readonly kills: number
  readonly accepted: number
  /** Submissions that a kill or a refusal ended; each was tried again under another serial. */
  readonly cutOff: number
  readonly ledger: LedgerReport
  readonly mx: MxCounts
  readonly leftInQueue: number
  readonly quarantined: number
  readonly seconds: number
  readonly machine: string
}

/** What is wrong; empty: the soak passed. */
export function verdictOf({ accepted, messages, ledger, quarantined, leftInQueue }: KillSoakResult): readonly string[] {
  const outside = outsideWindow(ledger)
  const problems: readonly (readonly [boolean, string])[] = [
    [accepted < messages, `only ${accepted} of ${messages} messages were accepted in time`],
    [ledger.lost.length > 0, `${ledger.lost.length} lost: ${examples(ledger.lost)}`],
    [ledger.contradictory.length > 0, `delivered and bounced: ${examples(ledger.contradictory)}`],
    [quarantined > 0, `${quarantined} quarantined`],
    [leftInQueue > 0, `${leftInQueue} messages left in the queue`],
    [
      outside.length > 0,
      `duplicates outside the window: ${examples(outside.map(({ address, cause }) => `${address} (${cause})`))}`,
    ],
  ]
  return problems.flatMap(([wrong, problem]) => (wrong ? [problem] : []))
}

export function killSoakReport(result: KillSoakResult, date: string): string {
  const { ledger, mx } = result
  const gaps = ledger.duplicates.map(({ gapMs }) => Math.max(0, gapMs))
  const problems = verdictOf(result)
  return `${[
    `# kill -9 soak of ${date}`,
    '',
    `Made by \`pnpm test:soak\` (\`test/soak/kill.ts\`), ${result.engine} engine, seed ${result.seed}, ${result.seconds.toFixed(0)} s, ${result.machine}.`,
    '',
    '| | |',
    '|---|---|',
    `| kills | ${result.kills} |`,
    `| messages answered 250 | ${result.accepted} |`,
    `| submissions cut off and tried again | ${result.cutOff} |`,
    `| recipients promised | ${ledger.promised} |`,
    `| delivered | ${ledger.delivered} |`,
    `| returned to the sender | ${ledger.bounced} |`,
    `| **lost** | **${ledger.lost.length}** |`,
    `| **quarantined** | **${result.quarantined}** |`,
    `| left in the queue | ${result.leftInQueue} |`,
    `| duplicates | ${ledger.duplicates.length}, of them notifications ${ledger.duplicates.filter(({ kind }) => kind === 'bounce').length} |`,
    `| duplicates outside the window (250 of the peer → commit of the settle, or from one life) | ${outsideWindow(ledger).length} |`,
    `| longest time between the peer's 250 and the kill, of a duplicate | ${gaps.length === 0 ? 'none' : `${Math.max(...gaps).toFixed(1)} ms`} |`,
    `| arrived without a promise (the 250 was lost) | ${ledger.unpromised} |`,
    `| transactions the peer took | ${mx.transactions}, in clear ${mx.inClear} |`,
    `| recipients the peer refused for now | ${mx.refusedRecipients} |`,
    `| contents the peer refused for now | ${mx.refusedContents} |`,
    `| connections the peer dropped | ${mx.dropped} |`,
    '',
    problems.length === 0 ? 'Passed.' : `Failed: ${problems.join('; ')}.`,
  ].join('\n')}\n`
}

function outsideWindow({ duplicates }: LedgerReport): LedgerReport['duplicates'] {
  return duplicates.filter(({ cause }) => cause !== 'in-window')
}

function examples(addresses: readonly string[]): string {
  return addresses.slice(0, 5).join(', ')
}
