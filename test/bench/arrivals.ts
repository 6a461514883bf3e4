/**
 * What a sink has seen of one trial: which serials arrived, how often, and when. Pure bookkeeping; the clock is
 * the caller's.
 *
 * A serial is `<trial>-<number>`; serials of other trials are counted apart, they would be late mail.
 */
export interface ArrivalReport {
  readonly unique: number
  readonly duplicates: number
  readonly strangers: number
  /** Monotonic milliseconds. */
  readonly firstAt: number
  readonly lastAt: number
  readonly overTls: number
  readonly tlsProtocols: readonly string[]
}

export class Arrivals {
  readonly #trial: string
  readonly #expected: number
  readonly #seen = new Set<number>()
  readonly #protocols = new Set<string>()
  #duplicates = 0
  #strangers = 0
  #overTls = 0
  #firstAt = 0
  #lastAt = 0

  constructor(trial: string, expected: number) {
    this.#trial = trial
    this.#expected = expected
  }

  add(serial: string, arrival: { readonly at: number; readonly tlsProtocol: string | null }): void {
    const split = serial.lastIndexOf('-')
    if (serial.slice(0, split) !== this.#trial) {
      this.#strangers += 1
      return
    }
    const number = Number(serial.slice(split + 1))
    if (this.#seen.has(number)) this.#duplicates += 1
    else this.#lastAt = arrival.at
    this.#seen.add(number)
    if (this.#firstAt === 0) this.#firstAt = arrival.at
    if (arrival.tlsProtocol !== null) {
      this.#overTls += 1
      this.#protocols.add(arrival.tlsProtocol)
    }
  }

  get complete(): boolean {
    return this.#seen.size >= this.#expected
  }

  report(): ArrivalReport {
    return {
      unique: this.#seen.size,
      duplicates: this.#duplicates,
      strangers: this.#strangers,
      firstAt: this.#firstAt,
      lastAt: this.#lastAt,
      overTls: this.#overTls,
      tlsProtocols: [...this.#protocols].sort(),
    }
  }
}
