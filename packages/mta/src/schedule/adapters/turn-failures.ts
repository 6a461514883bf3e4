/**
 * How long a lane rests after turns that threw: doubled each time in a row. Pure but for what it remembers.
 */
import type { LaneId } from '../../delivery/lane.ts'

const RETRY_MS = 500
const RETRY_MS_MAX = 30_000
const LANES_MAX = 10_000

export class TurnFailures {
  readonly #inARow = new Map<LaneId, number>()

  retryInMs(lane: LaneId): number {
    const before = this.#inARow.get(lane) ?? 0
    if (this.#inARow.size < LANES_MAX) this.#inARow.set(lane, before + 1)
    return Math.min(RETRY_MS * 2 ** before, RETRY_MS_MAX)
  }

  forget(lane: LaneId): void {
    this.#inARow.delete(lane)
  }
}
