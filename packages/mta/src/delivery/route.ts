/**
 * Which lane a recipient's mail goes to (architecture §3), and what the route behind a lane says. Pure.
 *
 * Asked at accept, and before every attempt: what a changed configuration routes elsewhere moves to its new lane
 * (`settlement.ts`). Without a route every domain is its own next hop. Of several routes the one that says most about
 * the domain counts, whatever their order.
 */
import { assertNever, type DomainName, type HostDemand } from '@hermetic/policy'
import type { Credentials } from '../smtp/auth.ts'
import type { MailAddress } from '../smtp/mail-address.ts'
import { type LaneId, laneId, type RouteLane } from './lane.ts'

/** Mail to which domains; `below` means every domain under the name and not the name itself. */
export type RouteDomain =
  | { readonly kind: 'exact'; readonly name: DomainName }
  | { readonly kind: 'below'; readonly name: DomainName }
  /** Address literals too. */
  | { readonly kind: 'any' }

export interface Route {
  readonly domain: RouteDomain
  readonly lane: RouteLane
  readonly access: RouteAccess
}

/** How mail is handed to a smarthost. */
export interface RouteAccess {
  /** `opportunistic` demands nothing of the host, and never goes with credentials (TLS-22). */
  readonly tls: 'starttls' | 'implicit' | 'opportunistic'
  readonly credentials?: Credentials
}

export interface RouteTable {
  readonly routes: readonly Route[]
  /** By the name, for each kind of domain. */
  readonly exact: ReadonlyMap<string, LaneId>
  readonly below: ReadonlyMap<string, LaneId>
  /** Of all mail that no other route means. */
  readonly rest: LaneId | undefined
  readonly access: ReadonlyMap<LaneId, RouteAccess>
}

/** Routes with one lane have one access, and no two have one domain: the configuration sees to that. */
export function routeTable(routes: readonly Route[]): RouteTable {
  const exact = new Map<string, LaneId>()
  const below = new Map<string, LaneId>()
  const access = new Map<LaneId, RouteAccess>()
  let rest: LaneId | undefined
  for (const { domain, lane, access: of } of routes) {
    const id = laneId(lane)
    access.set(id, of)
    switch (domain.kind) {
      case 'exact':
        exact.set(domain.name, id)
        break
      case 'below':
        below.set(domain.name, id)
        break
      case 'any':
        rest = id
        break
      default:
        assertNever(domain)
    }
  }
  return { routes, exact, below, rest, access }
}

export const NO_ROUTES: RouteTable = routeTable([])

export interface RoutingOptions {
  /** Of mail exchangers. */
  readonly port: number
  readonly routes?: RouteTable | undefined
  /** Source addresses of mail for which no route names others. */
  readonly pool?: string | undefined
}

/** RFC 5321 §5.1: the domain part of the forward-path decides, or the address in it. */
export function laneFor({ domain }: MailAddress, { port, routes = NO_ROUTES, pool }: RoutingOptions): LaneId {
  const route = domain.kind === 'name' ? routeOfName(domain.name, routes) : routes.rest
  return route ?? laneId({ kind: 'mx', nextHop: domain, port, ...(pool === undefined ? {} : { pool }) })
}

function routeOfName(name: DomainName, { exact, below, rest }: RouteTable): LaneId | undefined {
  const itself = exact.get(name)
  if (itself !== undefined || below.size === 0) return itself ?? rest
  for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
    const nearest = below.get(name.slice(dot + 1))
    if (nearest !== undefined) return nearest
  }
  return rest
}

/**
 * What a route demands of its smarthost: the operator wrote the name, so that the certificate must prove it (RFC 4954
 * §14, RFC 7817 §3, TLSA records: RFC 8314 §5.3), unless the route says that nothing is demanded.
 */
export function routeDemand({ tls }: Pick<RouteAccess, 'tls'>): HostDemand {
  return tls === 'opportunistic' ? 'nothing' : 'proven-host'
}
