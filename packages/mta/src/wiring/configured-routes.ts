/** The `[[route]]` tables in the words of delivery. Pure. */
import type { Config } from '../config/schema.ts'
import type { Route, RouteTarget } from '../delivery/route.ts'
import { type RouteTable, routeTable } from '../delivery/routing.ts'
import { DEFAULT_POOL } from '../delivery/source-address.ts'

export function configuredRoutes({ route, source }: Pick<Config, 'route' | 'source'>): RouteTable {
  const usual = source.some(({ pool }) => pool === DEFAULT_POOL) ? DEFAULT_POOL : undefined
  return routeTable(route.map((one) => routeOf(one, one.source_pool ?? usual)))
}

function routeOf(route: Config['route'][number], pool: string | undefined): Route {
  const { domain, sender, tag, from_attempt: fromAttempt, fallback } = route
  return {
    ...{ domain, sender, fromAttempt, to: targetOf(route, pool) },
    ...(tag === undefined ? {} : { tag }),
    ...(fallback === undefined ? {} : { fallback }),
  }
}

function targetOf(route: Config['route'][number], pool: string | undefined): RouteTarget {
  const { host: nextHop, port, tls, username, password } = route
  const from = pool === undefined ? {} : { pool }
  if (nextHop === undefined) return { kind: 'mail-exchangers', ...from }
  const lane = { kind: 'route', nextHop, port, ...from } as const
  if (username === undefined || password === undefined) return { kind: 'smarthost', lane, access: { tls } }
  return { kind: 'smarthost', lane: { ...lane, username }, access: { tls, credentials: { username, password } } }
}
