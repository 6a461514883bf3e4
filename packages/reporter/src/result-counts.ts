/** Sums in a few numbers, for operators: sessions by policy type and result, over all domains. Pure. */
import type { PolicyType } from './counted-session.ts'
import type { ResultCount } from './counting-events.ts'
import type { ResultType } from './result-type.ts'
import { addFailures, type DomainTally, failureSums } from './tally.ts'

const POLICY_TYPES: readonly PolicyType[] = ['sts', 'tlsa', 'no-policy-found']

/** Those that are zero are left out. A session with failures of two types is in both. */
export function resultCounts(tallies: readonly DomainTally[]): readonly ResultCount[] {
  return POLICY_TYPES.flatMap((policyType) => {
    const own = tallies.flatMap(({ policies }) => policies.filter(({ policy }) => policy.policyType === policyType))
    const others = tallies.flatMap(({ otherPolicies }) => otherPolicies[policyType] ?? [])
    const all = [...own, ...others]
    const successes = all.reduce((sum, { successfulSessions }) => sum + successfulSessions, 0)
    const failures = addFailures([
      ...all.map(({ otherFailures }) => otherFailures),
      ...own.map(({ failures: details }) => failureSums(details)),
    ])
    const counts: ResultCount[] = Object.entries(failures).map(([type, sessions]) => {
      return { policyType, result: type as ResultType, sessions }
    })
    return successes === 0 ? counts : [{ policyType, result: 'success', sessions: successes }, ...counts]
  })
}
