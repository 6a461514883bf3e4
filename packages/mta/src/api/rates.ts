/** How often each token may ask: a bucket for each, and how many long orders run at once. Bounded by the number of tokens. */

/** A person with a dashboard is far below it, a loop without a pause is not. */
export const REQUESTS_PER_S = 50
const BURST = 200
/** Of them all together; the relay has mail to deliver. */
export const LONG_AT_ONCE_MAX = 4

interface Bucket {
  tokens: number
  at: number
}

export class CallRates {
  readonly #monotonic: () => number
  readonly #buckets = new Map<string, Bucket>()
  #long = 0

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
  }

  /** Answers 0, or in how many seconds to come again. */
  waitS(token: string): number {
    const now = this.#monotonic()
    const bucket = this.#buckets.get(token) ?? { tokens: BURST, at: now }
    this.#buckets.set(token, bucket)
    bucket.tokens = Math.min(BURST, bucket.tokens + ((now - bucket.at) / 1_000) * REQUESTS_PER_S)
    bucket.at = now
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / REQUESTS_PER_S)
    bucket.tokens -= 1
    return 0
  }

  /** Undefined: too many are under way. */
  async long<T>(act: () => Promise<T>): Promise<{ readonly answer: T } | undefined> {
    if (this.#long >= LONG_AT_ONCE_MAX) return undefined
    this.#long += 1
    try {
      return { answer: await act() }
    } finally {
      this.#long -= 1
    }
  }
}
