/**
 * Routes that are allowed and perhaps not what was meant: one that another one overrides for some of its mail, and one
 * that never comes to pass. What is said names the lines by the place in the file. Pure.
 */
import type { ConfigPath } from '../config/config-path.ts'
import type { Config, RouteConfig } from '../config/schema.ts'
import { criteriaText, domainText, senderText } from '../delivery/route-text.ts'
import { attemptsWithin } from '../schedule/retry-schedule.ts'
import { retryOptions } from '../wiring/delivery-settings.ts'

interface RouteDoubt {
  readonly path: ConfigPath
  readonly text: string
}

type RouteList = Pick<Config, 'route'>['route']

export function routeDoubts(config: Pick<Config, 'route' | 'delivery' | 'listener' | 'role'>): readonly RouteDoubt[] {
  const { route: routes } = config
  return [
    ...routes.flatMap((route, index) => overridden(route, index, routes)),
    ...without(routes),
    ...tooLate(config),
    ...neverTagged(config),
  ]
}

/** As the setting allows. */
const ATTEMPTS_MAX = 1_000

/** From an attempt on that no message has before it is given up. */
function tooLate({ route: routes, delivery }: Pick<Config, 'route' | 'delivery'>): readonly RouteDoubt[] {
  const retry = retryOptions({ delivery })
  const most = attemptsWithin(Math.max(retry.maxAgeMs, retry.dsnMaxAgeMs), ATTEMPTS_MAX, retry)
  // Each attempt at a destination may have one at its fallback, which counts too.
  const attempts = routes.some(({ fallback }) => fallback !== undefined) ? 2 * most : most
  return routes.flatMap((route, index) => {
    if (route.from_attempt <= attempts) return []
    const why = `mail is given up after ${attempts} attempts at the most, unless an operator orders more`
    return [{ path: ['route', index], text: `route[${index}] (${words(route)}) is never reached: ${why}` }]
  })
}

/** Tags come with logins, which need TLS, and with header fields at submission listeners. */
function neverTagged({ route: routes, listener, role }: Pick<Config, 'route' | 'listener' | 'role'>) {
  const mayTag = listener.length === 0 || listener.some(({ kind, tls }) => kind === 'submission' || tls !== 'none')
  if (!role.includes('submission') || mayTag) return []
  return routes.flatMap((route, index): readonly RouteDoubt[] => {
    if (route.tag === undefined) return []
    const why = 'no listener of kind "submission", none with logins, so that no mail that arrives here has a tag'
    return [{ path: ['route', index], text: `route[${index}] (${words(route)}) is never used: ${why}` }]
  })
}

/**
 * The domain counts before the sender, so that a route for a sender says nothing of a domain that has a route of its
 * own; unless a third one is for that sender and that domain.
 */
function overridden(route: RouteConfig, index: number, routes: RouteList): readonly RouteDoubt[] {
  if (route.sender.kind === 'any' && route.tag === undefined && route.from_attempt === 1) return []
  const over = routes.flatMap((other, at) => (at !== index && isOver(other, route, routes) ? [at] : []))
  const [first, ...more] = over
  const one = first === undefined ? undefined : routes[first]
  if (one === undefined) return []
  const others = more.length === 0 ? '' : ` (and ${more.length} more)`
  const text = `route[${index}] (${words(route)}) does not count where route[${first}] does (${words(one)})${others}`
  const why = 'the domain says more than the rest; write a route with both when that is not meant'
  return [{ path: ['route', index], text: `${text}: ${why}` }]
}

/** Another way for the same use, by a domain that says more, for whom the first one also is. */
function isOver(other: RouteConfig, route: RouteConfig, routes: RouteList): boolean {
  if ((other.fallback === undefined) !== (route.fallback === undefined)) return false
  if (!isInside(other.domain, route.domain) || isSamePlace(other, route)) return false
  const mayMeet = other.sender.kind === 'any' && (other.tag === undefined || other.tag === route.tag)
  return mayMeet && !routes.some((both) => isBoth(both, { domain: other, rest: route }))
}

function isBoth(both: RouteConfig, { domain, rest }: { readonly domain: RouteConfig; readonly rest: RouteConfig }) {
  return (
    domainText(both.domain) === domainText(domain.domain) &&
    senderText(both.sender) === senderText(rest.sender) &&
    both.tag === rest.tag &&
    (both.fallback === undefined) === (rest.fallback === undefined)
  )
}

/** Less mail than the other, all of which the other means. */
function isInside(inner: RouteConfig['domain'], outer: RouteConfig['domain']): boolean {
  if (outer.kind === 'any') return inner.kind !== 'any'
  if (outer.kind === 'exact' || inner.kind === 'any') return false
  return inner.name.endsWith(`.${outer.name}`)
}

function isSamePlace(one: RouteConfig, other: RouteConfig): boolean {
  const place = ({ host, port, username, source_pool }: RouteConfig) =>
    JSON.stringify([host, port, username, source_pool])
  return place(one) === place(other)
}

/** A later attempt that goes where the earlier ones went. */
function without(routes: RouteList): readonly RouteDoubt[] {
  return routes.flatMap((route, index) => {
    if (route.from_attempt === 1) return []
    const before = routes
      .filter((one) => isSameMail(one, route) && one.from_attempt < route.from_attempt)
      .sort((a, b) => b.from_attempt - a.from_attempt)[0]
    if (before === undefined || !isSamePlace(before, route)) return []
    const text = `route[${index}] (${words(route)}) changes nothing: earlier attempts go there too`
    return [{ path: ['route', index], text }]
  })
}

function isSameMail(one: RouteConfig, other: RouteConfig): boolean {
  return isBoth(one, { domain: other, rest: other })
}

function words({ domain, sender, tag, from_attempt: fromAttempt }: RouteConfig): string {
  return criteriaText({ domain, sender, fromAttempt, ...(tag === undefined ? {} : { tag }) })
}
