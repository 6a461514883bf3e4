/**
 * A report within the size that receivers take (RFC 8460 §5.2): one that is too large loses details, the smallest groups
 * first, never sessions (RPT-74). Compression is part of the question, so it is done here. Pure.
 */
import { gzipSync } from 'node:zlib'
import type { PolicyType } from './counted-session.ts'
import {
  addFailures,
  addSums,
  type DomainTally,
  failureKey,
  failureSums,
  type PolicyTally,
  policyKey,
  type Sums,
  withoutDetails,
} from './tally.ts'

export interface SizedReport {
  /** gzip (RFC 1952) of the report. */
  readonly compressed: Uint8Array
  /** What had to be counted together: some failures of each policy, policies as well, or all there is to tell apart. */
  readonly reduced: 'nothing' | 'failures' | 'policies' | 'everything'
}

/** RPT-74: with base64 around it, below the 10 MB that many mail servers take. */
export const COMPRESSED_OCTETS_MAX = 5_000_000

const KEPT_FAILURES = [50, 10, 2, 0] as const
const KEPT_POLICIES = [16, 4, 1] as const

export function sizedReport(
  tally: DomainTally,
  render: (tally: DomainTally) => Uint8Array,
  octetsMax: number = COMPRESSED_OCTETS_MAX,
): SizedReport {
  for (const { smaller, reduced } of reductions(tally)) {
    const compressed = gzipSync(render(smaller), { level: 9 })
    if (compressed.length <= octetsMax || reduced === 'everything') return { compressed, reduced }
  }
  throw new Error('the last reduction is final')
}

function* reductions(tally: DomainTally): Generator<{ smaller: DomainTally; reduced: SizedReport['reduced'] }> {
  yield { smaller: tally, reduced: 'nothing' }
  for (const kept of KEPT_FAILURES) {
    yield {
      smaller: { ...tally, policies: tally.policies.map((one) => largestFailures(one, kept)) },
      reduced: 'failures',
    }
  }
  for (const kept of KEPT_POLICIES) yield { smaller: largestPolicies(tally, kept), reduced: 'policies' }
  yield { smaller: largestPolicies(tally, 0), reduced: 'everything' }
}

function largestFailures(policy: PolicyTally, kept: number): PolicyTally {
  const ranked = policy.failures.toSorted(
    (a, b) => b.sessions - a.sessions || (failureKey(a.failure) < failureKey(b.failure) ? -1 : 1),
  )
  const rest = failureSums(ranked.slice(kept))
  const failures = policy.failures.filter((one) => ranked.indexOf(one) < kept)
  return { ...policy, failures, otherFailures: addFailures([policy.otherFailures, rest]) }
}

function largestPolicies({ policies, otherPolicies }: DomainTally, kept: number): DomainTally {
  const ranked = policies.toSorted(
    (a, b) => sessions(b) - sessions(a) || (policyKey(a.policy) < policyKey(b.policy) ? -1 : 1),
  )
  const others: Partial<Record<PolicyType, Sums>> = { ...otherPolicies }
  for (const one of ranked.slice(kept)) {
    const { policyType } = one.policy
    const before = others[policyType]
    others[policyType] = addSums(before === undefined ? [withoutDetails(one)] : [before, withoutDetails(one)])
  }
  const largest = policies.filter((one) => ranked.indexOf(one) < kept).map((one) => largestFailures(one, 0))
  return { policies: largest, otherPolicies: others }
}

function sessions({ successfulSessions, failedSessions }: Sums): number {
  return successfulSessions + failedSessions
}
