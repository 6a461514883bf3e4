/**
 * What was promised and what came, across failovers to a replica that is copied to without waiting: the accounts of the
 * failover soak. Pure; times are milliseconds of one clock.
 *
 * The documented window (docs/operating/redis-failover.md): a failover undoes the last second before the master died at
 * most, while a replica followed it. So a 250 may be lost that was said in that second, and a delivery may be repeated
 * whose first arrival is not older than that, or was still under way.
 */

/** What a replica on a quiet link lags behind, with much to spare; what it lagged is printed. */
export const LAG_MS_MAX = 1_000

export interface Repeated {
  readonly address: string
  /** From the earlier arrival to the death of the master that explains it; undefined: none does. */
  readonly beforeDeathMs: number | undefined
}

export interface Lost {
  readonly address: string
  /** From the 250 to the death of the master that explains it; undefined: none does. */
  readonly beforeDeathMs: number | undefined
}

export interface FailoverAccounts {
  readonly promised: number
  readonly delivered: number
  readonly lost: readonly Lost[]
  readonly repeated: readonly Repeated[]
  /** Arrivals of submissions that got no 250. */
  readonly unpromised: number
}

interface Outage {
  readonly diedAt: number
  /** The next 250 after the longest silence that followed: mail was accepted again. */
  readonly backAt: number
}

export class FailoverLedger {
  readonly #promised = new Map<string, number>()
  readonly #arrivals = new Map<string, number[]>()
  readonly #deaths: number[] = []
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  promise(addresses: readonly string[]): void {
    const at = this.#now()
    for (const address of addresses) this.#promised.set(address, at)
  }

  arrive(addresses: readonly string[], at: number): void {
    for (const address of addresses) {
      const known = this.#arrivals.get(address)
      if (known === undefined) this.#arrivals.set(address, [at])
      else known.push(at)
    }
  }

  masterDied(): void {
    this.#deaths.push(this.#now())
  }

  get promised(): number {
    return this.#promised.size
  }

  get delivered(): number {
    return this.#arrivals.size
  }

  get open(): number {
    return [...this.#promised.keys()].filter((address) => !this.#arrivals.has(address)).length
  }

  /** From each death of a master until mail was accepted again; infinite: it never was. */
  get withoutIntakeMs(): readonly number[] {
    return this.#outages().map(({ diedAt, backAt }) => backAt - diedAt)
  }

  /** From each death of a master to the first arrival after mail was accepted again. */
  get withoutDeliveryMs(): readonly number[] {
    const all = [...this.#arrivals.values()].flat()
    return this.#outages().map(({ diedAt, backAt }) => Math.min(...all.filter((at) => at > backAt)) - diedAt)
  }

  accounts(): FailoverAccounts {
    const promised = [...this.#promised]
    const outages = this.#outages()
    const explained = (at: number): number | undefined => {
      // What came while there was no master was under way when it died: nobody could settle it.
      const outage = outages.find(({ diedAt, backAt }) => at >= diedAt - LAG_MS_MAX && at <= backAt)
      return outage === undefined ? undefined : outage.diedAt - at
    }
    return {
      promised: promised.length,
      delivered: promised.filter(([address]) => this.#arrivals.has(address)).length,
      lost: promised
        .filter(([address]) => !this.#arrivals.has(address))
        .map(([address, at]) => ({ address, beforeDeathMs: explained(at) })),
      repeated: [...this.#arrivals].flatMap(([address, times]) =>
        times.slice(1).map((_, index) => ({ address, beforeDeathMs: explained(times[index] ?? 0) })),
      ),
      unpromised: [...this.#arrivals.keys()].filter((address) => !this.#promised.has(address)).length,
    }
  }

  #outages(): readonly Outage[] {
    const times = [...this.#promised.values()].sort((left, right) => left - right)
    return this.#deaths.map((diedAt, index) => {
      const until = this.#deaths[index + 1] ?? Number.POSITIVE_INFINITY
      let silence = { ms: 0, backAt: Number.POSITIVE_INFINITY }
      let last = diedAt
      for (const at of times) {
        if (at <= diedAt || at > until) continue
        if (at - last > silence.ms) silence = { ms: at - last, backAt: at }
        last = at
      }
      return { diedAt, backAt: silence.backAt }
    })
  }
}
