/** The turns that this thread was given: each with a context that the owner's scheduler stands behind. */
import type { LaneId } from '../delivery/lane.ts'
import type { Turn, TurnEnd } from '../schedule/lane-scheduler.ts'
import type { SaidByOwner, SaidByThread } from './protocol.ts'
import type { Room } from './room.ts'

export interface GivenTurn {
  readonly turn: number
  readonly lane: LaneId
  readonly slot: number
}

/** Progress counts for half a minute; said more often it would only fill the port. */
const PROGRESS_EVERY_MS = 1_000
/** An answer of a busy host asks for one more worker; the owner need not hear of each. */
const ANOTHER_EVERY_MS = 20

export class TurnsHere {
  readonly #room: Room<SaidByThread, SaidByOwner>
  readonly #monotonic: () => number
  readonly #aborts = new Map<number, { readonly stop: AbortController; readonly others: AbortController }>()
  #waitedFor: ReadonlySet<number> = new Set()

  constructor(room: Room<SaidByThread, SaidByOwner>, monotonic: () => number) {
    this.#room = room
    this.#monotonic = monotonic
  }

  async run(given: GivenTurn, turn: Turn): Promise<TurnEnd> {
    const [stop, others] = [new AbortController(), new AbortController()]
    this.#aborts.set(given.turn, { stop, others })
    try {
      return await turn(given.lane, {
        slot: given.slot,
        signal: stop.signal,
        yielding: others.signal,
        othersWaiting: () => this.#waitedFor.has(given.turn),
        wakeAnother: this.#notMoreOften(ANOTHER_EVERY_MS, () => this.#room.tell('wake-another', { turn: given.turn })),
        heard: this.#notMoreOften(PROGRESS_EVERY_MS, () => this.#room.tell('heard', { turn: given.turn })),
        progressed: this.#notMoreOften(PROGRESS_EVERY_MS, () => this.#room.tell('progressed', { turn: given.turn })),
      })
    } finally {
      this.#aborts.delete(given.turn)
    }
  }

  abort(turn: number): void {
    this.#aborts.get(turn)?.stop.abort()
  }

  askToYield(turn: number): void {
    this.#aborts.get(turn)?.others.abort()
  }

  /** Another lane waits for the slots of these turns, and of no others. */
  waitedFor(turns: readonly number[]): void {
    this.#waitedFor = new Set(turns)
  }

  #notMoreOften(everyMs: number, say: () => void): () => void {
    let saidAt = Number.NEGATIVE_INFINITY
    return () => {
      const now = this.#monotonic()
      if (now - saidAt < everyMs) return
      saidAt = now
      say()
    }
  }
}
