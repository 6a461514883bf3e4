/**
 * Addresses that did not answer a moment ago, so that the next message does not wait for them too (SMTP-55). Shared by all
 * lanes of this process, bounded, forgotten within minutes and at a restart: a memory, never a verdict.
 *
 * When its time is over one caller may dial and the others still pass by: a dead host costs one connection at a time,
 * however many lanes wait behind it. Who remembers what as dead is the caller's decision (`isDeath`, pure).
 */
import type { DeliveryCause } from './outcome.ts'

export interface DeadHostsOptions {
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
  /** The first silence; each further one in a row counts double, up to `longestMs`. Zero: nothing is remembered. */
  readonly forMs?: number
  readonly longestMs?: number
  /** How long the one who dials again may take. */
  readonly probeMs: number
  /** Others who dial in other threads hear of it; absent: there are none. */
  readonly tell?: ((news: HostNews) => void) | undefined
}

/** `death` absent: it answers again. */
export interface HostNews {
  readonly place: string
  readonly death?: Death
}

export interface Death {
  readonly cause: DeliveryCause
  /** UTC milliseconds of the connection that failed. */
  readonly at: number
}

interface Remembered {
  readonly death: Death
  readonly silences: number
  until: number
}

export const DEAD_HOST_MS = 60_000
const DEAD_HOST_MS_MAX = 300_000
const REMEMBERED_MAX = 10_000

export class DeadHosts {
  readonly #options: Required<Omit<DeadHostsOptions, 'tell'>>
  readonly #tell: (news: HostNews) => void
  /** In order of the last silence: the oldest is forgotten first. */
  readonly #known = new Map<string, Remembered>()

  constructor(options: DeadHostsOptions) {
    const { forMs = DEAD_HOST_MS, tell = () => undefined } = options
    this.#tell = tell
    this.#options = { forMs, longestMs: Math.max(DEAD_HOST_MS_MAX, forMs), ...options }
  }

  get size(): number {
    return this.#known.size
  }

  /** Undefined: dial it. Else why not, for now. */
  passBy(place: string): Death | undefined {
    const known = this.#known.get(place)
    if (known === undefined) return undefined
    const { monotonic, probeMs } = this.#options
    const now = monotonic()
    if (now < known.until) return known.death
    known.until = now + probeMs
    return undefined
  }

  /** As `passBy`, and changes nothing: for those who only want to tell. */
  seen(place: string): Death | undefined {
    const known = this.#known.get(place)
    return known !== undefined && this.#options.monotonic() < known.until ? known.death : undefined
  }

  died(place: string, death: Death): void {
    this.#remember(place, death)
    this.#tell({ place, death })
  }

  answered(place: string): void {
    if (this.#known.delete(place)) this.#tell({ place })
  }

  /** What another thread has found. */
  heard({ place, death }: HostNews): void {
    if (death === undefined) this.#known.delete(place)
    else this.#remember(place, death)
  }

  #remember(place: string, death: Death): void {
    const { monotonic, forMs, longestMs } = this.#options
    if (forMs === 0) return
    const silences = (this.#known.get(place)?.silences ?? 0) + 1
    this.#known.delete(place)
    if (this.#known.size >= REMEMBERED_MAX) this.#forgetOldest()
    const until = monotonic() + Math.min(forMs * 2 ** Math.min(silences - 1, DOUBLINGS_MAX), longestMs)
    this.#known.set(place, { death, silences, until })
  }

  clear(): void {
    this.#known.clear()
  }

  #forgetOldest(): void {
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest)
      return
    }
  }
}

/** Enough to pass any longest time, few enough for a number. */
const DOUBLINGS_MAX = 30

/** What is silent to the addresses of one source pool may answer those of another. */
export function placeOf(to: {
  readonly address: string
  readonly port: number
  readonly pool?: string | undefined
}): string {
  return `${to.pool ?? ''}>${to.address}:${to.port}`
}

/** Nobody is there, or nobody greets. What is wrong on our side says nothing about the host. */
export function isDeath(cause: DeliveryCause): boolean {
  if (cause.kind === 'timeout') return cause.phase === 'connect' || cause.phase === 'greeting'
  return cause.kind === 'connect-failed' && OF_THE_HOST.has(cause.code)
}

const OF_THE_HOST: ReadonlySet<string> = new Set(['ECONNREFUSED', 'EHOSTDOWN', 'EHOSTUNREACH', 'ETIMEDOUT'])
