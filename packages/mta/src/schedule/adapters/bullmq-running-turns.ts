/**
 * The turns that this node runs now: which of them move something, and which asked for one more worker lately.
 * Knows no Redis.
 */
import type { TurnName } from './bullmq-due.ts'

/** A turn that has moved nothing for this long counts as without progress. */
const PROGRESS_WINDOW_MS = 30_000

export interface RunningTurn {
  readonly beganAt: number
  /** The lane made progress lately: its turn is believed to, at first. */
  knownToMove: boolean
  /** Monotonic ms. */
  progressedAt: number | undefined
}

export class RunningTurns {
  readonly #monotonic: () => number
  readonly #turns = new Map<string, { readonly name: TurnName; readonly turn: RunningTurn }>()
  /** `lane#slot` → when it was asked for. */
  readonly #asked = new Map<string, number>()

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
  }

  get size(): number {
    return this.#turns.size
  }

  begin(name: TurnName): RunningTurn {
    const turn = { beganAt: this.#monotonic(), knownToMove: false, progressedAt: undefined }
    this.#turns.set(name.token, { name, turn })
    return turn
  }

  end({ token }: TurnName): void {
    this.#turns.delete(token)
    if (this.#turns.size === 0) this.#asked.clear()
  }

  has(name: TurnName | undefined): boolean {
    return name !== undefined && this.#turns.has(name.token)
  }

  names(): readonly TurnName[] {
    return [...this.#turns.values()].map(({ name }) => name)
  }

  /** True when that is news to the other nodes. */
  progressed({ token }: TurnName): boolean {
    const turn = this.#turns.get(token)?.turn
    if (turn === undefined) return false
    const news = !turn.knownToMove
    turn.progressedAt = this.#monotonic()
    turn.knownToMove = true
    return news
  }

  /** Moves something, or may still be expected to. */
  moves({ token }: TurnName): boolean {
    const turn = this.#turns.get(token)?.turn
    if (turn === undefined || !turn.knownToMove) return false
    const moves = this.#monotonic() - (turn.progressedAt ?? turn.beganAt) < PROGRESS_WINDOW_MS
    turn.knownToMove = moves
    return moves
  }

  mayWakeAnother(lane: string, slot: number, everyMs: number): boolean {
    const now = this.#monotonic()
    const asked = this.#asked.get(`${lane}#${slot}`)
    if (asked !== undefined && now - asked < everyMs) return false
    this.#asked.set(`${lane}#${slot}`, now)
    return true
  }
}
