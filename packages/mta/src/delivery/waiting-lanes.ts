/**
 * Lanes that wait for their site: for a permit, or for their place under its rate. A lane is woken for every message
 * that arrives, so that a waiting one must know by itself that asking again is useless; it asks again when the permit's
 * call came, or after a while. Lanes whose mail has gone meanwhile are forgotten.
 */
import type { Permit, Permits, SiteId } from '../limits/permits.ts'
import type { LaneId } from './lane.ts'

export interface WaitingLanesOptions {
  readonly permits: Permits
  readonly wake: (lane: LaneId) => void
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
  /** Who tells operators of all threads hears of each; absent: nobody else does. */
  readonly tell?: ((news: WaitNews) => void) | undefined
}

/** `wait` absent: the lane waits no more. */
export interface WaitNews {
  readonly lane: LaneId
  readonly wait?: LaneWait & { readonly ms: number }
}

/** Which limit of its site a lane waits for. */
export interface LaneWait {
  readonly site: SiteId
  readonly limit: 'connections' | 'rate'
}

/** A call can be lost with the lane that got it; nobody waits longer than this. */
export const PARKED_MS = 5_000
/** A lane with mail asks again soon after its time; one that has not for this long has none. */
const FORGOTTEN_MS = 60_000

/** Every answer of a busy site would ask for one more worker; so often a full one is asked in vain. */
const FULL_MS = 250
const FULL_SITES_MAX = 10_000

interface Waiting extends LaneWait {
  readonly until: number
  readonly onFree: () => void
}

export class WaitingLanes {
  readonly #options: WaitingLanesOptions
  /** In the order in which they began to wait, or went on to. */
  readonly #waiting = new Map<LaneId, Waiting>()

  /** Sites that had no permit for one more worker, until when that is believed (monotonic). */
  readonly #full = new Map<SiteId, number>()

  constructor(options: WaitingLanesOptions) {
    this.#options = options
  }

  /** Lanes that are remembered. */
  get size(): number {
    return this.#waiting.size
  }

  /** How long the lane still has to wait; 0 when it may ask. */
  remainingMs(lane: LaneId): number {
    const until = this.#waiting.get(lane)?.until ?? 0
    return Math.max(0, until - this.#options.monotonic())
  }

  /** What the lane waits for now. */
  waitOf(lane: LaneId): LaneWait | undefined {
    const waiting = this.#waiting.get(lane)
    if (waiting === undefined || this.remainingMs(lane) === 0) return undefined
    return { site: waiting.site, limit: waiting.limit }
  }

  /** Lanes that wait now, for each limit. */
  counts(): Readonly<Record<LaneWait['limit'], number>> {
    this.#forgetOld()
    const now = this.#options.monotonic()
    const counts = { connections: 0, rate: 0 }
    for (const { limit, until } of this.#waiting.values()) if (until > now) counts[limit] += 1
    return counts
  }

  /** A permit, or undefined: then the lane waits, unless it only wanted one more worker. */
  async acquire(lane: LaneId, site: SiteId, options: { readonly wait: boolean }): Promise<Permit | undefined> {
    const { permits } = this.#options
    if (!options.wait) return this.#another(site)
    const onFree = this.#waiting.get(lane)?.onFree ?? (() => this.#called(lane))
    const permit = await permits.acquire(site, onFree, lane)
    if (permit !== undefined) {
      this.#waitsNoMore(lane)
      return permit
    }
    this.#wait(lane, { site, limit: 'connections', ms: PARKED_MS, onFree })
    return undefined
  }

  /** Its site takes nothing more for so long. */
  pause(lane: LaneId, site: SiteId, ms: number): void {
    const onFree = this.#waiting.get(lane)?.onFree ?? (() => this.#called(lane))
    this.#wait(lane, { site, limit: 'rate', ms, onFree })
  }

  /** In another thread. */
  heard({ lane, wait }: WaitNews): void {
    if (wait === undefined) this.#waiting.delete(lane)
    else this.#wait(lane, { ...wait, onFree: () => undefined })
  }

  /** Is it worth asking for one more worker? Not right after one was refused. */
  hasRoom(site: SiteId | undefined): boolean {
    const full = site === undefined ? undefined : this.#full.get(site)
    if (site === undefined || full === undefined) return true
    if (this.#options.monotonic() < full) return false
    this.#full.delete(site)
    return true
  }

  async #another(site: SiteId): Promise<Permit | undefined> {
    const permit = await this.#options.permits.acquire(site)
    if (permit === undefined && this.#full.size < FULL_SITES_MAX)
      this.#full.set(site, this.#options.monotonic() + FULL_MS)
    return permit
  }

  #wait(lane: LaneId, { ms, ...waiting }: LaneWait & { readonly ms: number; readonly onFree: () => void }): void {
    this.#forgetOld()
    this.#waiting.delete(lane)
    this.#waiting.set(lane, { ...waiting, until: this.#options.monotonic() + ms })
    const { site, limit } = waiting
    this.#options.tell?.({ lane, wait: { site, limit, ms } })
  }

  #waitsNoMore(lane: LaneId): void {
    if (this.#waiting.delete(lane)) this.#options.tell?.({ lane })
  }

  /** From the front, so that each lane costs once; long waits only delay it. */
  #forgetOld(): void {
    const old = this.#options.monotonic() - FORGOTTEN_MS
    for (const [lane, { until }] of this.#waiting) {
      if (until > old) break
      this.#waiting.delete(lane)
    }
    const full = this.#options.monotonic()
    for (const [site, until] of this.#full) {
      if (until > full) break
      this.#full.delete(site)
    }
  }

  #called(lane: LaneId): void {
    this.#waitsNoMore(lane)
    this.#options.wake(lane)
  }
}
