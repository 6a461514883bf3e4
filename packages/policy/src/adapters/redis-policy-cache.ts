/**
 * Adapter of `PolicyCache` for many processes: policies in Redis, outside of any queue's hash tag. One fetch of one
 * process serves all of them (STS-76). A deadline bounds every call; without an answer the cache is unavailable, which
 * is not "no entry".
 *
 * Redis must keep what it is given: `maxmemory-policy noeviction` and an append-only file are checked by the queue,
 * which needs them more. Here it is noticed when an entry that has not ended is gone (then the domain's policy is
 * unavailable), and told when the whole store was emptied or replaced. Indexes are made again from the entries when
 * they are damaged. Policies end by their own age alone: no key but a lease has a time to live.
 */
import { randomUUID } from 'node:crypto'
import type { DomainName } from '../domain-name.ts'
import {
  type CachedPolicy,
  type PolicyCache,
  PolicyCacheUnavailable,
  type PolicyCount,
  type RefreshPostponement,
  type StoredPolicy,
} from '../ports/policy-cache.ts'
import type { EmitPolicyEvent } from '../ports/policy-events.ts'
import { entryWords, list, readCounts, readDomain, readEntry, rows } from './redis-policy-entry.ts'
import { RedisScriptFailed } from './redis-script.ts'
import type { RedisScriptName, RedisScripts } from './redis-scripts.ts'

export interface RedisPolicyCacheOptions {
  readonly scripts: RedisScripts
  /** UTC milliseconds. */
  readonly now: () => number
  readonly emit: EmitPolicyEvent
  readonly bounds?: Partial<SharedEvictableBounds>
  readonly policiesMax?: number
}

/** What the store may forget: never an unexpired policy that demands something. */
export interface SharedEvictableBounds {
  /** Of each mode. Searches step over them. */
  readonly expired: number
  readonly none: number
}

/** Policies that must not be evicted need an end somewhere; then a put fails and is told. */
export const SHARED_POLICIES_MAX = 1_000_000

export const SHARED_EVICTABLE_BOUNDS: SharedEvictableBounds = { expired: 2_000, none: 10_000 }
const PUTS_BETWEEN_TRIMS = 256
/** Entries of one answer: Redis serves nobody else while it makes it. */
const LIST_AT_ONCE = 200
/** What Redis says when an index is not the sorted set that it was; `INDEX` is our own word. */
const DAMAGED_INDEX: ReadonlySet<string> = new Set(['WRONGTYPE', 'INDEX'])

export class RedisPolicyCache implements PolicyCache {
  readonly #scripts: RedisScripts
  readonly #now: () => number
  readonly #emit: EmitPolicyEvent
  readonly #bounds: SharedEvictableBounds
  readonly #max: number
  /** Of the store as this process knows it; undefined before the first look. */
  #epoch: string | undefined
  #putsUntilTrim = 0
  #rebuilding: Promise<void> | undefined

  constructor({ scripts, now, emit, bounds, policiesMax }: RedisPolicyCacheOptions) {
    this.#scripts = scripts
    this.#now = now
    this.#emit = emit
    this.#bounds = { ...SHARED_EVICTABLE_BOUNDS, ...bounds }
    this.#max = policiesMax ?? SHARED_POLICIES_MAX
  }

