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

export class WaitingLanes {
  readonly #options: WaitingLanesOptions
  readonly #waiting = new Map<LaneId, { until: number; readonly onFree: () => void }>()

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
    if (!options.wait) return permits.acquire(site)
    const entry = this.#waiting.get(lane) ?? { until: 0, onFree: () => this.#called(lane) }
    const permit = await permits.acquire(site, entry.onFree)
    if (permit !== undefined) {
      this.#waiting.delete(lane)
      return permit
    }
    entry.until = monotonic() + PARKED_MS
    this.#waiting.set(lane, entry)
    return undefined
  }

  #called(lane: LaneId): void {
    this.#waiting.delete(lane)
    this.#options.wake(lane)
  }
}
