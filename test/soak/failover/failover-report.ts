/** The outcome of failovers under load in words: for the terminal, a test's output, and docs/measurements. Pure. */
import type { FailoverAccounts } from './failover-ledger.ts'
import type { FailoverResult } from './failover-run.ts'

/** What is wrong; empty: it passed. */
export function failoverProblems(result: FailoverResult, messages: number): readonly string[] {
  const { accounts, queue, accepted } = result
  const unexplained = outside(accounts)
  const problems: readonly (readonly [boolean, string])[] = [
    [accepted < messages, `only ${accepted} of ${messages} messages were accepted`],
    [queue.messages > queue.quarantined, `${queue.messages - queue.quarantined} messages left in the queue`],
    [unexplained > 0, `${unexplained} losses or repetitions outside of the window`],
  ]
  return problems.flatMap(([wrong, problem]) => (wrong ? [problem] : []))
}

export function failoverRows(result: FailoverResult): readonly (readonly [string, string | number])[] {
  const { accounts, queue } = result
  return [
    ['messages answered 250', accounts.promised],
    ['delivered', accounts.delivered],
    ['**lost**: answered 250, never delivered', `**${accounts.lost.length}**${oldest(accounts.lost)}`],
    ['delivered more than once', `${accounts.repeated.length}${oldest(accounts.repeated)}`],
    ['losses and repetitions outside of the documented window', outside(accounts)],
    ['quarantined: delivered, but the replica did not know it, and the content file was gone', queue.quarantined],
    ['refused or cut off, and submitted again', result.triedAgain],
    ['from the death of the master to the next 250', times(result.withoutIntakeMs)],
    ['from the death of the master to the next delivery', times(result.withoutDeliveryMs)],
    ['from the last 250 to the last delivery', `${(result.drainMs / 1000).toFixed(1)} s`],
  ]
}

export function failoverText(result: FailoverResult): readonly string[] {
  return failoverRows(result).map(([what, value]) => `${what}: ${value}`.replaceAll('**', ''))
}

function outside({ lost, repeated }: FailoverAccounts): number {
  return [...lost, ...repeated].filter(({ beforeDeathMs }) => beforeDeathMs === undefined).length
}

/** How long before the death of the master the earliest of them was. */
function oldest(list: FailoverAccounts['lost']): string {
  const known = list.flatMap(({ beforeDeathMs }) => beforeDeathMs ?? [])
  return known.length === 0 ? '' : ` (at most ${Math.round(Math.max(...known))} ms before the death of the master)`
}

function times(list: readonly number[]): string {
  const known = [...list].sort((left, right) => left - right)
  if (known.length === 0) return 'never'
  const median = known[Math.floor(known.length / 2)] ?? 0
  return `${seconds(median)} in the middle, ${seconds(known.at(-1) ?? 0)} at worst`
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
