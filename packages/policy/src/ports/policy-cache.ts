/**
 * Port: MTA-STS policies that outlive a process (RFC 8461 §3.3, §10.2). Adapters:
 * `adapters/sqlite-policy-cache.ts` for one process, `adapters/redis-policy-cache.ts` for many.
 * `policy-cache.contract.ts` is the full meaning of the promises below.
 *
 * Deliberately absent: freshness (`mta-sts/freshness.ts` decides) and fetching. The store removes on its own only what
 * has expired, and policies of mode `none` beyond a bound, never an unexpired `enforce` or `testing`: only a fetched
 * successor, its own age or an operator ends one.
 */
import type { DomainName } from '../domain-name.ts'
import type { StsMode, StsPolicy } from '../mta-sts/policy-file.ts'

export interface CachedPolicy {
  readonly policy: StsPolicy
  /** Of the TXT record that announced it. */
  readonly id: string
  /** UTC milliseconds; only a fetch moves it. */
  readonly fetchedAt: number
  /** UTC milliseconds: when a fetch is due although nobody sends mail. */
  readonly refreshAt: number
}

export interface StoredPolicy extends CachedPolicy {
  readonly policyDomain: DomainName
  /** Refreshes that failed since `fetchedAt`. */
  readonly failedRefreshes: number
  /** The last of them. */
  readonly lastFailure?: RefreshFailure
}

export interface RefreshFailure {
  /** UTC milliseconds. */
  readonly at: number
  /** Result type and reason as a report would say them (RFC 8460 §4.3.2.2, §4.4). */
  readonly reason: string
}

export interface RefreshPostponement {
  /** Which entry is meant. */
  readonly fetchedAt: number
  readonly refreshAt: number
  /** Absent: the refresh did not fail, it only comes later. */
  readonly failure?: RefreshFailure
}

/** The unexpired policies of one mode, for gauges. */
export interface PolicyCount {
  readonly mode: StsMode
  readonly policies: number
  /** Of those, how many were fetched before a given time. */
  readonly stale: number
  readonly oldestFetchedAt: number
  readonly soonestExpiresAt: number
}

/** Every method rejects with `PolicyCacheUnavailable` when the store cannot answer, which is not "no entry". */
export interface PolicyCache {
  /** The entry as stored, expired or not. */
  get(policyDomain: DomainName): Promise<StoredPolicy | undefined>

  /** Replaces whatever is there. Durable against the end of the process. */
  put(policyDomain: DomainName, entry: CachedPolicy): Promise<void>

  /** True when there was one. */
  remove(policyDomain: DomainName): Promise<boolean>

  /** Unexpired entries whose `refreshAt` has come, earliest first. */
  dueForRefresh(now: number, limit: number): Promise<readonly DomainName[]>

  /** Undefined when the entry is gone or was replaced meanwhile; else its refreshes that failed in a row. */
  postponeRefresh(policyDomain: DomainName, postponement: RefreshPostponement): Promise<number | undefined>

  /** True for one caller in the cluster until `ttlMs` passes: who holds it may refresh. */
  lease(policyDomain: DomainName, ttlMs: number): Promise<boolean>

  /** Entries in the order of their names, those after `after` only. */
  list(page: { readonly after?: DomainName; readonly limit: number }): Promise<readonly StoredPolicy[]>

  /** What is unexpired at `now`, by mode; modes without a policy are left out. */
  count(times: { readonly now: number; readonly staleBefore: number }): Promise<readonly PolicyCount[]>
}

/** The store cannot answer now. Whoever would deliver by the answer defers. */
export class PolicyCacheUnavailable extends Error {
  override readonly name = 'PolicyCacheUnavailable'
}
