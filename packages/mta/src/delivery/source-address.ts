/**
 * From which address of this machine a host is dialled, and by which name that address introduces itself (RFC 5321
 * §4.1.4). A lane has a pool or leaves the choice to the system; a pool's addresses take turns, per family. An address
 * that turns out not to be on this machine is set aside for a while, and the others go on.
 */
import { type Family, familyOf } from './dial-order.ts'

export interface SourceAddress {
  readonly address: string
  /** In EHLO: a domain name in A-labels or an address literal. */
  readonly hostname: string
}

export interface SourcePool {
  readonly name: string
  readonly addresses: readonly SourceAddress[]
}

/** The pool of mail for which nothing else is said. */
export const DEFAULT_POOL = 'default'

/** Undefined: such mail leaves from wherever the system chooses. */
export function defaultPool(pools: readonly SourcePool[] = []): string | undefined {
  return pools.some(({ name }) => name === DEFAULT_POOL) ? DEFAULT_POOL : undefined
}

/** Interfaces come and go; a wrong address costs one failed call in this time. */
const ASIDE_MS = 60_000

export type Choice =
  /** The system's own. */
  | { readonly kind: 'any' }
  | { readonly kind: 'source'; readonly source: SourceAddress }
  /** The pool has no address of this family that is on this machine. */
  | { readonly kind: 'none' }

const ANY: Choice = { kind: 'any' }
const NONE: Choice = { kind: 'none' }

export interface SourceAddressesOptions {
  readonly pools?: readonly SourcePool[] | undefined
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
}

export class SourceAddresses {
  readonly #monotonic: () => number
  readonly #pools: ReadonlyMap<string, Readonly<Record<Family, readonly SourceAddress[]>>>
  readonly #turns = new Map<string, number>()
  /** Until when. */
  readonly #aside = new Map<string, number>()

  constructor({ pools = [], monotonic }: SourceAddressesOptions) {
    this.#monotonic = monotonic
    this.#pools = new Map(pools.map(({ name, addresses }) => [name, byFamily(addresses)]))
  }

  /** The next one in turn. */
  choose(pool: string | undefined, family: Family): Choice {
    if (pool === undefined) return ANY
    const usable = this.usable(pool, family)
    const key = `${pool}/${family}`
    const turn = this.#turns.get(key) ?? 0
    const source = usable[turn % usable.length]
    if (source === undefined) return NONE
    this.#turns.set(key, (turn + 1) % usable.length)
    return { kind: 'source', source }
  }

  /** Changes nothing: for whoever wants to tell. A pool that the configuration does not have any more has none. */
  usable(pool: string, family: Family): readonly SourceAddress[] {
    const addresses = this.#pools.get(pool)?.[family] ?? []
    if (this.#aside.size === 0) return addresses
    const now = this.#monotonic()
    return addresses.filter(({ address }) => (this.#aside.get(address) ?? Number.NEGATIVE_INFINITY) <= now)
  }

  /** The system does not know it. */
  setAside({ address }: SourceAddress): void {
    this.#aside.set(address, this.#monotonic() + ASIDE_MS)
  }
}

function byFamily(addresses: readonly SourceAddress[]): Readonly<Record<Family, readonly SourceAddress[]>> {
  const of = (family: Family) => addresses.filter(({ address }) => familyOf(address) === family)
  return { 4: of(4), 6: of(6) }
}
