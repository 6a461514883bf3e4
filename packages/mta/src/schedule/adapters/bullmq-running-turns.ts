/**
 * The turns that this node runs now: which of them move something, which are to yield to lanes that wait, and which asked
 * for one more worker lately. Knows no Redis.
 */
import { nextPatienceEnd, RunningTurn, type RunningTurnOptions, relieve } from '../running-turn.ts'
import type { TurnName } from './bullmq-due.ts'

export class RunningTurns {
  readonly #monotonic: () => number
  readonly #turns = new Map<string, { readonly name: TurnName; readonly turn: RunningTurn }>()
  /** `lane#slot` of each turn. */
  readonly #slots = new Set<string>()
  /** `lane#slot` → when it was asked for. */
  readonly #asked = new Map<string, number>()

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
  }

  get size(): number {
    return this.#turns.size
  }

  begin(name: TurnName, what: Omit<RunningTurnOptions, 'now'>): RunningTurn {
    const turn = new RunningTurn({ ...what, now: this.#monotonic() })
    this.#turns.set(name.token, { name, turn })
    this.#slots.add(`${name.lane}#${name.slot}`)
    return turn
  }

  end({ lane, slot, token }: TurnName): void {
    if (!this.#turns.delete(token)) return
    this.#slots.delete(`${lane}#${slot}`)
    if (this.#turns.size === 0) this.#asked.clear()
  }

  has(name: TurnName | undefined): boolean {
    return name !== undefined && this.#turns.has(name.token)
  }

  names(): readonly TurnName[] {
    return [...this.#turns.values()].map(({ name }) => name)
  }

  /** Those that move something, or may still be expected to. */
  moves({ token }: TurnName): boolean {
    return this.#turns.get(token)?.turn.moves(this.#monotonic()) ?? false
  }

  /** Asks those to yield whose time is over, for as many lanes as wait; answers when to look again, if ever. */
  relieve(waiting: number): number | undefined {
    const turns = [...this.#turns.values()].map(({ turn }) => turn)
    const now = this.#monotonic()
    relieve(turns, { waiting, now })
    const next = nextPatienceEnd(turns)
    return next === undefined ? undefined : Math.max(0, next - now)
  }

  /** Not one that runs here: it goes on as long as there is work, and its job would find it at work. */
  mayWakeAnother(lane: string, slot: number, everyMs: number): boolean {
    if (this.#slots.has(`${lane}#${slot}`)) return false
    const now = this.#monotonic()
    const asked = this.#asked.get(`${lane}#${slot}`)
    if (asked !== undefined && now - asked < everyMs) return false
    this.#asked.set(`${lane}#${slot}`, now)
    return true
  }
}
