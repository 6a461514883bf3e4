/**
 * Rules about `[[route]]`: what would show credentials to strangers, could never work, or would not be clear. Pure.
 */
import type { ConfigPath } from './config-path.ts'
import type { Finding } from './finding.ts'
import type { ReadableConfig } from './salvage.ts'

type ReadableRoute = NonNullable<ReadableConfig['route']>[number]
type At = (field: string) => ConfigPath

export function routeFindings({ route: routes = [] }: ReadableConfig): readonly Finding[] {
  return routes.flatMap((route, index) => {
    const at: At = (field) => ['route', index, field]
    const earlier = routes.slice(0, index)
    return [
      ...loginFindings(route, at),
      ...literalFindings(route, at),
      ...withoutHostFindings(route, at),
      ...twiceFindings(route, { earlier, at }),
      ...sameLaneFindings(route, { earlier, at }),
    ]
  })
}

/** RFC 4954 §14: credentials are for a host that has proven its name. */
function loginFindings({ tls, username, password }: ReadableRoute, at: At): readonly Finding[] {
  const read = [at('tls'), at('username'), at('password')]
  if (username !== undefined && password === undefined) {
    return [{ path: at('username'), wrong: 'has no password', remedy: 'write password too, or leave both out', read }]
  }
  if (password !== undefined && username === undefined) {
    return [{ path: at('password'), wrong: 'has no user name', remedy: 'write username too, or leave both out', read }]
  }
  if (username === undefined || tls !== 'opportunistic') return []
  const wrong = 'would send the password to a host that has not proven its name'
  return [{ path: at('tls'), wrong, remedy: 'write "starttls" or "implicit", or leave the login out', read }]
}

function literalFindings({ host, tls }: ReadableRoute, at: At): readonly Finding[] {
  if (host?.kind !== 'literal' || tls === undefined || tls === 'opportunistic') return []
  const wrong = 'is an address, and no certificate can prove one'
  const remedy = 'write the name in its certificate, or tls = "opportunistic" and no login'
  return [{ path: at('host'), wrong, remedy, read: [at('host'), at('tls')] }]
}

interface Among {
  readonly earlier: readonly ReadableRoute[]
  readonly at: At
}

/** What belongs to a smarthost, where there is none. */
function withoutHostFindings(route: ReadableRoute, at: At): readonly Finding[] {
  if (route.host !== undefined) return []
  const written = (['port', 'username', 'password'] as const).filter((field) => route[field] !== undefined)
  const remedy = 'write host too, or leave it out: without a host mail goes to the mail exchangers'
  const ofHost = written.map((field) => {
    return { path: at(field), wrong: 'is for a smarthost, and there is no host', remedy, read: [at('host'), at(field)] }
  })
  if (route.fallback === undefined || route.source_pool !== undefined) return ofHost
  const wrong = 'leads where the mail did not get through'
  return [{ path: at('fallback'), wrong, remedy: 'write host too', read: [at('host'), at('fallback')] }, ...ofHost]
}

/** Of two routes with the same criteria one would never count. */
function twiceFindings(route: ReadableRoute, { earlier, at }: Among): readonly Finding[] {
  const other = earlier.findIndex(
    (one) => CRITERIA.every((field) => same(one[field], route[field])) && isSameUse(one, route),
  )
  if (other === -1) return []
  const path = at('domain')
  const wrong = `is for the same mail as route ${other}, and only one of them can count`
  const read = CRITERIA.flatMap((field) => [at(field), ['route', other, field]])
  return [{ path, wrong, remedy: 'remove one of the two routes, or tell them apart', read }]
}

const CRITERIA = ['domain', 'sender', 'tag', 'from_attempt'] as const

function isSameUse(one: ReadableRoute, other: ReadableRoute): boolean {
  return (one.fallback === undefined) === (other.fallback === undefined)
}

/** One login at one host is one lane, whatever number of domains goes there. */
function sameLaneFindings(route: ReadableRoute, { earlier, at }: Among): readonly Finding[] {
  const { host, username } = route
  if (host === undefined) return []
  const other = earlier.findIndex(
    (one) =>
      same(one.host, host) &&
      portOf(one) === portOf(route) &&
      one.username === username &&
      one.source_pool === route.source_pool,
  )
  const first = earlier[other]
  if (first === undefined) return []
  // Half a login has a finding of its own.
  const common = username === undefined ? (['tls'] as const) : (['tls', 'password'] as const)
  const fields = common.filter((field) => shared(first, field) !== shared(route, field))
  return fields.map((field) => {
    const wrong = `is not that of route ${other}, which has the same host, port and user name`
    const read = ['host', 'port', 'tls', 'username', 'password'].flatMap((name) => [at(name), ['route', other, name]])
    return { path: at(field), wrong, remedy: 'write the same in both', read }
  })
}

/** RFC 8314 §3.3: implicit TLS has a port of its own. */
export function portOf({
  port,
  tls,
}: {
  readonly port?: number | undefined
  readonly tls?: string | undefined
}): number {
  return port ?? (tls === 'implicit' ? 465 : 587)
}

/** What routes with one lane have in common. */
function shared(route: ReadableRoute, field: 'tls' | 'password'): string | undefined {
  return field === 'tls' ? route.tls : route.password?.reveal()
}

function same(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right)
}
