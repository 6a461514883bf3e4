/**
 * Lanes that rest because nobody of their next hop could be talked to (SMTP-55), as operators are told of them: why, and
 * until when. The scheduler knows the times and nothing else, so this listens to what delivery tells. In memory only.
 *
 * It decides nothing: a rest that an order ended is shown until mail moves or its time is over.
 */
import type { DeliveryEvent } from './events.ts'
import type { LaneId } from './lane.ts'
import { routeOfLogin } from './login-breaker.ts'
import type { DeliveryProblem } from './outcome.ts'

export interface LaneRest {
  readonly problem: DeliveryProblem
  /** UTC milliseconds. */
  readonly until: number
}

/** As many as lanes whose failures are remembered. */
const REMEMBERED_MAX = 10_000

export class RestingLanes {
  readonly #now: () => number
  readonly #rests = new Map<LaneId, LaneRest>()

  constructor(now: () => number) {
    this.#now = now
  }

  heard(event: RestNews): void {
    switch (event.event) {
      case 'next-hop-failed':
        this.#rests.delete(event.lane)
        if (event.backoffUntil !== undefined)
          this.#rest(event.lane, { problem: event.problem, until: event.backoffUntil })
        return
      case 'message-settled':
        if (event.summary.delivered > 0) this.#rests.delete(event.lane)
        return
      case 'route-reopened':
        for (const lane of this.#rests.keys()) if (routeOfLogin(lane) === event.route) this.#rests.delete(lane)
    }
  }

  restOf(lane: LaneId): LaneRest | undefined {
    const rest = this.#rests.get(lane)
    if (rest === undefined || rest.until > this.#now()) return rest
    this.#rests.delete(lane)
    return undefined
  }

  #rest(lane: LaneId, rest: LaneRest): void {
    if (this.#rests.size >= REMEMBERED_MAX) {
      for (const oldest of this.#rests.keys()) {
        this.#rests.delete(oldest)
        break
      }
    }
    this.#rests.set(lane, rest)
  }
}

type RestNews = Extract<DeliveryEvent, { readonly event: 'next-hop-failed' | 'message-settled' | 'route-reopened' }>

export function isRestNews(event: { readonly event: string }): event is RestNews {
  return event.event === 'next-hop-failed' || event.event === 'message-settled' || event.event === 'route-reopened'
}
