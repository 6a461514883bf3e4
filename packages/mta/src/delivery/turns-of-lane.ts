/**
 * The turns that this process runs on each lane, and what their claims say of what is still due: is another worker worth
 * its while? A claim that was not full took everything, whatever an earlier one has left to believe. No clock, no effects.
 */
import type { LaneId } from './lane.ts'

interface LaneTurn {
  /** Its claim is under way, or still to come. */
  asks: boolean
  /** Its last claim was full, and none of the lane has found less since. */
  leftMore: boolean
}

export class TurnsOfLanes {
  readonly #lanes = new Map<LaneId, Set<LaneTurn>>()

  begin(lane: LaneId): TurnOfLane {
    const turns = this.#lanes.get(lane) ?? new Set()
    this.#lanes.set(lane, turns)
    return new TurnOfLane(turns, () => {
      if (turns.size === 0 && this.#lanes.get(lane) === turns) this.#lanes.delete(lane)
    })
  }

  /** Lanes with a turn. */
  get size(): number {
    return this.#lanes.size
  }
}

export class TurnOfLane {
  readonly #turns: Set<LaneTurn>
  readonly #own: LaneTurn = { asks: true, leftMore: false }
  readonly #onEnd: () => void

  constructor(turns: Set<LaneTurn>, onEnd: () => void) {
    this.#turns = turns
    this.#onEnd = onEnd
    turns.add(this.#own)
  }

  asks(): void {
    this.#own.asks = true
  }

  /** `full`: as many as were asked for. */
  claimed(full: boolean): void {
    this.#own.asks = false
    this.#own.leftMore = full
    if (full) return
    for (const turn of this.#turns) turn.leftMore = false
  }

  /** More is due than the lane's turns have, and none of them is about to find out how much. */
  get wantsAnother(): boolean {
    if (!this.#own.leftMore) return false
    for (const { asks } of this.#turns) if (asks) return false
    return true
  }

  end(): void {
    this.#turns.delete(this.#own)
    this.#onEnd()
  }
}
