/** The `[[route]]` tables in the words of delivery. Pure. */
import type { Config } from '../config/schema.ts'
import { type Route, type RouteTable, routeTable } from '../delivery/route.ts'
import { DEFAULT_POOL } from '../delivery/source-address.ts'

export function configuredRoutes({ route, source }: Pick<Config, 'route' | 'source'>): RouteTable {
  const usual = source.some(({ pool }) => pool === DEFAULT_POOL) ? DEFAULT_POOL : undefined
  return routeTable(route.map((one) => routeOf(one, one.source_pool ?? usual)))
}

function routeOf(route: Config['route'][number], pool: string | undefined): Route {
  const { domain, host: nextHop, port, tls, username, password } = route
  const where = { kind: 'route', nextHop, port, ...(pool === undefined ? {} : { pool }) } as const
  if (username === undefined || password === undefined) return { domain, lane: where, access: { tls } }
  return { domain, lane: { ...where, username }, access: { tls, credentials: { username, password } } }
}
