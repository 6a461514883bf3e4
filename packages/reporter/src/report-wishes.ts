/**
 * Which domains want reports (RPT-13): asked in the background, never by a delivery that waits for the answer, and
 * remembered for an hour, absences too.
 *
 * An hour is how late a new record is noticed; whether there still is one, and where it leads, is asked again before
 * anything is sent. While DNS cannot say, what was known counts, and results of a domain of which nothing is known are
 * worth keeping. Bounded in every direction; reads the monotonic clock that it is given.
 */
import type { DomainName } from '@hermetic/policy'
import type { RecordLookup } from './record-lookup.ts'

export type ReportWish = 'wanted' | 'unwanted' | 'asking'

export interface ReportWishesOptions {
  readonly lookUp: (policyDomain: DomainName) => Promise<RecordLookup>
  /** After `asking`: what it came to. */
  readonly onAnswer: (policyDomain: DomainName, wish: 'wanted' | 'unwanted') => void
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
  readonly rememberedMax?: number
}

const REMEMBERED_MS = 3_600_000
const ASK_AGAIN_MS = 300_000
/** Domains that a large relay writes to in an hour; some 20 MB. */
const REMEMBERED_MAX = 200_000
const AT_ONCE_MAX = 16
/** Beyond, a domain counts as one of which nothing is known. */
const WAITING_MAX = 10_000

/** Nothing that DNS says makes a lookup reject; a defect of ours must not end the relay, nor lose results. */
const DEFECT: RecordLookup = { kind: 'failure', reason: { kind: 'network', code: 'DEFECT' } }

interface Known {
  readonly wish: 'wanted' | 'unwanted'
  readonly until: number
}

export class ReportWishes {
  readonly #options: ReportWishesOptions
  /** In order of insertion: the oldest is forgotten first. */
  readonly #known = new Map<DomainName, Known>()
  readonly #waiting = new Set<DomainName>()
  readonly #asking = new Set<DomainName>()
  #closed = false

  constructor(options: ReportWishesOptions) {
    this.#options = options
  }

  of(policyDomain: DomainName): ReportWish {
    const known = this.#known.get(policyDomain)
    if (known !== undefined && this.#options.monotonic() < known.until) return known.wish
    const asking = this.#ask(policyDomain)
    if (known !== undefined) return known.wish
    return asking ? 'asking' : 'wanted'
  }

  /** Nobody is asked any more; what is still open stays so. */
  close(): void {
    this.#closed = true
    this.#waiting.clear()
  }

  #ask(policyDomain: DomainName): boolean {
    if (this.#asking.has(policyDomain) || this.#waiting.has(policyDomain)) return true
    if (this.#closed || this.#waiting.size >= WAITING_MAX) return false
    this.#waiting.add(policyDomain)
    this.#next()
    return true
  }

  #next(): void {
    for (const policyDomain of this.#waiting) {
      if (this.#asking.size >= AT_ONCE_MAX) return
      this.#waiting.delete(policyDomain)
      this.#asking.add(policyDomain)
      const answered = (answer: RecordLookup): void => this.#answered(policyDomain, answer)
      this.#options.lookUp(policyDomain).then(answered, () => answered(DEFECT))
    }
  }

  #answered(policyDomain: DomainName, answer: RecordLookup): void {
    this.#asking.delete(policyDomain)
    const before = this.#known.get(policyDomain)
    const failed = answer.kind === 'failure'
    const wish = failed ? (before?.wish ?? 'wanted') : answer.kind === 'record' ? 'wanted' : 'unwanted'
    this.#known.delete(policyDomain)
    if (this.#known.size >= (this.#options.rememberedMax ?? REMEMBERED_MAX)) this.#forgetOldest()
    const until = this.#options.monotonic() + (failed ? ASK_AGAIN_MS : REMEMBERED_MS)
    this.#known.set(policyDomain, { wish, until })
    if (before === undefined) this.#options.onAnswer(policyDomain, wish)
    this.#next()
  }

  #forgetOldest(): void {
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest)
      return
    }
  }
}
