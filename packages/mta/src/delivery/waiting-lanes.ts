/**
 * Lanes that wait for a permit of their site. A lane is woken for every message that arrives, so that a waiting one
 * must know by itself that asking again is useless; it asks again when the permit's call came, or after a while.
 */
import type { Permit, Permits, SiteId } from '../limits/permits.ts'
import type { LaneId } from './lane.ts'

export interface WaitingLanesOptions {
  readonly permits: Permits
  readonly wake: (lane: LaneId) => void
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
}

/** A call can be lost with the lane that got it; nobody waits longer than this. */
export const PARKED_MS = 5_000

/** Every answer of a busy site would ask for one more worker; so often a full one is asked in vain. */
const FULL_MS = 250
const FULL_SITES_MAX = 10_000

export class WaitingLanes {
  readonly #options: WaitingLanesOptions
  readonly #waiting = new Map<LaneId, { until: number; readonly onFree: () => void }>()

  /** Sites that had no permit for one more worker, until when that is believed (monotonic). */
  readonly #full = new Map<SiteId, number>()

  constructor(options: WaitingLanesOptions) {
    this.#options = options
  }

  /** How long the lane still has to wait; 0 when it may ask. */
  remainingMs(lane: LaneId): number {
    const until = this.#waiting.get(lane)?.until ?? 0
    return Math.max(0, until - this.#options.monotonic())
  }

  /** A permit, or undefined: then the lane waits, unless it only wanted one more worker. */
  async acquire(lane: LaneId, site: SiteId, options: { readonly wait: boolean }): Promise<Permit | undefined> {
    const { permits, monotonic } = this.#options
    if (!options.wait) return this.#another(site)
    const entry = this.#waiting.get(lane) ?? { until: 0, onFree: () => this.#called(lane) }
    const permit = await permits.acquire(site, entry.onFree, lane)
    if (permit !== undefined) {
      this.#waiting.delete(lane)
      return permit
    }
    entry.until = monotonic() + PARKED_MS
    this.#waiting.set(lane, entry)
    return undefined
  }

  /** Its site takes nothing more for so long. */
  pause(lane: LaneId, ms: number): void {
    const entry = this.#waiting.get(lane) ?? { until: 0, onFree: () => this.#called(lane) }
    entry.until = this.#options.monotonic() + ms
    this.#waiting.set(lane, entry)
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

  #called(lane: LaneId): void {
    this.#waiting.delete(lane)
    this.#options.wake(lane)
  }
}
