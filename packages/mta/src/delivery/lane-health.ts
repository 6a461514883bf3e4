/**
 * How often in a row a whole next hop has failed: its back-off grows with that (SMTP-55). Bounded; what is
 * forgotten starts again with a short back-off. In memory only: a restart is a reason to try.
 */
import type { LaneId } from './lane.ts'

const REMEMBERED_MAX = 10_000

export class LaneHealth {
  readonly #failures = new Map<LaneId, number>()

  /** Failures in a row, this one included. */
  failed(lane: LaneId): number {
    const failures = (this.#failures.get(lane) ?? 0) + 1
    this.#failures.delete(lane)
    if (this.#failures.size >= REMEMBERED_MAX) {
      for (const oldest of this.#failures.keys()) {
        this.#failures.delete(oldest)
        break
      }
    }
    this.#failures.set(lane, failures)
    return failures
  }

  answered(lane: LaneId): void {
    this.#failures.delete(lane)
  }
}
