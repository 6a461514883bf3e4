/**
 * The sum of a day's sessions of one policy domain (RFC 8460 §4.2, §4.4): per policy the sessions that complied and
 * those that did not, and the distinct failures with their counts.
 *
 * Sums merge: in whatever order and grouping batches of many nodes come, the result is the same, and it is bounded
 * whatever hosts say of themselves (RPT-69). Of too many distinct keys always those with the smallest hashes stay,
 * which no order can change; the others are counted together, so that no total is ever wrong. Pure.
 */
import { invariant } from '@hermetic/policy'
import type { CountedSession, PolicyType, ReportedFailure, ReportedPolicy } from './counted-session.ts'
import type { ResultType } from './result-type.ts'
import { smallest } from './smallest-keys.ts'

export interface DomainTally {
  /** By the text of their keys. */
  readonly policies: readonly PolicyTally[]
  /** Of policies beyond the bound, by type. */
  readonly otherPolicies: Readonly<Partial<Record<PolicyType, Sums>>>
}

export interface PolicyTally extends Sums {
  readonly policy: ReportedPolicy
  readonly failures: readonly FailureCount[]
}

export interface FailureCount {
  readonly failure: ReportedFailure
  readonly sessions: number
}

export interface Sums {
  readonly successfulSessions: number
  readonly failedSessions: number
  /** Failures that are not told apart any more. */
  readonly otherFailures: FailureSums
}

export type FailureSums = Readonly<Partial<Record<ResultType, number>>>

/** Two dozen hosts whose TLSA records roll over, and an MTA-STS policy that changes, are fewer. */
export const POLICIES_MAX = 64
/** Per policy. */
export const FAILURES_MAX = 100

export const EMPTY_TALLY: DomainTally = { policies: [], otherPolicies: {} }
const NO_SUMS: Sums = { successfulSessions: 0, failedSessions: 0, otherFailures: {} }

export function sessionTally({ policy, failures }: CountedSession): DomainTally {
  const distinct = new Map(failures.map((failure) => [failureKey(failure), failure]))
  const failed = failures.length > 0
  const tally: PolicyTally = {
    policy,
    successfulSessions: failed ? 0 : 1,
    failedSessions: failed ? 1 : 0,
    failures: sorted(distinct).map(([, failure]) => ({ failure, sessions: 1 })),
    otherFailures: {},
  }
  return { policies: [tally], otherPolicies: {} }
}

/** Associative and commutative; `EMPTY_TALLY` changes nothing. */
export function mergeTallies(tallies: readonly DomainTally[]): DomainTally {
  const byKey = new Map<string, PolicyTally[]>()
  const others = new Map<PolicyType, Sums[]>()
  for (const { policies, otherPolicies } of tallies) {
    for (const one of policies) append(byKey, policyKey(one.policy), one)
    for (const [type, sums] of entriesOf(otherPolicies)) append(others, type, sums)
  }
  const { kept, rest } = smallest(byKey, POLICIES_MAX)
  for (const [, group] of rest) for (const one of group) append(others, one.policy.policyType, withoutDetails(one))
  const otherPolicies = sorted(others).map(([type, sums]) => [type, addSums(sums)] as const)
  return { policies: kept.map(([, group]) => mergePolicies(group)), otherPolicies: Object.fromEntries(otherPolicies) }
}

/** Sessions in all, over every policy. */
export function tallyTotals({ policies, otherPolicies }: DomainTally): Omit<Sums, 'otherFailures'> {
  const { successfulSessions, failedSessions } = addSums([...policies, ...Object.values(otherPolicies)])
  return { successfulSessions, failedSessions }
}

export function sessionsIn(tally: DomainTally): number {
  const { successfulSessions, failedSessions } = tallyTotals(tally)
  return successfulSessions + failedSessions
}

/** Failures that are only told apart by their type. */
export function mergedFailures({ policies, otherPolicies }: DomainTally): number {
  const { otherFailures } = addSums([...policies, ...Object.values(otherPolicies)])
  return Object.values(otherFailures).reduce((total, sessions) => total + sessions, 0)
}

/** Those failures are only told apart by their type from now on. */
export function withoutDetails({ successfulSessions, failedSessions, failures, otherFailures }: PolicyTally): Sums {
  return { successfulSessions, failedSessions, otherFailures: addFailures([otherFailures, failureSums(failures)]) }
}

export function addSums(all: readonly Sums[]): Sums {
  return all.reduce(
    (sum, one) => ({
      successfulSessions: sum.successfulSessions + one.successfulSessions,
      failedSessions: sum.failedSessions + one.failedSessions,
      otherFailures: addFailures([sum.otherFailures, one.otherFailures]),
    }),
    NO_SUMS,
  )
}

/** The text that tells one policy from another: the same for the same policy, on every node. */
export function policyKey({ policyType, policyDomain, policyString, mxHost }: ReportedPolicy): string {
  return JSON.stringify([policyType, policyDomain, policyString, mxHost])
}

export function failureKey(failure: ReportedFailure): string {
  const { resultType, failureReasonCode, receivingMxHostname, receivingIp, receivingMxHelo, sendingMtaIp } = failure
  return [resultType, failureReasonCode, receivingMxHostname, receivingIp, receivingMxHelo, sendingMtaIp].join('\n')
}

export function failureSums(failures: readonly FailureCount[]): FailureSums {
  return addFailures(failures.map(({ failure, sessions }) => ({ [failure.resultType]: sessions })))
}

function mergePolicies(group: readonly PolicyTally[]): PolicyTally {
  const [first] = group
  invariant(first !== undefined, 'a group has a member')
  const counts = new Map<string, FailureCount>()
  for (const { failures } of group) {
    for (const { failure, sessions } of failures) {
      const key = failureKey(failure)
      counts.set(key, { failure, sessions: sessions + (counts.get(key)?.sessions ?? 0) })
    }
  }
  const { kept, rest } = smallest(counts, FAILURES_MAX)
  const sums = addSums(group)
  const merged = failureSums(rest.map(([, count]) => count))
  return {
    policy: first.policy,
    ...sums,
    failures: kept.map(([, count]) => count),
    otherFailures: addFailures([sums.otherFailures, merged]),
  }
}

export function addFailures(all: readonly FailureSums[]): FailureSums {
  const sums = new Map<ResultType, number>()
  for (const one of all) {
    for (const [type, sessions] of entriesOf(one)) sums.set(type, sessions + (sums.get(type) ?? 0))
  }
  return Object.fromEntries(sorted(sums))
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const group = map.get(key)
  if (group === undefined) map.set(key, [value])
  else group.push(value)
}

function entriesOf<K extends string, V>(record: Readonly<Partial<Record<K, V>>>): readonly (readonly [K, V])[] {
  return Object.entries(record) as [K, V][]
}

function sorted<K extends string, V>(map: ReadonlyMap<K, V>): readonly (readonly [K, V])[] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}
