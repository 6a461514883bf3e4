/**
 * A table of routes whose content can be exchanged while everybody who asks it keeps holding it. Mail that waits moves
 * where it is routed at its next attempt (`settlement.ts`).
 */

import type { LaneId } from './lane.ts'
import type { Route, RouteAccess } from './route.ts'
import type { RouteIndex } from './route-choice.ts'
import type { RouteTable } from './routing.ts'

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

  get usual(): RouteIndex {
    return this.#current.usual
  }

  get fallbacks(): RouteIndex {
    return this.#current.fallbacks
  }

  get access(): ReadonlyMap<LaneId, RouteAccess> {
    return this.#current.access
  }
}
