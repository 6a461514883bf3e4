/**
 * Who holds which delivery: leases in memory (architecture §3, claims are in memory), with the position in each
 * lane up to which everything is held, so that a claim never walks over what is in flight. Pure of storage and
 * clocks; memory is bounded by what is in flight.
 */
import type { LaneId } from '../../delivery/lane.ts'
import type { QueueId } from '../queue-id.ts'
import type { ClaimToken } from '../spool.ts'

/** Where a delivery stands in its lane's order. */
export interface Position {
  /** Number of its class: each is in an order of its own. */
  readonly ofClass: number
  readonly dueAt: number
  readonly row: number
}

export interface Lease {
  readonly token: ClaimToken
  readonly message: QueueId
  readonly lane: LaneId
  readonly at: Position
  untilMono: number
  /** Its time ended; it still counts until somebody takes over. */
  lapsed: boolean
}

interface HeldLane {
  held: number
  /** By number of class. */
  readonly upTo: (Position | undefined)[]
}

export class Leases {
  readonly #byRow = new Map<number, Lease>()
  readonly #lanes = new Map<LaneId, HeldLane>()
  #nextLapse = Number.POSITIVE_INFINITY

  grant(lease: Omit<Lease, 'lapsed'>): void {
    this.drop(lease.at.row)
    this.#byRow.set(lease.at.row, { ...lease, lapsed: false })
    this.#nextLapse = Math.min(this.#nextLapse, lease.untilMono)
    const lane = this.#lanes.get(lease.lane)
    if (lane === undefined) this.#lanes.set(lease.lane, { held: 1, upTo: [] })
    else lane.held += 1
  }

  /** The last to whom the delivery was given, also when the lease has lapsed since. */
  holder(row: number): Lease | undefined {
    return this.#byRow.get(row)
  }

  isHeld(row: number): boolean {
    return this.#byRow.get(row)?.lapsed === false
  }

  holds(lane: LaneId): boolean {
    return this.#lanes.has(lane)
  }

  /** Everything of this class that is queued in the lane up to here is held. */
  upTo(lane: LaneId, ofClass: number): Position {
    return this.#lanes.get(lane)?.upTo[ofClass] ?? { ofClass, dueAt: Number.MIN_SAFE_INTEGER, row: -1 }
  }

  advance(lane: LaneId, upTo: Position): void {
    const state = this.#lanes.get(lane)
    if (state !== undefined) state.upTo[upTo.ofClass] = upTo
  }

  /** Something in the lane may be free from this time on. */
  lower(lane: LaneId, dueAt: number): void {
    const state = this.#lanes.get(lane)
    for (const [ofClass, upTo] of state?.upTo.entries() ?? [])
      if (upTo !== undefined && dueAt <= upTo.dueAt) state?.upTo.splice(ofClass, 1, { ofClass, dueAt, row: -1 })
  }

  /** False when the lease is no longer the caller's. */
  renew(token: ClaimToken, untilMono: number): boolean {
    const named = parseToken(token)
    const lease = named === undefined ? undefined : this.holder(named.row)
    if (lease === undefined || lease.token !== token || lease.lapsed) return false
    lease.untilMono = untilMono
    return true
  }

  drop(row: number): Lease | undefined {
    const lease = this.#byRow.get(row)
    if (lease === undefined) return undefined
    this.#byRow.delete(row)
    if (!lease.lapsed) this.#freed(lease)
    return lease
  }

  /** Lets leases whose time has ended lapse; cheap while none can have. */
  lapse(mono: number): void {
    if (mono < this.#nextLapse) return
    this.#nextLapse = Number.POSITIVE_INFINITY
    for (const lease of this.#byRow.values()) {
      if (lease.lapsed) continue
      if (lease.untilMono > mono) {
        this.#nextLapse = Math.min(this.#nextLapse, lease.untilMono)
        continue
      }
      lease.lapsed = true
      this.#freed(lease)
    }
  }

  #freed(lease: Lease): void {
    this.lower(lease.lane, lease.at.dueAt)
    const lane = this.#lanes.get(lease.lane)
    if (lane === undefined) return
    lane.held -= 1
    if (lane.held === 0) this.#lanes.delete(lease.lane)
  }
}

const TOKEN = /^([0-9a-f-]{36})\/(\d{1,16})\/[0-9a-z.]+$/

/** Row numbers come again after a restart, so a token names its message too. */
export function formatToken(message: QueueId, row: number, serial: string): ClaimToken {
  return `${message}/${row}/${serial}` as ClaimToken
}

/** The delivery that a token names; the token itself proves nothing. */
export function parseToken(token: ClaimToken): { readonly message: QueueId; readonly row: number } | undefined {
  const [, message, row] = TOKEN.exec(token) ?? []
  return message === undefined ? undefined : { message: message as QueueId, row: Number(row) }
}
