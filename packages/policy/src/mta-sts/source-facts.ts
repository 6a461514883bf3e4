/**
 * What is known about the MTA-STS policy of one domain, as a value: the input of the requirement, of `explain` and of
 * reports. Pure.
 */

import type { DnsFailureReason } from '../dns/answer.ts'
import type { DomainName } from '../domain-name.ts'
import type { CachedPolicy } from '../ports/policy-cache.ts'
import type { PolicyFetchError, PolicyFetchReport } from './fetch-error.ts'
import { expiresAt } from './freshness.ts'
import type { StsMode, StsPolicy } from './policy-file.ts'
import type { RecordAnswer, UnusableRecord } from './record-lookup.ts'

export type StsFacts = PolicyFound | NoPolicy | PolicyUnavailable

export interface PolicyFound extends Gathered {
  readonly kind: 'policy'
  /** Never `none`: that is no policy (RFC 8461 §5). */
  readonly mode: Exclude<StsMode, 'none'>
  readonly policy: StsPolicy
  readonly id: string
  readonly fetchedAt: number
  readonly expiresAt: number
  readonly from: PolicyOrigin
}

/** Deliver as if MTA-STS did not exist. */
export interface NoPolicy extends Gathered {
  readonly kind: 'none'
  readonly because: NoPolicyReason
}

/** Nothing may be concluded: whoever would deliver by the answer defers. */
export interface PolicyUnavailable extends Gathered {
  readonly kind: 'unavailable'
  /** `own-limit`: our own limits gave the fetch no turn; `stopping`: we are being shut down. */
  readonly because: 'cache' | 'own-limit' | 'stopping'
}

export type PolicyOrigin = 'cache' | 'fresh'

export type NoPolicyReason =
  | { readonly kind: 'no-record' }
  | { readonly kind: 'unusable-record'; readonly error: UnusableRecord }
  | { readonly kind: 'record-lookup-failed'; readonly reason: DnsFailureReason }
  /** The domain says so itself. */
  | { readonly kind: 'mode-none'; readonly entry: CachedPolicy; readonly from: PolicyOrigin }
  /** And it is not tried again for this id until then (RFC 8461 §3.3). */
  | { readonly kind: 'fetch-failed'; readonly id: string; readonly error: PolicyFetchError; readonly retryFrom: number }

interface Gathered {
  readonly policyDomain: DomainName
  /** What DNS said; undefined when it was not asked. */
  readonly record: RecordAnswer | undefined
  /** A failed fetch that nobody has counted yet: of all who waited for it, one sees it here. */
  readonly uncounted: PolicyFailure | undefined
  /** UTC milliseconds. The facts serve the attempt they were gathered for, and whoever comes until then. */
  readonly validUntil: number
}

/** A failed fetch in the words of RFC 8460 §4.3.2.2. */
export interface PolicyFailure {
  readonly policyDomain: DomainName
  readonly id: string
  readonly error: PolicyFetchError
  readonly report: PolicyFetchReport
  /** The policy that stays in force; its lines are the policy-string. Undefined: there is none. */
  readonly inForce: StsPolicy | undefined
}

/** Architecture §3: facts are gathered again after five minutes at the latest. */
export const FACTS_VALID_MAX_MS = 5 * 60_000
/** A failed lookup is no knowledge; this only keeps one turn from asking for every message. */
export const FAILED_LOOKUP_VALID_MS = 30_000

export function recordValidMs(record: RecordAnswer): number {
  return record.kind === 'failed' ? FAILED_LOOKUP_VALID_MS : Math.min(record.ttlSeconds * 1000, FACTS_VALID_MAX_MS)
}

/** The facts when this policy is the one in force. */
export function factsOf(
  entry: CachedPolicy,
  { from, validUntil, ...gathered }: Gathered & { readonly from: PolicyOrigin },
): PolicyFound | NoPolicy {
  const { policy, id, fetchedAt } = entry
  const until = Math.min(validUntil, expiresAt(entry))
  if (policy.mode === 'none') {
    return { kind: 'none', because: { kind: 'mode-none', entry, from }, ...gathered, validUntil: until }
  }
  const { mode } = policy
  return {
    kind: 'policy',
    mode,
    policy,
    id,
    fetchedAt,
    expiresAt: expiresAt(entry),
    from,
    ...gathered,
    validUntil: until,
  }
}
