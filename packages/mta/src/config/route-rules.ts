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
function loginFindings(route: ReadableRoute, at: At): readonly Finding[] {
  const { tls, username } = route
  const written = OAUTH.filter((field) => route[field] !== undefined)
  const secret = written.length === 0 ? passwordFindings(route, at) : tokenFindings(route, { written, at })
  if (secret.length > 0 || username === undefined || tls !== 'opportunistic') return secret
  const wrong = 'would send the password to a host that has not proven its name'
  const remedy = 'write "starttls" or "implicit", or leave the login out'
  return [{ path: at('tls'), wrong, remedy, read: [at('tls'), at('username'), at('password')] }]
}

const OAUTH = [
  'oauth_token_url',
  'oauth_client_id',
  'oauth_client_secret',
  'oauth_client_auth',
  'oauth_refresh_token',
  'oauth_scope',
] as const
const OAUTH_NEEDED = ['oauth_token_url', 'oauth_client_id', 'oauth_refresh_token'] as const

interface Tokens {
  readonly written: readonly (typeof OAUTH)[number][]
  readonly at: At
}

function tokenFindings(route: ReadableRoute, { written: [first], at }: Tokens): readonly Finding[] {
  if (first === undefined) return []
  const read = [at('username'), at('password'), at('auth'), ...OAUTH.map(at)]
  const { username, password, auth } = route
  const finding = (field: string, wrong: string, remedy: string): readonly Finding[] => [
    { path: at(field), wrong, remedy, read },
  ]
  if (username === undefined) return finding(first, 'has no user name', 'write username too')
  if (password !== undefined) return finding('password', 'is there beside an access token', 'keep one of the two')
  const missing = OAUTH_NEEDED.find((field) => route[field] === undefined)
  if (missing !== undefined) return finding(first, `needs ${missing} too`, `write ${missing}`)
  if (route.oauth_client_auth === 'basic' && route.oauth_client_secret === undefined) {
    return finding('oauth_client_auth', 'needs oauth_client_secret too', 'write oauth_client_secret, or "body"')
  }
  if (auth !== 'plain' && auth !== 'login') return []
  return finding('auth', 'is for a password', 'write "oauthbearer" or "xoauth2", or leave it out')
}

function passwordFindings({ username, password, auth }: ReadableRoute, at: At): readonly Finding[] {
  const read = [at('auth'), at('username'), at('password')]
  if (username !== undefined && password === undefined) {
    return [{ path: at('username'), wrong: 'has no password', remedy: 'write password too, or leave both out', read }]
  }
  if (password !== undefined && username === undefined) {
    return [{ path: at('password'), wrong: 'has no user name', remedy: 'write username too, or leave both out', read }]
  }
  if (auth === undefined || (username !== undefined && (auth === 'plain' || auth === 'login'))) return []
  const wrong = username === undefined ? 'has no login' : 'needs an access token'
  const remedy = username === undefined ? 'write username and password too' : 'write the oauth_ settings, not password'
  return [{ path: at('auth'), wrong, remedy, read }]
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
    (one) => CRITERIA.every((field) => isSameCriterion(one[field], route[field])) && isSameUse(one, route),
  )
  if (other === -1) return []
  const path = at('domain')
  const wrong = `is for the same mail as route ${other}, and only one of them can count`
  const read = CRITERIA.flatMap((field) => [at(field), ['route', other, field]])
  return [{ path, wrong, remedy: 'remove one of the two routes, or tell them apart', read }]
}

const CRITERIA = ['domain', 'sender', 'tag', 'from_attempt'] as const

/** The local part of a sender counts in any case of letters. */
function isSameCriterion(left: unknown, right: unknown): boolean {
  return same(withoutCase(left), withoutCase(right))
}

function withoutCase(criterion: unknown): unknown {
  if (typeof criterion !== 'object' || criterion === null || !('address' in criterion)) return criterion
  return JSON.stringify(criterion).toLowerCase()
}

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
  const common = username === undefined ? (['tls'] as const) : (['tls', 'password', 'auth', ...OAUTH] as const)
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
function shared(route: ReadableRoute, field: 'tls' | 'password' | 'auth' | (typeof OAUTH)[number]): string | undefined {
  const value = route[field]
  if (value === undefined || typeof value === 'string') return value
  return 'reveal' in value ? value.reveal() : JSON.stringify(value)
}

function same(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right)
}
