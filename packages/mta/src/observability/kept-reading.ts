/**
 * A reading of the whole queue, kept for a while: the longer it takes, the longer, so that whoever scrapes costs the store a
 * small share of its time, however long the queue is. Who asks does not wait for ever either.
 */
export interface KeptReadingOptions {
  /** Never rejects. */
  readonly read: () => Promise<void>
  readonly monotonic: () => number
  /** How long an old reading is better than none now; a test that names none has the constant. */
  readonly patienceMs?: number
}

/** Scrapers come every 10 seconds or more. */
const KEPT_MIN_MS = 5_000
const KEPT_MAX_MS = 120_000
/** One twentieth of the time is spent on reading. */
const KEPT_PER_READING = 20
/** Well within the 10 seconds that scrapers wait. */
const PATIENCE_MS = 3_000

export class KeptReading {
  readonly #options: KeptReadingOptions
  #reading: Promise<void> | undefined
  #readAt: number | undefined
  #keptMs = KEPT_MIN_MS

  constructor(options: KeptReadingOptions) {
    this.#options = options
  }

  /** Since the last reading; undefined: there was none. */
  get ageMs(): number | undefined {
    return this.#readAt === undefined ? undefined : this.#options.monotonic() - this.#readAt
  }

  /** After this there is a reading: a fresh one, unless that takes long and there is another. */
  async fresh(): Promise<void> {
    const { ageMs } = this
    if (ageMs !== undefined && ageMs <= this.#keptMs) return
    this.#reading ??= this.#read()
    await (ageMs === undefined ? this.#reading : inPatience(this.#reading, this.#options.patienceMs ?? PATIENCE_MS))
  }

  async #read(): Promise<void> {
    const { read, monotonic } = this.#options
    const began = monotonic()
    await read()
    this.#readAt = monotonic()
    this.#keptMs = Math.min(KEPT_MAX_MS, Math.max(KEPT_MIN_MS, (this.#readAt - began) * KEPT_PER_READING))
    this.#reading = undefined
  }
}

async function inPatience(reading: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([reading, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))])
  clearTimeout(timer)
}
