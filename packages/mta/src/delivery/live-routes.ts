/**
 * A table of routes whose content can be exchanged while everybody who asks it keeps holding it. Mail that waits moves
 * where it is routed at its next attempt (`settlement.ts`).
 */

import type { LaneId } from './lane.ts'
import type { Route, RouteAccess, RouteTable } from './route.ts'

export class LiveRoutes implements RouteTable {
  #current: RouteTable

  constructor(first: RouteTable) {
    this.#current = first
  }

  replace(next: RouteTable): void {
    this.#current = next
  }

  get routes(): readonly Route[] {
    return this.#current.routes
  }

  get exact(): ReadonlyMap<string, LaneId> {
    return this.#current.exact
  }

  get below(): ReadonlyMap<string, LaneId> {
    return this.#current.below
  }

  get rest(): LaneId | undefined {
    return this.#current.rest
  }

  get access(): ReadonlyMap<LaneId, RouteAccess> {
    return this.#current.access
  }
}
