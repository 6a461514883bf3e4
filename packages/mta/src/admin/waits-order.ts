/**
 * The order `waits` over `admin.sock`: what each lane waits for in the running relay, and the client's side of it. Other
 * relays of the queue have their own reasons.
 */
import { err, ok } from '@hermetic/policy'
import { type LaneId, parseLaneId } from '../delivery/lane.ts'
import type { LaneRest } from '../delivery/resting-lanes.ts'
import type { LimitReport } from '../limits/limit-report.ts'
import type { Ask, ControlOrder } from './control-order.ts'
import { fieldsOf } from './control-protocol.ts'

/** By lane; lanes that wait for nothing are not in it. */
export type Waits = Readonly<Record<string, LaneWaits>>

/** All that keeps the mail of a lane from being tried here. */
export interface LaneWaits {
  /** Of its site. */
  readonly limit?: LimitReport
  /** The smarthost refuses our login; `until`: UTC milliseconds of the next attempt. */
  readonly suspended?: { readonly said: string; readonly until: number }
  /** Nobody of its next hop could be talked to. */
  readonly resting?: LaneRest
  /** This relay drains, by order, or stops. */
  readonly phase?: 'draining' | 'stopping'
}

/** More lanes than a message has recipients. */
const LANES_MAX = 10_000
/** A lane of the longest names has some 400 octets, and a request `REQUEST_BYTES_MAX`. */
const LANES_PER_REQUEST = 250

export function waitsOrder(waitOf: (lane: LaneId) => LaneWaits = () => ({})): ControlOrder {
  return {
    path: '/waits',
    role: 'read',
    parse: (body) => {
      const fields = fieldsOf(body, ['lanes'])
      if (!fields.ok) return fields
      const { lanes } = fields.value
      if (!Array.isArray(lanes) || lanes.length > LANES_MAX) return err(`lanes: not a list of at most ${LANES_MAX}`)
      const known = lanes.filter((lane): lane is LaneId => typeof lane === 'string' && parseLaneId(lane) !== undefined)
      return ok(async () => {
        const waits = known.map((lane) => [lane, waitOf(lane)] as const)
        return Object.fromEntries(waits.filter(([, reasons]) => Object.keys(reasons).length > 0))
      })
    },
  }
}

export type AskWaits = (lanes: readonly string[]) => Promise<Waits>

/** The running relay's, for the command line. */
export function waitsClient(ask: Ask): AskWaits {
  return async (lanes) => {
    const known: Record<string, LaneWaits> = {}
    for (let at = 0; at < Math.min(lanes.length, LANES_MAX); at += LANES_PER_REQUEST) {
      Object.assign(known, await ask<Waits>('/waits', { lanes: lanes.slice(at, at + LANES_PER_REQUEST) }))
    }
    return known
  }
}
