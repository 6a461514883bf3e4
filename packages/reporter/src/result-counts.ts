/** Sums in a few numbers, for operators: sessions by policy type and result, over all domains. */
import type { PolicyType } from './counted-session.ts'
import type { ResultCount } from './counting-events.ts'
import type { ResultType } from './result-type.ts'
import type { Sums } from './tally.ts'
import type { DayTally } from './tally-sum.ts'

export class ResultCounts {
  readonly #counts = new Map<string, { -readonly [F in keyof ResultCount]: ResultCount[F] }>()

  /** Those that are zero are left out. A session with failures of two types is in both. */
  get all(): readonly ResultCount[] {
    return [...this.#counts.values()]
  }

  add(tallies: readonly Pick<DayTally, 'tally'>[]): void {
    for (const { tally } of tallies) {
      for (const one of tally.policies) {
        this.#addSums(one.policy.policyType, one)
        for (const { failure, sessions } of one.failures) this.#add(one.policy.policyType, failure.resultType, sessions)
      }
      for (const [type, sums] of Object.entries(tally.otherPolicies)) this.#addSums(type as PolicyType, sums)
    }
  }

  #addSums(policyType: PolicyType, { successfulSessions, otherFailures }: Sums): void {
    this.#add(policyType, 'success', successfulSessions)
    for (const [type, sessions] of Object.entries(otherFailures)) this.#add(policyType, type as ResultType, sessions)
  }

  #add(policyType: PolicyType, result: ResultCount['result'], sessions: number): void {
    if (sessions === 0) return
    const key = `${policyType} ${result}`
    const before = this.#counts.get(key)
    if (before === undefined) this.#counts.set(key, { policyType, result, sessions })
    else before.sessions += sessions
  }
}
