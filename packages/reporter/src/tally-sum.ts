/**
 * Sessions summed in memory until the next flush: the same sums as `mergeTallies` makes of
 * them, made in place because there may be ten thousand in that second. Knows no store and no time.
 */
import type { DomainName } from '@hermetic/policy'
import type { CountedSession, ReportedFailure, ReportedPolicy } from './counted-session.ts'
import {
  type DomainTally,
  FAILURES_MAX,
  failureKey,
  mergeTallies,
  POLICIES_MAX,
  type PolicyTally,
  policyKey,
} from './tally.ts'
import type { UtcDay } from './utc-day.ts'

/** What one domain adds to one day. */
export interface DayTally {
  readonly day: UtcDay
  readonly policyDomain: DomainName
  readonly tally: DomainTally
}

interface Growing {
  readonly policy: ReportedPolicy
  successfulSessions: number
  failedSessions: number
  readonly failures: Map<string, { readonly failure: ReportedFailure; sessions: number }>
}

interface GrowingDay {
  readonly day: UtcDay
  readonly policyDomain: DomainName
  readonly policies: Map<string, Growing>
  /** What was cut down to the bound before. */
  settled: readonly DomainTally[]
}

export interface SessionOfDay {
  readonly day: UtcDay
  readonly policyDomain: DomainName
  readonly sessions: readonly CountedSession[]
}

export class TallySum {
  /** In the order in which they came. */
  readonly #days = new Map<string, GrowingDay>()

  get isEmpty(): boolean {
    return this.#days.size === 0
  }

  /** Domains, each once for each of its days. */
  get size(): number {
    return this.#days.size
  }

  has({ day, policyDomain }: Pick<SessionOfDay, 'day' | 'policyDomain'>): boolean {
    return this.#days.has(`${day} ${policyDomain}`)
  }

  add({ day, policyDomain, sessions }: SessionOfDay): void {
    if (sessions.length === 0) return
    const growing = this.#growing(day, policyDomain)
    for (const session of sessions) count(growing, session)
  }

  /** What was summed elsewhere. */
  merge({ day, policyDomain, tally }: DayTally): void {
    const growing = this.#growing(day, policyDomain)
    growing.settled = [mergeTallies([...growing.settled, tally])]
  }

  /** Takes out what has been summed, of so many domains at the most: those that have waited longest. */
  take(domainsMax = Number.POSITIVE_INFINITY): readonly DayTally[] {
    const taken: DayTally[] = []
    for (const [key, growing] of this.#days) {
      if (taken.length >= domainsMax) break
      this.#days.delete(key)
      const { day, policyDomain, settled } = growing
      taken.push({ day, policyDomain, tally: mergeTallies([...settled, current(growing)]) })
    }
    return taken
  }

  #growing(day: UtcDay, policyDomain: DomainName): GrowingDay {
    const key = `${day} ${policyDomain}`
    const before = this.#days.get(key)
    if (before !== undefined) return before
    const growing: GrowingDay = { day, policyDomain, policies: new Map(), settled: [] }
    this.#days.set(key, growing)
    return growing
  }
}

function count(into: GrowingDay, { policy, failures }: CountedSession): void {
  const key = policyKey(policy)
  let sums = into.policies.get(key)
  if (sums === undefined) {
    sums = { policy, successfulSessions: 0, failedSessions: 0, failures: new Map() }
    into.policies.set(key, sums)
  }
  if (failures.length === 0) sums.successfulSessions += 1
  else sums.failedSessions += 1
  for (const [name, failure] of new Map(failures.map((one) => [failureKey(one), one]))) {
    const counted = sums.failures.get(name)
    if (counted === undefined) sums.failures.set(name, { failure, sessions: 1 })
    else counted.sessions += 1
  }
  if (into.policies.size > POLICIES_MAX * 2 || sums.failures.size > FAILURES_MAX * 2) settle(into)
}

/** Keeps a flood of distinct failures within twice the bound. */
function settle(growing: GrowingDay): void {
  growing.settled = [mergeTallies([...growing.settled, current(growing)])]
  growing.policies.clear()
}

function current({ policies }: GrowingDay): DomainTally {
  return {
    policies: Array.from(
      policies.values(),
      ({ failures, ...sums }): PolicyTally => ({
        ...sums,
        failures: [...failures.values()],
        otherFailures: {},
      }),
    ),
    otherPolicies: {},
  }
}
