/**
 * What was promised and what came: the accounts of a soak, by recipient address (each used once). Pure; times are
 * milliseconds of one clock, UTC because the relay's log lines count too.
 *
 * The documented window for a duplicate (ARCHITECTURE, spool promises) reaches from the peer's 250 to the commit of
 * the settle. So a second arrival is inside it when it came from another life of the relay, and the earlier life had
 * not said that the delivery was settled. What a killed relay had written may still arrive until the next launch.
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
  readonly cause: 'in-window' | 'same-life' | 'settled-before-kill'
  /** From the earlier arrival to the end of the life that sent it; less than nothing when it arrived after that. */
  readonly gapMs: number
}

export interface Settle {
  readonly id: string
  /** Of the lane. */
  readonly domain: string
  readonly at: number
}

export class Ledger {
  /** Address → queue id of the message. */
  readonly #promised = new Map<string, string>()
  readonly #arrivals = new Map<string, number[]>()
  readonly #bounces = new Map<string, number[]>()
  /** `<queue id> <domain>` → when a settle was logged. */
  readonly #settles = new Map<string, number[]>()
  readonly #lives: { readonly from: number; until: number }[] = []

  promise(addresses: readonly string[], id: string): void {
    for (const address of addresses) this.#promised.set(address, id)
  }

  arrive(addresses: readonly string[], at: number): void {
    for (const address of addresses) append(this.#arrivals, { key: address, at })
  }

  bounce(addresses: readonly string[], at: number): void {
    for (const address of addresses) append(this.#bounces, { key: address, at })
  }

  settle({ id, domain, at }: Settle): void {
    append(this.#settles, { key: `${id} ${domain}`, at })
  }

  launch(at: number): void {
    this.#lives.push({ from: at, until: Number.POSITIVE_INFINITY })
  }

  kill(at: number): void {
    const life = this.#lives.at(-1)
    if (life !== undefined) life.until = at
  }

  get promised(): number {
    return this.#promised.size
  }

  /** Promised recipients of whom nothing was heard yet. */
  open(): readonly string[] {
    return [...this.#promised.keys()].filter((address) => !this.#arrivals.has(address) && !this.#bounces.has(address))
  }

  report(): LedgerReport {
    const promised = [...this.#promised.keys()]
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
      times
        .slice(1)
        .map((later, index) => this.#duplicate({ address, kind }, { earlier: times[index] ?? later, later })),
    )
  }

  #duplicate(
    of: Pick<Duplicate, 'address' | 'kind'>,
    { earlier, later }: { readonly earlier: number; readonly later: number },
  ): Duplicate {
    const life = this.#lives.findLast(({ from }) => from <= earlier)
    const gapMs = (life?.until ?? earlier) - earlier
    if (life === undefined || life === this.#lives.findLast(({ from }) => from <= later)) {
      return { ...of, cause: 'same-life', gapMs }
    }
    // Of a notification we know the time, but not its own queue id.
    const settles = of.kind === 'bounce' ? [] : this.#settlesOf(of.address)
    const settled = settles.some((at) => at > earlier && at < life.until)
    return { ...of, cause: settled ? 'settled-before-kill' : 'in-window', gapMs }
  }

  #settlesOf(address: string): readonly number[] {
    const domain = address.slice(address.lastIndexOf('@') + 1)
    return this.#settles.get(`${this.#promised.get(address) ?? ''} ${domain}`) ?? []
  }
}

function append(map: Map<string, number[]>, entry: { readonly key: string; readonly at: number }): void {
  const times = map.get(entry.key)
  if (times === undefined) map.set(entry.key, [entry.at])
  else times.push(entry.at)
}

/** UTC milliseconds with a fraction that never goes back within this process. */
export function wallClock(): number {
  return performance.timeOrigin + performance.now()
}
