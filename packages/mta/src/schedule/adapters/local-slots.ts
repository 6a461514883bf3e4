/**
 * Who gets the next free slot of this process: the lanes that wait, the turns that run, and the shares of the slots that
 * lanes without progress, silent lanes and ordinary mail may have (architecture §3). Starts nothing; takes time as an
 * argument.
 */
import type { LaneId } from '../../delivery/lane.ts'
import { nextPatienceEnd, RunningTurn, relieve, type SlotShares, slotShares } from '../running-turn.ts'
import { type LaneLine, type LaneRoom, ReadyLanes } from './ready-lanes.ts'

export interface StandingLane {
  readonly lane: LaneId
  /** Turns, since it last moved, in which no host said a word. */
  silences: number
  /** Mail of the top class is due. */
  urgent: boolean
}

/** Lanes that are known to move. */
const PROVEN_LANES_MAX = 10_000
/** Every so many slots a lane with ordinary mail comes first: much urgent mail does not stop the rest. */
const ORDINARY_EVERY = 8

export class LocalSlots<L extends StandingLane> {
  readonly #urgent = new ReadyLanes<L>()
  readonly #ordinary = new ReadyLanes<L>()
  readonly #turns = new Set<RunningTurn>()
  /** Lanes whose latest turns moved something; the oldest are forgotten first. */
  readonly #proven = new Set<LaneId>()
  #slots = 0
  #shares: SlotShares = slotShares(0)
  #taken = 0

  /** Turns that run. */
  get running(): number {
    return this.#turns.size
  }

  get isFull(): boolean {
    return this.#turns.size >= this.#slots
  }

  /** How many there are. */
  open(slots: number): void {
    this.#slots = slots
    this.#shares = slotShares(slots)
  }

  waits(lane: L): boolean {
    return this.#ordinary.has(lane) || this.#urgent.has(lane)
  }

  wait(lane: L): void {
    if (lane.urgent) this.#ordinary.remove(lane)
    const lanes = lane.urgent ? this.#urgent : this.#ordinary
    lanes.add(lane, this.#lineOf(lane))
  }

  leave(lane: L): void {
    this.#ordinary.remove(lane)
    this.#urgent.remove(lane)
  }

  /** The lane that is next, when there is a slot for it. */
  take(now: number): L | undefined {
    if (this.isFull) return undefined
    const room = this.#room(now)
    const ordinary = this.#hasOrdinaryRoom()
    const last = this.#taken % ORDINARY_EVERY === ORDINARY_EVERY - 1
    const lines = [this.#urgent, ...(ordinary ? [this.#ordinary] : [])]
    if (last) lines.reverse()
    for (const line of lines) {
      const lane = line.take(room)
      if (lane === undefined) continue
      this.#taken += 1
      return lane
    }
    return undefined
  }

  begin({ lane, silences, urgent }: L, now: number): RunningTurn {
    const turn = new RunningTurn({ now, silences, urgent, knownToMove: this.#proven.has(lane) })
    this.#turns.add(turn)
    return turn
  }

  end(lane: L, turn: RunningTurn, now: number): void {
    this.#turns.delete(turn)
    if (!turn.wasSilent(now)) return
    lane.silences += 1
    this.#proven.delete(lane.lane)
  }

  progressed(lane: L, turn: RunningTurn, now: number): void {
    turn.progressed(now)
    lane.silences = 0
    if (this.#proven.has(lane.lane)) return
    if (this.#proven.size >= PROVEN_LANES_MAX) {
      for (const oldest of this.#proven) {
        this.#proven.delete(oldest)
        break
      }
    }
    this.#proven.add(lane.lane)
    this.#ordinary.prove(lane)
    this.#urgent.prove(lane)
  }

  /** Nobody of its next hop could be talked to. */
  failed(lane: L): void {
    this.#proven.delete(lane.lane)
    this.leave(lane)
  }

  /** Would another lane have the slot of this turn? */
  othersWaiting(lane: L, turn: RunningTurn, now: number): boolean {
    if (!this.isFull && this.#hasOrdinaryRoom()) return false
    const isAlone = (lanes: ReadyLanes<L>): boolean => lanes.size === 0 || (lanes.size === 1 && lanes.has(lane))
    if (isAlone(this.#urgent) && isAlone(this.#ordinary)) return false
    const room = this.#room(now, turn)
    if (this.isFull && this.#urgent.waits(room)) return true
    return (this.isFull || !turn.urgent) && this.#hasOrdinaryRoom(turn) && this.#ordinary.waits(room)
  }

  /** Lanes without progress that wait for others of their kind. */
  get held(): number {
    return this.#urgent.held + this.#ordinary.held
  }

  relieve(now: number): void {
    relieve(this.#turns, { waiting: this.held, now })
  }

  /** When a turn is to yield to those that wait; undefined when nobody waits or no turn ever is. */
  nextRelief(): number | undefined {
    return this.held === 0 ? undefined : nextPatienceEnd(this.#turns)
  }

  #lineOf({ lane, silences }: L): LaneLine {
    if (this.#proven.has(lane)) return 'moving'
    return silences === 0 ? 'unknown' : 'silent'
  }

  #hasOrdinaryRoom(except?: RunningTurn): boolean {
    let ordinary = 0
    for (const turn of this.#turns) if (turn !== except && !turn.urgent) ordinary += 1
    return ordinary < this.#shares.ordinary
  }

  #room(now: number, except?: RunningTurn): LaneRoom {
    let [unproven, silent] = [0, 0]
    for (const turn of this.#turns) {
      if (turn === except || turn.moves(now)) continue
      unproven += 1
      if (turn.silences > 0) silent += 1
    }
    const unknown = unproven < this.#shares.unproven
    return { unknown, silent: unknown && silent < this.#shares.silent }
  }
}
