/**
 * Fetches for the source: one at a time for a domain, here and among the processes that share the cache, each stored,
 * counted and remembered for the back-off (RFC 8461 §3.3, §10.2). Whether to fetch is decided in `freshness.ts`, how
 * is known in `fetch.ts`.
 */
import type { DomainName } from '../domain-name.ts'
import { type CachedPolicy, type PolicyCache, PolicyCacheUnavailable } from '../ports/policy-cache.ts'
import type { EmitPolicyEvent } from '../ports/policy-events.ts'
import { assertNever, type Result } from '../result.ts'
import { BoundedMap } from './bounded-map.ts'
import { type PolicyFetchError, type PolicyFetchReport, policyFetchReport } from './fetch-error.ts'
import { BACK_OFF_MS, type BackOff, type Occasion, refreshDelayMs } from './freshness.ts'
import type { StsMode, StsPolicy } from './policy-file.ts'
import { type FetchSharing, sharedLease } from './shared-fetch.ts'

export interface PolicyFetchesOptions {
  readonly cache: Pick<PolicyCache, 'get' | 'put' | 'remove'>
  readonly fetch: (policyDomain: DomainName) => Promise<Result<{ readonly policy: StsPolicy }, PolicyFetchError>>
  /** UTC milliseconds. */
  readonly now: () => number
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly emit: EmitPolicyEvent
  /** Where other processes use the same cache; absent: nobody else does. */
  readonly sharing?: FetchSharing
}

export interface FetchOrder {
  readonly policyDomain: DomainName
  readonly id: string
  readonly occasion: Occasion
  /** Unexpired, and so in force unless the fetch succeeds. */
  readonly inForce: CachedPolicy | undefined
}

export type FetchEnd =
  | { readonly kind: 'fetched'; readonly entry: CachedPolicy }
  | { readonly kind: 'failed'; readonly failed: FailedFetch; readonly report: PolicyFetchReport }
  /** Says nothing about the policy host. */
  | { readonly kind: 'not-tried'; readonly because: 'own-limit' | 'stopping' }

/** With the failure that it was for. */
export interface FailedFetch extends BackOff {
  readonly error: PolicyFetchError
}

/** `joined`: somebody else ordered this fetch, and counts its failure. */
type Ended = FetchEnd & { readonly joined: boolean }

interface Running {
  readonly id: string
  readonly end: Promise<Ended>
}

/** A forgotten back-off costs one fetch. */
const BACK_OFFS_MAX = 10_000
const DEMAND: Readonly<Record<StsMode, number>> = { none: 0, testing: 1, enforce: 2 }

export class PolicyFetches {
  readonly #options: PolicyFetchesOptions
  readonly #running = new Map<DomainName, Running>()
  readonly #failed = new BoundedMap<DomainName, FailedFetch>(BACK_OFFS_MAX)

  constructor(options: PolicyFetchesOptions) {
    this.#options = options
  }

  async run(order: FetchOrder): Promise<Ended> {
    for (;;) {
      const running = this.#running.get(order.policyDomain)
      if (running === undefined) return this.#start(order)
      const end = await running.end
      if (running.id === order.id) return { ...end, joined: true }
    }
  }

  /** The last failure, while it holds off the next fetch for its id. */
  failed(policyDomain: DomainName): FailedFetch | undefined {
    const failed = this.#failed.get(policyDomain)
    return failed !== undefined && this.#options.now() < failed.until ? failed : undefined
  }

  #start(order: FetchOrder): Promise<Ended> {
    const end = this.#fetchOnce(order).finally(() => this.#running.delete(order.policyDomain))
    this.#running.set(order.policyDomain, { id: order.id, end })
    return end
  }

  /** Once for all processes that share the cache. */
  async #fetchOnce(order: FetchOrder): Promise<Ended> {
    const { sharing } = this.#options
    if (sharing === undefined) return { ...(await this.#fetch(order)), joined: false }
    const lease = await sharedLease({ ...this.#options, ...order }, sharing)
    switch (lease.kind) {
      case 'fetch': {
        const end = await this.#fetch(order)
        await lease.end(end.kind === 'failed' ? end.report : undefined)
        return { ...end, joined: false }
      }
      case 'fetched':
        this.#failed.delete(order.policyDomain)
        return { ...lease, joined: true }
      case 'failed': {
        const { report, until } = lease
        const failed: FailedFetch = { id: order.id, until, error: { kind: 'elsewhere', report } }
        this.#failed.set(order.policyDomain, failed)
        return { kind: 'failed', failed, report, joined: true }
      }
      case 'stopping':
        return { kind: 'not-tried', because: 'stopping', joined: true }
      default:
        return assertNever(lease)
    }
  }

  async #fetch(order: FetchOrder): Promise<FetchEnd> {
    const { policyDomain, id } = order
    // The lifetime counts from before the fetch: whatever it took must not lengthen it.
    const fetchedAt = this.#options.now()
    const fetched = await this.#options.fetch(policyDomain)
    if (!fetched.ok) return this.#fail(order, fetched.error)
    const { policy } = fetched.value
    const entry = { policy, id, fetchedAt, refreshAt: fetchedAt + refreshDelayMs(policy, this.#options.random) }
    this.#failed.delete(policyDomain)
    this.#tellEnd(order, 'fetched', policy.mode)
    await this.#store(policyDomain, entry)
    const from = order.inForce?.policy.mode
    if (from !== undefined && DEMAND[policy.mode] < DEMAND[from]) {
      this.#options.emit({ event: 'sts-policy-weakened', policyDomain, from, to: policy.mode, id })
    }
    return { kind: 'fetched', entry }
  }

  #fail(order: FetchOrder, error: PolicyFetchError): FetchEnd {
    const report = policyFetchReport(error)
    if (report === undefined) {
      const because = error.kind === 'aborted' ? 'stopping' : 'own-limit'
      this.#tellEnd(order, because, because)
      return { kind: 'not-tried', because }
    }
    const { policyDomain, id } = order
    const failed = { id, error, until: this.#options.now() + BACK_OFF_MS }
    this.#failed.set(policyDomain, failed)
    this.#tellEnd(order, report.resultType, report.failureReasonCode)
    return { kind: 'failed', failed, report }
  }

  #tellEnd(
    { policyDomain, occasion, id }: FetchOrder,
    outcome: 'fetched' | 'own-limit' | 'stopping' | PolicyFetchReport['resultType'],
    detail: string,
  ): void {
    this.#options.emit({ event: 'sts-fetch-ended', policyDomain, occasion, id, outcome, detail })
  }

  /** What was fetched counts even when it cannot be kept; RFC 8461 §3.2: an age of 0 is not kept at all. */
  async #store(policyDomain: DomainName, entry: CachedPolicy): Promise<void> {
    const { cache, emit } = this.#options
    const operation = entry.policy.maxAgeSeconds > 0 ? 'put' : 'remove'
    try {
      if (operation === 'put') await cache.put(policyDomain, entry)
      else await cache.remove(policyDomain)
    } catch (error) {
      if (!(error instanceof PolicyCacheUnavailable)) throw error
      emit({ event: 'sts-cache-failed', operation, detail: error.message })
    }
  }
}
