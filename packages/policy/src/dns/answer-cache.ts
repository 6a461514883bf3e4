/**
 * Answers kept for their TTL (RFC 1035 §7.4, RFC 2308 §5), and one lookup at a time for one question: a burst of mail
 * for a domain asks once. Failures are never kept. Bounded: the answer unused for longest goes first.
 */
import type { DnsAnswer } from './answer.ts'

export interface CacheLimits {
  readonly entries: number
  readonly positiveTtlSeconds: number
  readonly negativeTtlSeconds: number
}

/** RFC 2308 §5 finds one to three hours sensible for absence; RFC 8767 §4 a week too long for presence. */
export const DEFAULT_CACHE_LIMITS: CacheLimits = {
  entries: 10_000,
  positiveTtlSeconds: 86_400,
  negativeTtlSeconds: 3_600,
}

interface Entry {
  readonly answer: DnsAnswer<unknown>
  readonly expiresAt: number
}

export class AnswerCache {
  readonly #limits: CacheLimits
  readonly #now: () => number
  readonly #entries = new Map<string, Entry>()
  readonly #running = new Map<string, Promise<DnsAnswer<unknown>>>()

  /** `now`: monotonic milliseconds. */
  constructor(limits: CacheLimits, now: () => number) {
    this.#limits = limits
    this.#now = now
  }

  /**
   * The kept answer with what is left of its TTL, or the outcome of `lookup`, shared with whoever asks meanwhile.
   * `afresh` passes over the kept answer.
   */
  async through<T>(
    key: string,
    lookup: () => Promise<DnsAnswer<T>>,
    { afresh = false }: { readonly afresh?: boolean } = {},
  ): Promise<DnsAnswer<T>> {
    const kept = afresh ? undefined : this.#kept(key)
    const answer = kept ?? (await (this.#running.get(key) ?? this.#start(key, lookup)))
    // A key is always asked for with the same lookup, which gives its answers their type.
    return answer as DnsAnswer<T>
  }

  #kept(key: string): DnsAnswer<unknown> | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    const leftMs = entry.expiresAt - this.#now()
    if (leftMs <= 0 || entry.answer.kind === 'failure') return undefined
    this.#entries.set(key, entry)
    return { ...entry.answer, ttlSeconds: Math.floor(leftMs / 1000) }
  }

  #start(key: string, lookup: () => Promise<DnsAnswer<unknown>>): Promise<DnsAnswer<unknown>> {
    const running = lookup()
      .then((answer) => this.#keep(key, answer))
      .finally(() => this.#running.delete(key))
    this.#running.set(key, running)
    return running
  }

  #keep(key: string, answer: DnsAnswer<unknown>): DnsAnswer<unknown> {
    if (answer.kind === 'failure') return answer
    const { positiveTtlSeconds, negativeTtlSeconds, entries } = this.#limits
    const ttlSeconds = Math.min(answer.ttlSeconds, answer.kind === 'absent' ? negativeTtlSeconds : positiveTtlSeconds)
    const capped = { ...answer, ttlSeconds }
    if (ttlSeconds > 0) this.#entries.set(key, { answer: capped, expiresAt: this.#now() + ttlSeconds * 1000 })
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= entries) break
      this.#entries.delete(oldest)
    }
    return capped
  }
}
