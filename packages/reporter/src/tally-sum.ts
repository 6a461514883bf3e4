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
  readonly key: string
  readonly policy: ReportedPolicy
  successfulSessions: number
  failedSessions: number
  /** Made with the first failure: most sessions have none. */
  failures: Map<string, { readonly failure: ReportedFailure; sessions: number }> | undefined
}

interface GrowingDay {
  /** One or two of most domains. */
  policies: Growing[]
  /** What was cut down to the bound before, and what was summed elsewhere. */
  settled: DomainTally | undefined
}

export interface SessionOfDay {
  readonly day: UtcDay
  readonly policyDomain: DomainName
  readonly sessions: readonly CountedSession[]
}

export class TallySum {
  /** Days and domains in the order in which they came. */
  readonly #days = new Map<UtcDay, Map<DomainName, GrowingDay>>()
  #size = 0

  get isEmpty(): boolean {
    return this.#size === 0
  }

  /** Domains, each once for each of its days. */
  get size(): number {
    return this.#size
  }

  has({ day, policyDomain }: Pick<SessionOfDay, 'day' | 'policyDomain'>): boolean {
    return this.#days.get(day)?.has(policyDomain) === true
  }

  add({ day, policyDomain, sessions }: SessionOfDay): void {
    if (sessions.length === 0) return
    const growing = this.#growing(day, policyDomain)
    for (const session of sessions) count(growing, session)
  }

  /** What was summed elsewhere. */
  merge({ day, policyDomain, tally }: DayTally): void {
    const growing = this.#growing(day, policyDomain)
    growing.settled = growing.settled === undefined ? tally : mergeTallies([growing.settled, tally])
  }

  /** Takes out what has been summed, of so many domains at the most: those that have waited longest. */
  take(domainsMax = Number.POSITIVE_INFINITY): readonly DayTally[] {
    const taken: DayTally[] = []
    for (const [day, domains] of this.#days) {
      for (const [policyDomain, growing] of domains) {
        if (taken.length >= domainsMax) return taken
        domains.delete(policyDomain)
        this.#size -= 1
        taken.push({ day, policyDomain, tally: wholeOf(growing) })
      }
      this.#days.delete(day)
    }
    return taken
  }

  #growing(day: UtcDay, policyDomain: DomainName): GrowingDay {
    let domains = this.#days.get(day)
    if (domains === undefined) {
      domains = new Map()
      this.#days.set(day, domains)
    }
    const before = domains.get(policyDomain)
    if (before !== undefined) return before
    const growing: GrowingDay = { policies: [], settled: undefined }
    domains.set(policyDomain, growing)
    this.#size += 1
    return growing
  }
}

function count(into: GrowingDay, { policy, failures }: CountedSession): void {
  // An MTA-STS policy is the same object with every session.
  const known = into.policies.find((one) => one.policy === policy)
  const sums = known ?? sumsOf(into, policy)
  if (failures.length === 0) sums.successfulSessions += 1
  else countFailures(sums, failures)
  if (into.policies.length > POLICIES_MAX * 2 || (sums.failures?.size ?? 0) > FAILURES_MAX * 2) settle(into)
}

function sumsOf({ policies }: GrowingDay, policy: ReportedPolicy): Growing {
  const key = policyKey(policy)
  const before = policies.find((one) => one.key === key)
  if (before !== undefined) return before
  const sums: Growing = { key, policy, successfulSessions: 0, failedSessions: 0, failures: undefined }
  policies.push(sums)
  return sums
}

function countFailures(sums: Growing, failures: readonly ReportedFailure[]): void {
  sums.failedSessions += 1
  sums.failures ??= new Map()
  for (const [name, failure] of new Map(failures.map((one) => [failureKey(one), one]))) {
    const counted = sums.failures.get(name)
    if (counted === undefined) sums.failures.set(name, { failure, sessions: 1 })
    else counted.sessions += 1
  }
}

/** Keeps a flood of distinct failures within twice the bound. */
function settle(growing: GrowingDay): void {
  growing.settled = wholeOf(growing)
  growing.policies = []
}

function wholeOf({ policies, settled }: GrowingDay): DomainTally {
  const current: DomainTally = {
    policies: policies.map(({ policy, successfulSessions, failedSessions, failures }): PolicyTally => {
      const counted = failures === undefined ? [] : [...failures.values()]
      return { policy, successfulSessions, failedSessions, failures: counted, otherFailures: {} }
    }),
    otherPolicies: {},
  }
  return mergeTallies(settled === undefined ? [current] : [settled, current])
}
