/** The `[[route]]` tables in the words of delivery. Pure. */
import type { Config, RouteConfig } from '../config/schema.ts'
import type { Route, RouteTarget } from '../delivery/route.ts'
import { type RouteTable, routeTable } from '../delivery/routing.ts'
import { DEFAULT_POOL } from '../delivery/source-address.ts'
import type { TokenGrant } from '../delivery/token-endpoint.ts'
import type { AccessTokens, Credentials } from '../smtp/auth.ts'

/** Makes what gets access tokens for a login; absent: whoever asks wants the ways only. */
export type TokensFor = (grant: TokenGrant) => AccessTokens

export function configuredRoutes(
  { route, source }: Pick<Config, 'route' | 'source'>,
  tokensFor?: TokensFor,
): RouteTable {
  const usual = source.some(({ pool }) => pool === DEFAULT_POOL) ? DEFAULT_POOL : undefined
  const known = new Map<string, AccessTokens>()
  const tokens = tokensFor === undefined ? undefined : remembered(tokensFor, known)
  return routeTable(route.map((one) => routeOf(one, { pool: one.source_pool ?? usual, login: loginOf(one, tokens) })))
}

interface Reached {
  readonly pool: string | undefined
  readonly login: Credentials | undefined
}

/** One login has one token, whatever number of routes it is for. */
function remembered(tokensFor: TokensFor, known: Map<string, AccessTokens>): TokensFor {
  return (grant) => {
    const { clientSecret, refreshToken } = grant
    const key = JSON.stringify([grant, clientSecret?.reveal(), refreshToken.reveal()])
    const tokens = known.get(key) ?? tokensFor(grant)
    known.set(key, tokens)
    return tokens
  }
}

function loginOf(route: RouteConfig, tokensFor: TokensFor | undefined): Credentials | undefined {
  const { username, password, auth } = route
  if (username === undefined) return undefined
  if (password !== undefined) {
    const mechanism = auth === 'plain' ? 'PLAIN' : auth === 'login' ? 'LOGIN' : undefined
    return { username, password, ...(mechanism === undefined ? {} : { mechanism }) }
  }
  const { oauth_token_url: endpoint, oauth_client_id: clientId, oauth_refresh_token: refreshToken } = route
  if (endpoint === undefined || clientId === undefined || refreshToken === undefined) return undefined
  const { oauth_client_secret: clientSecret, oauth_client_auth: clientAuth, oauth_scope: scope } = route
  const grant = { endpoint, clientId, refreshToken, clientSecret, clientAuth, scope }
  const mechanism = auth === 'xoauth2' ? 'XOAUTH2' : auth === 'oauthbearer' ? 'OAUTHBEARER' : undefined
  return { username, tokens: tokensFor?.(grant) ?? NO_TOKENS, ...(mechanism === undefined ? {} : { mechanism }) }
}

/** For those who never log in. */
const NO_TOKENS: AccessTokens = {
  token: async () => ({ kind: 'no-token', detail: 'nobody logs in here' }),
  refused: () => undefined,
}

function routeOf(route: RouteConfig, reached: Reached): Route {
  const { domain, sender, tag, from_attempt: fromAttempt, fallback } = route
  return {
    ...{ domain, sender, fromAttempt, to: targetOf(route, reached) },
    ...(tag === undefined ? {} : { tag }),
    ...(fallback === undefined ? {} : { fallback }),
  }
}

function targetOf({ host: nextHop, port, tls }: RouteConfig, { pool, login }: Reached): RouteTarget {
  const from = pool === undefined ? {} : { pool }
  if (nextHop === undefined) return { kind: 'mail-exchangers', ...from }
  const lane = { kind: 'route', nextHop, port, ...from } as const
  if (login === undefined) return { kind: 'smarthost', lane, access: { tls } }
  return { kind: 'smarthost', lane: { ...lane, username: login.username }, access: { tls, credentials: login } }
}
