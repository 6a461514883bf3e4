/**
 * Port: who fetches a policy where many processes share a cache (STS-74): one has the lease, the others wait
 * for what it stores, and a failure holds all of them off for as long as it would hold off one (RFC 8461 §3.3). The
 * adapter is `adapters/redis-fetch-leases.ts`; `fetch-leases.contract.ts` is the full meaning of the promises below.
 *
 * A lease is an economy, not a lock: it ends by itself, and two that fetch at the same time do no harm.
 */
import type { DomainName } from '../domain-name.ts'
import type { PolicyFetchReport } from '../mta-sts/fetch-error.ts'

export interface FetchQuestion {
  readonly policyDomain: DomainName
  /** Of the TXT record that announces what would be fetched. */
  readonly id: string
}

export type FetchLease =
  /** To be given to `end`. */
  | { readonly kind: 'ours'; readonly token: string }
  /** Somebody else fetches. */
  | { readonly kind: 'theirs' }
  /** Somebody fetched for this id without success; nobody is to try again before this time has passed. */
  | { readonly kind: 'failed'; readonly report: PolicyFetchReport; readonly retryInMs: number }

export interface FailedLease {
  readonly id: string
  readonly report: PolicyFetchReport
  /** How long nobody is to fetch for this id. */
  readonly backOffMs: number
}

/** Every method rejects with `PolicyCacheUnavailable` when the store cannot answer. */
export interface FetchLeases {
  take(question: FetchQuestion): Promise<FetchLease>

  /** What was fetched is in the cache by now. A lease that ended by itself is not ended again. */
  end(policyDomain: DomainName, token: string, failed?: FailedLease): Promise<void>
}
