/**
 * The MTA-STS policy of a domain, for whoever needs it: cached, or fetched when it must be (RFC 8461 §3.3, §5.1).
 *
 * Gathers what is held and what DNS says, asks `freshness.ts` what to do and does it. First contact waits for the
 * fetch (D-21), which is bounded by `fetch.ts` (RFC 8461 §3.3). When the cache or we ourselves are what failed, the
 * answer is `unavailable`, which is not "no policy". What a policy demands is decided elsewhere.
 */
import type { DnsResolver } from '../dns/resolver.ts'
import type { DomainName } from '../domain-name.ts'
import {
  type CachedPolicy,
  type PolicyCache,
  PolicyCacheUnavailable,
  type StoredPolicy,
} from '../ports/policy-cache.ts'
import { assertNever, invariant } from '../result.ts'
import { BoundedMap } from './bounded-map.ts'
import type { PolicyFetchReport } from './fetch-error.ts'
import { announcedId, type Course, expiresAt, freshness, isLive, type Occasion, REFETCH_PAUSE_MS } from './freshness.ts'
import { lookUpStsRecord, type RecordAnswer } from './record-lookup.ts'
import {
  FAILED_LOOKUP_VALID_MS,
  factsOf,
  type NoPolicyReason,
  type PolicyFailure,
  type PolicyUnavailable,
  recordValidMs,
  type StsFacts,
} from './source-facts.ts'
import { type FailedFetch, type FetchEnd, PolicyFetches, type PolicyFetchesOptions } from './source-fetch.ts'
import { type Refreshed, refreshPolicy } from './source-refresh.ts'

export interface StsSourceOptions extends Omit<PolicyFetchesOptions, 'cache'> {
  readonly resolver: Pick<DnsResolver, 'txt'>
  readonly cache: Pick<PolicyCache, 'get' | 'put' | 'remove' | 'postponeRefresh'>
}

export interface StsSource {
  /** `afresh` asks DNS itself, as RFC 8461 §5.1 wants before mail is given up. */
  policyFor(policyDomain: DomainName, options?: { readonly afresh?: boolean }): Promise<StsFacts>
  /**
   * To be called when delivery failed validation in a way that a new policy could cure. The turn defers meanwhile;
   * its next attempt finds what this brought.
   */
  refetch(policyDomain: DomainName): Promise<Refetched>
  /** For `refresh.ts`. */
  refresh(policyDomain: DomainName): Promise<Refreshed>
  /** An operator wants to know now: DNS is asked itself, and what is announced or cached is fetched. */
  renew(policyDomain: DomainName): Promise<Renewed>
}

export type Renewed =
  /** `changed`: another document than the one that was in force, if there was one. */
  | { readonly kind: 'fetched'; readonly entry: CachedPolicy; readonly changed: boolean }
  | {
      readonly kind: 'failed'
      readonly report: PolicyFetchReport
      readonly retryFrom: number
      /** For reports; undefined when it does not count, or when somebody else counts it. */
      readonly uncounted: PolicyFailure | undefined
    }
  /** The last fetch for this id failed a short time ago (RFC 8461 §3.3). */
  | { readonly kind: 'waiting'; readonly retryFrom: number }
  /** Neither a record that announces a policy, nor one in the cache that could be asked for again. */
  | { readonly kind: 'nothing-announced'; readonly record: RecordAnswer }
  | { readonly kind: 'unavailable'; readonly because: PolicyUnavailable['because'] }

export type Refetched =
  /** `changed`: the document is another one, so trying again makes sense. */
  | { readonly kind: 'fetched'; readonly changed: boolean }
  | { readonly kind: 'failed'; readonly uncounted: PolicyFailure | undefined }
  /** The last fetch is too short a time ago. */
  | { readonly kind: 'limited'; readonly until: number }
  /** Nothing is in force that a fetch could replace. */
  | { readonly kind: 'not-needed' }
  | { readonly kind: 'unavailable'; readonly because: PolicyUnavailable['because'] }

/** What is known before anything is decided. */
export interface Gathered {
  readonly policyDomain: DomainName
  readonly cached: StoredPolicy | undefined
  readonly record: RecordAnswer
}

/** A forgotten time costs one fetch, a forgotten word one more line in the log. */
const REMEMBERED_MAX = 10_000

export function createStsSource(options: StsSourceOptions): StsSource {
  return new Source(options)
}

class Source implements StsSource {
  readonly #options: StsSourceOptions
  readonly #fetches: PolicyFetches
  readonly #running = new Map<DomainName, Promise<StsFacts>>()
  readonly #refetchFrom = new BoundedMap<DomainName, number>(REMEMBERED_MAX)
  readonly #toldExpired = new BoundedMap<DomainName, number>(REMEMBERED_MAX)