  async get(policyDomain: DomainName): Promise<StoredPolicy | undefined> {
    const [epoch, answer] = list(await this.#run('get', policyDomain, this.#now()))
    await this.#look(epoch)
    if (answer === null) return undefined
    const entry = readEntry(policyDomain, answer)
    if (entry.ok) return entry.value
    this.#emit({ event: 'sts-cache-damaged', policyDomain, detail: entry.error })
    throw new PolicyCacheUnavailable(`the entry of ${policyDomain} is damaged: ${entry.error}`)
  }

  async put(policyDomain: DomainName, entry: CachedPolicy): Promise<void> {
    await this.#run('put', this.#max, policyDomain, ...entryWords(entry))
    this.#putsUntilTrim -= 1
    if (this.#putsUntilTrim < 0) await this.#trim()
  }

  async remove(policyDomain: DomainName): Promise<boolean> {
    return (await this.#run('remove', policyDomain)) === 1
  }

  async dueForRefresh(now: number, limit: number): Promise<readonly DomainName[]> {
    const due: DomainName[] = []
    let rank = 0
    while (rank >= 0 && due.length < limit) {
      const [epoch, next, domains] = list(await this.#run('due', now, limit - due.length, rank))
      await this.#look(epoch)
      due.push(...list(domains).flatMap((domain) => readDomain(domain) ?? []))
      rank = Number(next)
    }
    return due
  }

  async postponeRefresh(policyDomain: DomainName, postponement: RefreshPostponement): Promise<number | undefined> {
    const { fetchedAt, refreshAt, failure } = postponement
    const why = failure === undefined ? [] : [failure.at, failure.reason]
    const failures = await this.#run('postpone', policyDomain, fetchedAt, refreshAt, ...why)
    return failures === null ? undefined : Number(failures)
  }

  /** Its time is Redis' own, so that no two clocks disagree. */
  async lease(policyDomain: DomainName, ttlMs: number): Promise<boolean> {
    return (await this.#run('lease', policyDomain, ttlMs)) === 1
  }

  /** Damaged entries are told and left out. */
  async list({ after, limit }: { readonly after?: DomainName; readonly limit: number }): Promise<StoredPolicy[]> {
    const entries: StoredPolicy[] = []
    let last: string = after ?? ''
    while (entries.length < limit) {
      const wanted = Math.min(limit - entries.length, LIST_AT_ONCE)
      const page = rows(await this.#run('list', last, wanted, this.#now()))
      for (const [name, answer] of page) {
        const entry = this.#listed(name, answer)
        if (entry !== undefined) entries.push(entry)
        last = String(name)
      }
      if (page.length < wanted) break
    }
    return entries
  }

  async count(times: { readonly now: number; readonly staleBefore: number }): Promise<readonly PolicyCount[]> {
    return readCounts(await this.#run('count', times.now, times.staleBefore))
  }

  #listed(name: unknown, answer: unknown): StoredPolicy | undefined {
    const policyDomain = readDomain(name)
    if (policyDomain === undefined || answer === 'ended') return undefined
    const entry = readEntry(policyDomain, answer)
    if (entry.ok) return entry.value
    this.#emit({ event: 'sts-cache-damaged', policyDomain, detail: entry.error })
    return undefined
  }

  /** A store that was emptied or replaced knows nothing: every policy that is not in it is first contact again. */
  async #look(epoch: unknown): Promise<void> {
    if (typeof epoch === 'string' && epoch === this.#epoch) return
    const known = this.#epoch
    const inForce = String(await this.#run('epoch', randomUUID()))
    this.#epoch = inForce
    if (known !== undefined && known !== inForce) this.#emit({ event: 'sts-cache-lost' })
  }

  async #trim(): Promise<void> {
    this.#putsUntilTrim = PUTS_BETWEEN_TRIMS
    let more: unknown = 1
    while (more === 1) more = await this.#run('trim', this.#now(), this.#bounds.expired, this.#bounds.none)
  }

  async #run(name: RedisScriptName, ...args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await this.#scripts.run(name, ...args)
    } catch (error) {
      if (!(error instanceof RedisScriptFailed && DAMAGED_INDEX.has(error.code))) throw unavailable(name, error)
    }
    try {
      this.#rebuilding ??= this.#rebuild().finally(() => {
        this.#rebuilding = undefined
      })
      await this.#rebuilding
      return await this.#scripts.run(name, ...args)
    } catch (error) {
      throw unavailable(name, error)
    }
  }

  /** Entries are found wherever they are in Redis; nothing but damage is a reason for this. */
  async #rebuild(): Promise<void> {
    let cursor = '0'
    let policies = 0
    do {
      const [next, read] = list(await this.#scripts.run('rebuild', cursor))
      cursor = String(next)
      policies += Number(read)
    } while (cursor !== '0')
    this.#emit({ event: 'sts-cache-rebuilt', policies })
  }
}

function unavailable(name: RedisScriptName, cause: unknown): PolicyCacheUnavailable {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new PolicyCacheUnavailable(`the policy cache could not ${name}: ${why}`, { cause })
}
