/** The `[[route]]` tables in the words of delivery. Pure. */
import type { Config } from '../config/schema.ts'
import { type Route, type RouteTable, routeTable } from '../delivery/route.ts'

export function configuredRoutes({ route }: Config): RouteTable {
  return routeTable(route.map(routeOf))
}

function routeOf({ domain, host: nextHop, port, tls, username, password }: Config['route'][number]): Route {
  const where = { kind: 'route', nextHop, port } as const
  if (username === undefined || password === undefined) return { domain, lane: where, access: { tls } }
  return { domain, lane: { ...where, username }, access: { tls, credentials: { username, password } } }
}
