/**
 * Routes on their way into the child process that delivers one suspect: plain values, because a secret does not cross
 * a process by itself, and no password and no token but that of the lane that the child delivers. Pure.
 */
import { assertNever } from '@hermetic/policy'
import { Secret } from '../config/secret.ts'
import type {
  AccessTokens,
  Credentials,
  PasswordMechanism,
  TokenAnswer,
  TokenMechanism,
  TokenProblem,
} from '../smtp/auth.ts'
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
  readonly login?: TravellingLogin
}

type TravellingLogin =
  | {
      readonly kind: 'password'
      readonly username: string
      readonly secret: string
      readonly mechanism?: PasswordMechanism
    }
  /** The token of this moment: the child asks nobody for another one. */
  | { readonly kind: 'token'; readonly username: string; readonly secret: string; readonly mechanism?: TokenMechanism }
  | { readonly kind: 'no-token'; readonly username: string; readonly problem: TokenProblem }

export function travellingRoutes(
  { routes }: RouteTable = NO_ROUTES,
  wanted: LaneId,
): Promise<readonly TravellingRoute[]> {
  return Promise.all(
    routes.map(async (route): Promise<TravellingRoute> => {
      const { to } = route
      if (to.kind === 'mail-exchangers') return { ...route, to }
      const isWanted = laneId(to.lane) === wanted
      return { ...route, to: { ...to, access: await travelling(to.access, isWanted) } }
    }),
  )
}

async function travelling({ tls, credentials }: RouteAccess, isWanted: boolean): Promise<TravellingAccess> {
  if (credentials === undefined || !isWanted) return { tls }
  return { tls, login: await travellingLogin(credentials) }
}

async function travellingLogin(credentials: Credentials): Promise<TravellingLogin> {
  const { username } = credentials
  if ('password' in credentials) {
    const { password, mechanism } = credentials
    return { kind: 'password', username, secret: password.reveal(), ...(mechanism === undefined ? {} : { mechanism }) }
  }
  const answer = await credentials.tokens.token()
  if (answer.kind !== 'token') return { kind: 'no-token', username, problem: answer }
  const { mechanism } = credentials
  return { kind: 'token', username, secret: answer.token.reveal(), ...(mechanism === undefined ? {} : { mechanism }) }
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
  return login === undefined ? { tls } : { tls, credentials: arrivedLogin(login) }
}

function arrivedLogin(login: TravellingLogin): Credentials {
  const { username } = login
  switch (login.kind) {
    case 'password': {
      const { mechanism } = login
      return { username, password: new Secret(login.secret), ...(mechanism === undefined ? {} : { mechanism }) }
    }
    case 'token': {
      const { mechanism } = login
      const answer = { kind: 'token', token: new Secret(login.secret), isNew: false } as const
      return { username, tokens: only(answer), ...(mechanism === undefined ? {} : { mechanism }) }
    }
    case 'no-token':
      return { username, tokens: only(login.problem) }
    default:
      return assertNever(login)
  }
}

function only(answer: TokenAnswer): AccessTokens {
  return { token: async () => answer, refused: () => undefined }
}
