/**
 * Where a mail goes (architecture §3): its lane, and which route says so. Pure.
 *
 * Asked at accept, before every attempt and at every deferral: what a changed configuration or the next attempt routes
 * elsewhere moves to its new lane (`settlement.ts`). Without a route every domain is its own next hop.
 */
import { type MailAddress, nullReversePath } from '../smtp/mail-address.ts'
import { type LaneId, laneId } from './lane.ts'
import type { FallbackUse, Route, RouteAccess, RoutedMail, RouteTarget } from './route.ts'
import { type Choice, chooseRoute, type RouteIndex, routeIndex } from './route-choice.ts'

export interface RouteTable {
  readonly routes: readonly Route[]
  readonly usual: RouteIndex
  readonly fallbacks: RouteIndex
  readonly access: ReadonlyMap<LaneId, RouteAccess>
}

/** Routes with one lane have one access, and no two have the same criteria: the configuration sees to that. */
export function routeTable(routes: readonly Route[]): RouteTable {
  const access = new Map<LaneId, RouteAccess>()
  for (const { to } of routes) if (to.kind === 'smarthost') access.set(laneId(to.lane), to.access)
  return {
    ...{ routes, access },
    usual: routeIndex(routes, ({ fallback }) => fallback === undefined),
    fallbacks: routeIndex(routes, ({ fallback }) => fallback !== undefined),
  }
}

export const NO_ROUTES: RouteTable = routeTable([])

export interface RoutingOptions {
  /** Of mail exchangers. */
  readonly port: number
  readonly routes?: RouteTable | undefined
  /** Source addresses of mail for which no route names others. */
  readonly pool?: string | undefined
}

/** Where mail goes, and which route says so. */
export interface Routing {
  readonly lane: LaneId
  /** Absent: no route means this mail, or an operator's order is before all routes. */
  readonly choice?: Choice
}

export function laneFor(mail: RoutedMail, options: RoutingOptions): LaneId {
  return routingOf(mail, options).lane
}

/** RFC 5321 §5.1: the domain part of the forward-path decides, or the address in it. */
export function routingOf(mail: RoutedMail, options: RoutingOptions): Routing {
  const { routes = NO_ROUTES } = options
  // A choice lasts as long as its route: what that demands is known from nowhere else.
  if (mail.via !== undefined && routes.access.has(mail.via)) return { lane: mail.via }
  const choice = chooseRoute(mail, routes.usual)
  if (choice === undefined) return { lane: exchangers(mail, options, options.pool) }
  return { lane: laneOfTarget(choice.route.to, mail, options), choice }
}

/** What those ask who put mail into lanes: the configuration as it is now. */
export interface MailRouting {
  readonly laneFor: (mail: RoutedMail) => LaneId
  readonly fallbackFor: (mail: RoutedMail) => Fallback | undefined
}

export function mailRouting(options: RoutingOptions): MailRouting {
  return {
    laneFor: (mail) => laneFor(mail, options),
    fallbackFor: (mail) => fallbackFor(mail, options),
  }
}

/** A notification, which has no sender and no tag, or what is asked before there is any mail. */
export function laneForNotice(recipient: MailAddress, options: RoutingOptions): LaneId {
  return laneFor({ recipient, sender: nullReversePath, attempt: 1 }, options)
}

export interface Fallback {
  readonly lane: LaneId
  readonly use: FallbackUse
  readonly choice: Choice
}

/** Where mail goes that the usual way does not take; undefined: nowhere else. */
export function fallbackFor(mail: RoutedMail, options: RoutingOptions): Fallback | undefined {
  const choice = chooseRoute(mail, (options.routes ?? NO_ROUTES).fallbacks)
  const use = choice?.route.fallback
  if (choice === undefined || use === undefined) return undefined
  const lane = laneOfTarget(choice.route.to, mail, options)
  // The same host once more is no other way.
  return lane === laneFor(mail, options) ? undefined : { lane, use, choice }
}

function laneOfTarget(to: RouteTarget, mail: RoutedMail, options: RoutingOptions): LaneId {
  return to.kind === 'smarthost' ? laneId(to.lane) : exchangers(mail, options, to.pool ?? options.pool)
}

function exchangers({ recipient }: RoutedMail, { port }: RoutingOptions, pool: string | undefined): LaneId {
  return laneId({ kind: 'mx', nextHop: recipient.domain, port, ...(pool === undefined ? {} : { pool }) })
}
