/**
 * Routes on their way into the child process that delivers one suspect: plain values, because a secret does not cross
 * a process by itself, and no password but that of the lane that the child delivers. Pure.
 */
import { Secret } from '../config/secret.ts'
import { type LaneId, laneId } from './lane.ts'
import type { Route, RouteAccess, RouteTarget } from './route.ts'
import { NO_ROUTES, type RouteTable, routeTable } from './routing.ts'

export interface TravellingRoute extends Omit<Route, 'to'> {
  readonly to: TravellingTarget
}

type TravellingTarget =
  | Exclude<RouteTarget, { readonly kind: 'smarthost' }>
  | (Omit<Extract<RouteTarget, { readonly kind: 'smarthost' }>, 'access'> & { readonly access: TravellingAccess })

interface TravellingAccess {
  readonly tls: RouteAccess['tls']
  readonly login?: { readonly username: string; readonly password: string }
}

export function travellingRoutes({ routes }: RouteTable = NO_ROUTES, wanted: LaneId): readonly TravellingRoute[] {
  return routes.map((route) => {
    const { to } = route
    if (to.kind === 'mail-exchangers') return { ...route, to }
    const isWanted = laneId(to.lane) === wanted
    return { ...route, to: { ...to, access: travelling(to.access, isWanted) } }
  })
}

function travelling({ tls, credentials }: RouteAccess, isWanted: boolean): TravellingAccess {
  if (credentials === undefined || !isWanted) return { tls }
  const { username, password } = credentials
  return { tls, login: { username, password: password.reveal() } }
}

export function arrivedRoutes(routes: readonly TravellingRoute[]): RouteTable {
  return routeTable(
    routes.map((route) => {
      const { to } = route
      return to.kind === 'mail-exchangers' ? { ...route, to } : { ...route, to: { ...to, access: arrived(to.access) } }
    }),
  )
}

function arrived({ tls, login }: TravellingAccess): RouteAccess {
  if (login === undefined) return { tls }
  const { username, password } = login
  return { tls, credentials: { username, password: new Secret(password) } }
}
