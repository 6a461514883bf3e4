/**
 * What was promised and what came, with several relays on one queue: the accounts of the cluster soak. Pure; times
 * are milliseconds of one clock.
 *
 * The documented window for a duplicate (architecture §3) reaches from the peer's 250 to the commit of the settle,
 * and holds a pause longer than the lease between the check before the final dot and the dot. So a second arrival is
 * inside it when something kept the first node from settling until the second was on its way, or when the second came
 * from a node that had just woken from such a pause.
 */
import type { Settle } from '../ledger.ts'
import type { Disturbances, Excuse } from './disturbances.ts'

export interface ClusterDuplicate {
  readonly address: string
  readonly kind: 'message' | 'bounce'
  readonly cause: Excuse | 'pause-beyond-lease' | 'settled-late' | 'settled-before' | 'undisturbed'
  /** From the earlier arrival to what kept its node from settling. */
  readonly gapMs: number
  readonly nodes: readonly [earlier: string, later: string]
  /** From the earlier arrival to the later one, and to each settle that was told in between. */
  readonly laterMs: number
  readonly settledMs: readonly number[]
}

export interface ClusterLedgerReport {
  readonly promised: number
  readonly delivered: number
  readonly bounced: number
  readonly lost: readonly string[]
  readonly contradictory: readonly string[]
  readonly duplicates: readonly ClusterDuplicate[]
  readonly unpromised: number
}

interface Arrival {
  readonly at: number
  readonly node: string
}

/** Architecture §3: a claim is a lease of 60 s, renewed at a third. */
const LEASE_MS = 60_000
const LEASE_LEFT_MS_MIN = (LEASE_MS * 2) / 3
/** Until what a node had begun before its pause is through. */
const AFTER_PAUSE_MS = 5_000
/** A claim of several messages and the transactions before this one. */
const TRANSACTION_MS_MAX = 5_000

export class ClusterLedger {
  readonly #disturbances: Disturbances
  readonly #promised = new Map<string, string>()
  readonly #arrivals = new Map<string, Arrival[]>()
  readonly #bounces = new Map<string, Arrival[]>()
  readonly #settles = new Map<string, Arrival[]>()

  constructor(disturbances: Disturbances) {
    this.#disturbances = disturbances
  }

  promise(addresses: readonly string[], id: string): void {
    for (const address of addresses) this.#promised.set(address, id)
  }

  arrive(addresses: readonly string[], at: number, node: string): void {
    for (const address of addresses) append(this.#arrivals, address, { at, node })
  }

  bounce(addresses: readonly string[], at: number, node: string): void {
    for (const address of addresses) append(this.#bounces, address, { at, node })
  }

  settle({ id, domain, at }: Settle, node: string): void {
    append(this.#settles, `${id} ${domain}`, { at, node })
  }

  get promised(): number {
    return this.#promised.size
  }

  get delivered(): number {
    return this.#arrivals.size
  }

  open(): readonly string[] {
    return [...this.#promised.keys()].filter((address) => !this.#arrivals.has(address) && !this.#bounces.has(address))
  }

  report(): ClusterLedgerReport {
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

  #repeated(
    arrivals: ReadonlyMap<string, readonly Arrival[]>,
    kind: ClusterDuplicate['kind'],
  ): readonly ClusterDuplicate[] {
    return [...arrivals].flatMap(([address, all]) =>
      all.slice(1).flatMap((later, index) => {
        const earlier = all[index]
        return earlier === undefined ? [] : [this.#duplicate({ address, kind }, earlier, later)]
      }),
    )
  }

  #duplicate(of: Pick<ClusterDuplicate, 'address' | 'kind'>, earlier: Arrival, later: Arrival): ClusterDuplicate {
    const settles = this.#settlesOf(of, earlier, later.at)
    const until = settles[0] ?? later.at
    const kept = this.#disturbances.keptFromSettling(earlier.node, { from: earlier.at, until })
    return {
      ...of,
      cause: this.#cause({ later, settledAt: settles[0], kept: kept?.kind }),
      gapMs: Math.max(0, (kept?.at ?? later.at) - earlier.at),
      nodes: [earlier.node, later.node],
      laterMs: later.at - earlier.at,
      settledMs: settles.map((at) => at - earlier.at),
    }
  }

  #cause(seen: {
    readonly later: Arrival
    readonly settledAt: number | undefined
    readonly kept: Excuse | undefined
  }): ClusterDuplicate['cause'] {
    const { later, settledAt, kept } = seen
    const pause = { at: later.at, pauseMs: LEASE_LEFT_MS_MIN, withinMs: AFTER_PAUSE_MS }
    if (this.#disturbances.backFrom(later.node, pause)) return 'pause-beyond-lease'
    if (settledAt === undefined) return kept ?? 'undisturbed'
    // The lease had ended and the other node was at it when the first one could settle at last.
    return kept !== undefined && later.at - settledAt < TRANSACTION_MS_MAX ? 'settled-late' : 'settled-before'
  }

  /**
   * When the life that delivered it said that it is settled: another one settles what it delivered itself. Of a
   * notification we know the time, but not its own queue id.
   */
  #settlesOf(
    { address, kind }: Pick<ClusterDuplicate, 'address' | 'kind'>,
    earlier: Arrival,
    until: number,
  ): readonly number[] {
    if (kind === 'bounce') return []
    const domain = address.slice(address.lastIndexOf('@') + 1)
    const settles = this.#settles.get(`${this.#promised.get(address) ?? ''} ${domain}`) ?? []
    return settles
      .filter(({ at, node }) => at > earlier.at && at < until && node === earlier.node)
      .filter(({ at, node }) => !this.#disturbances.diedBetween(node, earlier.at, at))
      .map(({ at }) => at)
  }
}

function append<V>(map: Map<string, V[]>, key: string, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
