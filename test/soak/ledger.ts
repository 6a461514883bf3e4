/**
 * What was promised and what came: the accounts of a soak, by recipient address (each used once). Pure; times are
 * monotonic milliseconds of the caller.
 *
 * A duplicate is inside the documented window (ARCHITECTURE, spool promises) when the relay was killed after the
 * peer's 250 and before it can have committed the settle.
 */
export interface LedgerReport {
  readonly promised: number
  readonly delivered: number
  readonly bounced: number
  readonly lost: readonly string[]
  /** Delivered and bounced: somebody was told a falsehood. */
  readonly contradictory: readonly string[]
  readonly duplicates: readonly Duplicate[]
  /** Arrivals of submissions that got no 250; allowed, the client lost the answer. */
  readonly unpromised: number
}

export interface Duplicate {
  readonly address: string
  readonly kind: 'message' | 'bounce'
  /** From the first arrival to the kill that hid it; undefined when no kill lies between the two. */
  readonly gapMs: number | undefined
}

export class Ledger {
  readonly #promised = new Set<string>()
  readonly #arrivals = new Map<string, number[]>()
  readonly #bounces = new Map<string, number[]>()
  readonly #kills: number[] = []

  promise(addresses: readonly string[]): void {
    for (const address of addresses) this.#promised.add(address)
  }

  arrive(addresses: readonly string[], at: number): void {
    for (const address of addresses) append(this.#arrivals, { address, at })
  }

  bounce(addresses: readonly string[], at: number): void {
    for (const address of addresses) append(this.#bounces, { address, at })
  }

  kill(at: number): void {
    this.#kills.push(at)
  }

  get promised(): number {
    return this.#promised.size
  }

  /** Promised recipients of whom nothing was heard yet. */
  open(): readonly string[] {
    return [...this.#promised].filter((address) => !this.#arrivals.has(address) && !this.#bounces.has(address))
  }

  report(): LedgerReport {
    const promised = [...this.#promised]
    return {
      promised: promised.length,
      delivered: promised.filter((address) => this.#arrivals.has(address)).length,
      bounced: promised.filter((address) => this.#bounces.has(address)).length,
      lost: this.open(),
      contradictory: promised.filter((address) => this.#arrivals.has(address) && this.#bounces.has(address)),
      duplicates: [...this.#repeated(this.#arrivals, 'message'), ...this.#repeated(this.#bounces, 'bounce')],
      unpromised: [...this.#arrivals.keys()].filter((address) => !this.#promised.has(address)).length,
    }
  }

  #repeated(arrivals: ReadonlyMap<string, readonly number[]>, kind: Duplicate['kind']): readonly Duplicate[] {
    return [...arrivals].flatMap(([address, times]) =>
      times.slice(1).map((later, index) => {
        const earlier = times[index] ?? later
        const kill = this.#kills.find((at) => at >= earlier && at <= later)
        return { address, kind, gapMs: kill === undefined ? undefined : kill - earlier }
      }),
    )
  }
}

function append(map: Map<string, number[]>, arrival: { readonly address: string; readonly at: number }): void {
  const times = map.get(arrival.address)
  if (times === undefined) map.set(arrival.address, [arrival.at])
  else times.push(arrival.at)
}
