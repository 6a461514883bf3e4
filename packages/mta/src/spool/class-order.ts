/**
 * In which order the classes of one lane are claimed: highest first, and every eighth time that a lower one was left
 * waiting, one of these first, so that it still moves. In memory only, and bounded.
 */
import type { LaneId } from '../delivery/lane.ts'

/** Claims of a lane between two that begin with a lower class. */
const TURNED_EVERY = 8
const LANES_MAX = 10_000

export class ClassOrder {
  /** Numbers of classes, the highest first. */
  readonly #classes: readonly number[]
  /** Lane → claims in a row that left a class waiting. */
  readonly #left = new Map<LaneId, number>()

  constructor(classes: readonly number[]) {
    this.#classes = classes
  }

  of(lane: LaneId): readonly number[] {
    const left = this.#left.get(lane) ?? 0
    if (left % TURNED_EVERY !== TURNED_EVERY - 1) return this.#classes
    const lower = this.#classes.slice(1)
    const first = lower[Math.floor(left / TURNED_EVERY) % lower.length]
    return first === undefined ? this.#classes : [first, ...this.#classes.filter((one) => one !== first)]
  }

  /** A claim was full before it came to every class; does one of the others wait? */
  served(lane: LaneId, isWaiting: boolean): void {
    const left = this.#left.get(lane)
    if (left !== undefined) this.#left.delete(lane)
    if (!isWaiting) return
    if (this.#left.size >= LANES_MAX) {
      for (const oldest of this.#left.keys()) {
        this.#left.delete(oldest)
        break
      }
    }
    this.#left.set(lane, (left ?? 0) + 1)
  }
}