  constructor(options: StsSourceOptions) {
    this.#options = options
    this.#fetches = new PolicyFetches(options)
  }

  async policyFor(policyDomain: DomainName, { afresh = false } = {}): Promise<StsFacts> {
    if (afresh) return this.#find(policyDomain, true)
    const running = this.#running.get(policyDomain)
    if (running !== undefined) return { ...(await running), uncounted: undefined }
    const found = this.#find(policyDomain, false).finally(() => this.#running.delete(policyDomain))
    this.#running.set(policyDomain, found)
    return found
  }

  async refetch(policyDomain: DomainName): Promise<Refetched> {
    const gathered = await this.#gather(policyDomain, { afresh: true })
    if (gathered === undefined) return { kind: 'unavailable', because: 'cache' }
    const course = this.#course('refetch', gathered)
    if (course.kind === 'use') return { kind: 'not-needed' }
    if (course.kind === 'wait') return { kind: 'limited', until: course.until }
    const end = await this.#fetch('refetch', gathered)
    if (end.kind !== 'not-tried') this.#refetchFrom.set(policyDomain, this.#options.now() + REFETCH_PAUSE_MS)
    switch (end.kind) {
      case 'fetched':
        return { kind: 'fetched', changed: differs(end.entry, gathered.cached) }
      case 'failed':
        return { kind: 'failed', uncounted: end.uncounted }
      case 'not-tried':
        return { kind: 'unavailable', because: end.because }
      default:
        return assertNever(end)
    }
  }

