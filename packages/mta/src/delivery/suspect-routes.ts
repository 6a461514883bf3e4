/**
 * Routes on their way into the child process that delivers one suspect: plain values, because a secret does not cross
 * a process by itself, and no password but that of the lane that the child delivers. Pure.
 */
import { Secret } from '../config/secret.ts'
import { type LaneId, laneId } from './lane.ts'
import { NO_ROUTES, type Route, type RouteTable, routeTable } from './route.ts'

export interface TravellingRoute extends Omit<Route, 'access'> {
  readonly tls: Route['access']['tls']
  readonly login?: { readonly username: string; readonly password: string }
}

export function travellingRoutes({ routes }: RouteTable = NO_ROUTES, wanted: LaneId): readonly TravellingRoute[] {
  return routes.map(({ domain, lane, access: { tls, credentials } }) => {
    if (credentials === undefined || laneId(lane) !== wanted) return { domain, lane, tls }
    const { username, password } = credentials
    return { domain, lane, tls, login: { username, password: password.reveal() } }
  })
}

export function arrivedRoutes(routes: readonly TravellingRoute[]): RouteTable {
  return routeTable(
    routes.map(({ domain, lane, tls, login }) => {
      if (login === undefined) return { domain, lane, access: { tls } }
      const { username, password } = login
      return { domain, lane, access: { tls, credentials: { username, password: new Secret(password) } } }
    }),
  )
}