  async refresh(policyDomain: DomainName): Promise<Refreshed> {
    const gathered = await this.#gather(policyDomain, { afresh: false })
    if (gathered === undefined) return { kind: 'unavailable' }
    const course = this.#course('refresh', gathered)
    return refreshPolicy({ ...this.#options, gathered, course, fetch: () => this.#fetch('refresh', gathered) })
  }

  async renew(policyDomain: DomainName): Promise<Renewed> {
    const gathered = await this.#gather(policyDomain, { afresh: true })
    if (gathered === undefined) return { kind: 'unavailable', because: 'cache' }
    const cached = this.#inForce(gathered) ? gathered.cached : undefined
    const occasion = cached === undefined ? 'delivery' : 'refresh'
    const course = this.#course(occasion, gathered)
    if (course.kind === 'use') return { kind: 'nothing-announced', record: gathered.record }
    if (course.kind === 'wait') return { kind: 'waiting', retryFrom: course.until }
    const end = await this.#fetch(occasion, gathered)
    if (cached !== undefined) await refreshPolicy({ ...this.#options, gathered, course, fetch: async () => end })
    switch (end.kind) {
      case 'fetched':
        return { kind: 'fetched', entry: end.entry, changed: differs(end.entry, cached) }
      case 'failed':
        return {
          ...{ kind: 'failed', report: end.report, retryFrom: end.failed.until },
          uncounted: course.failureCounts ? end.uncounted : undefined,
        }
      case 'not-tried':
        return { kind: 'unavailable', because: end.because }
      default:
        return assertNever(end)
    }
  }

  async #find(policyDomain: DomainName, afresh: boolean): Promise<StsFacts> {
    const gathered = await this.#gather(policyDomain, { afresh })
    if (gathered === undefined) return this.#unavailable(policyDomain, 'cache')
    const course = this.#course('delivery', gathered)
    if (course.kind === 'use') return course.what === 'cached' ? this.#asCached(gathered) : this.#without(gathered)
    if (course.kind === 'wait') {
      const failed = this.#fetches.failed(policyDomain)
      const facts = course.meanwhile === 'cached' ? this.#asCached(gathered) : this.#without(gathered, failed)
      return { ...facts, validUntil: Math.min(facts.validUntil, course.until) }
    }
    const end = await this.#fetch('delivery', gathered)
    if (end.kind === 'fetched') {
      const { record } = gathered
      const validUntil = this.#options.now() + recordValidMs(record)
      return factsOf(end.entry, { policyDomain, record, from: 'fresh', uncounted: undefined, validUntil })
    }
    const { uncounted } = end
    if (course.otherwise === 'cached' && this.#inForce(gathered)) return this.#asCached(gathered, uncounted)
    if (end.kind === 'not-tried') return this.#unavailable(policyDomain, end.because)
    return { ...this.#without(gathered, end.failed), uncounted }
  }

  /** Undefined when the cache cannot answer. */
  async #gather(policyDomain: DomainName, { afresh }: { readonly afresh: boolean }): Promise<Gathered | undefined> {
    const { cache, resolver, emit } = this.#options
    try {
      const record = await lookUpStsRecord({ resolver, policyDomain, afresh })
      // Last, so that nothing stored while DNS took its time is missed.
      const cached = await cache.get(policyDomain)
      return { policyDomain, cached, record }
    } catch (error) {
      if (!(error instanceof PolicyCacheUnavailable)) throw error
      emit({ event: 'sts-cache-failed', operation: 'get', detail: error.message })
      return undefined
    }
  }

  #course(occasion: Occasion, { policyDomain, cached, record }: Gathered): Course {
    const backOff = this.#fetches.failed(policyDomain)
    const refetchFrom = this.#refetchFrom.get(policyDomain) ?? 0
    return freshness({ occasion, cached, record, backOff, refetchFrom, now: this.#options.now() })
  }

  async #fetch(
    occasion: Occasion,
    gathered: Gathered,
  ): Promise<FetchEnd & { readonly uncounted: PolicyFailure | undefined }> {
    const { policyDomain, cached, record } = gathered
    const id = announcedId(record, cached)
    invariant(id !== undefined, 'what is fetched was announced')
    const inForce = this.#inForce(gathered) ? cached : undefined
    const end = await this.#fetches.run({ policyDomain, id, occasion, inForce })
    if (end.kind !== 'failed' || end.joined) return { ...end, uncounted: undefined }
    const { failed, report } = end
    this.#tellFailure(occasion, { policyDomain, id, inForce, report })
    return { ...end, uncounted: { policyDomain, id, error: failed.error, report, inForce: inForce?.policy } }
  }

  /** RFC 8461 §3.3: whoever runs this is told, unless what is cached is a `none`. */
  #tellFailure(
    occasion: Occasion,
    failed: Pick<PolicyFailure, 'policyDomain' | 'id' | 'report'> & { readonly inForce: StoredPolicy | undefined },
  ): void {
    const { policyDomain, id, inForce } = failed
    const { resultType, failureReasonCode: reason } = failed.report
    if (inForce === undefined) {
      this.#options.emit({ event: 'sts-policy-unobtainable', policyDomain, id, resultType, reason })
    } else if (inForce.policy.mode !== 'none') {
      const what = { policyDomain, mode: inForce.policy.mode, expiresAt: expiresAt(inForce) }
      this.#options.emit({ event: 'sts-policy-not-renewed', ...what, occasion, resultType, reason })
    }
  }

  #inForce({ cached }: Gathered): boolean {
    return cached !== undefined && isLive(cached, this.#options.now())
  }

  #asCached({ policyDomain, cached, record }: Gathered, uncounted?: PolicyFailure): StsFacts {
    invariant(cached !== undefined, 'the course uses what is cached')
    const validUntil = this.#options.now() + recordValidMs(record)
    return factsOf(cached, { policyDomain, record, from: 'cache', uncounted, validUntil })
  }

  #without(gathered: Gathered, failed?: FailedFetch): StsFacts {
    const { policyDomain, cached, record } = gathered
    if (cached !== undefined) this.#tellExpired(cached)
    const validUntil = this.#options.now() + recordValidMs(record)
    const because = this.#reason(gathered, failed)
    return { kind: 'none', policyDomain, because, record, uncounted: undefined, validUntil }
  }

  #reason({ policyDomain, record }: Gathered, failed: FailedFetch | undefined): NoPolicyReason {
    switch (record.kind) {
      case 'absent':
        return { kind: 'no-record' }
      case 'unusable':
        return { kind: 'unusable-record', error: record.error }
      case 'failed': {
        const { reason } = record
        this.#options.emit({ event: 'sts-record-lookup-failed', policyDomain, reason: reason.kind })
        return { kind: 'record-lookup-failed', reason }
      }
      case 'record': {
        invariant(failed !== undefined, 'an announced policy is missing only after a failed fetch')
        return { kind: 'fetch-failed', id: failed.id, error: failed.error, retryFrom: failed.until }
      }
      default:
        return assertNever(record)
    }
  }

  #tellExpired(entry: StoredPolicy): void {
    const { policyDomain, policy, fetchedAt } = entry
    const { mode } = policy
    if (mode === 'none' || policy.maxAgeSeconds === 0 || this.#toldExpired.get(policyDomain) === fetchedAt) return
    this.#toldExpired.set(policyDomain, fetchedAt)
    this.#options.emit({ event: 'sts-policy-expired', policyDomain, mode, expiredAt: expiresAt(entry) })
  }

  #unavailable(policyDomain: DomainName, because: PolicyUnavailable['because']): PolicyUnavailable {
    const validUntil = this.#options.now() + FAILED_LOOKUP_VALID_MS
    return { kind: 'unavailable', policyDomain, because, record: undefined, uncounted: undefined, validUntil }
  }
}

function differs(fetched: CachedPolicy, before: CachedPolicy | undefined): boolean {
  return fetched.policy.lines.join('\n') !== before?.policy.lines.join('\n')
}
