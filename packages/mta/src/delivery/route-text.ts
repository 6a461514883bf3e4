/** A route in words: whose mail it means, where that goes, and which of several there are. Pure. */
import { assertNever, parseDomainName } from '@hermetic/policy'
import { formatAddress, nullReversePath, type ReversePath } from '../smtp/mail-address.ts'
import { laneId } from './lane.ts'
import type { Route, RouteCriteria, RouteDomain, RoutedMail, RouteSender } from './route.ts'
import { chooseRoute } from './route-choice.ts'
import { fallbackFor, NO_ROUTES, type RouteTable, type RoutingOptions, routingOf } from './routing.ts'

/** Why mail goes where it goes, for people. */
export interface RoutingTold {
  /** Absent: no route means it. */
  readonly because?: string
  /** Where it goes when its destination cannot be reached. */
  readonly fallback?: string
  /** Routes for other mail to the same recipient. */
  readonly others: readonly string[]
}

/** A screen has no room for more. */
const OTHERS_MAX = 8

export function routingTold(mail: RoutedMail, options: RoutingOptions): RoutingTold {
  const table = options.routes ?? NO_ROUTES
  const { choice } = routingOf(mail, options)
  const fallback = fallbackFor(mail, options)
  const told = new Set([choice?.index, fallback?.choice.index])
  const others = table.routes.flatMap((route, index) =>
    !told.has(index) && couldMean(index, mail, table)
      ? [`${named(index)} for ${criteriaText(route)}: ${targetText(route)}`]
      : [],
  )
  const left = others.length - OTHERS_MAX
  return {
    ...(choice === undefined ? {} : { because: `${named(choice.index)} for ${criteriaText(choice.route)}` }),
    ...(fallback === undefined
      ? {}
      : { fallback: `${fallback.lane} by ${named(fallback.choice.index)}, ${USES[fallback.use]}` }),
    others: left > 0 ? [...others.slice(0, OTHERS_MAX), `and ${left} more`] : others,
  }
}

const USES = {
  unreachable: 'never for mail that a TLS policy kept back',
  'unreachable-or-policy': 'also for mail that a TLS policy kept back',
} as const

/** As problems of the configuration name it. */
function named(index: number): string {
  return `route[${index}]`
}

/** Somebody's mail to the same recipient takes it, at some attempt. */
function couldMean(index: number, { recipient }: RoutedMail, { usual, fallbacks, routes }: RouteTable): boolean {
  const route = routes[index]
  if (route === undefined || isUnqualified(route)) return false
  const { sender, tag, fromAttempt: attempt, fallback } = route
  const sample = { recipient, sender: sampleOf(sender), tag, attempt }
  return chooseRoute(sample, fallback === undefined ? usual : fallbacks)?.index === index
}

/** A sender that the route means, and as few others as can be. */
function sampleOf(sender: RouteSender): ReversePath {
  switch (sender.kind) {
    case 'null':
      return nullReversePath
    case 'address':
      return sender.address
    case 'any':
      return { localPart: 'postmaster', domain: { kind: 'literal', family: 4, address: '192.0.2.1' } }
    case 'exact':
      return { localPart: 'postmaster', domain: { kind: 'name', name: sender.name } }
    case 'below': {
      const inside = parseDomainName(`mail.${sender.name}`)
      return {
        localPart: 'postmaster',
        domain: inside.ok ? { kind: 'name', name: inside.value } : { kind: 'name', name: sender.name },
      }
    }
    default:
      return assertNever(sender)
  }
}

/** What is passed over because another says more about the domain is no surprise. */
function isUnqualified({ sender, tag, fromAttempt, fallback }: Route): boolean {
  return sender.kind === 'any' && tag === undefined && fromAttempt === 1 && fallback === undefined
}

export function criteriaText({ domain, sender, tag, fromAttempt }: RouteCriteria): string {
  return [
    domainText(domain),
    ...(sender.kind === 'any' ? [] : [`from ${senderText(sender)}`]),
    ...(tag === undefined ? [] : [`with the tag ${tag}`]),
    ...(fromAttempt === 1 ? [] : [`from attempt ${fromAttempt} on`]),
  ].join(', ')
}

export function targetText({ to, fallback }: Pick<Route, 'to' | 'fallback'>): string {
  const pool = to.kind === 'mail-exchangers' && to.pool !== undefined ? ` from the pool ${to.pool}` : ''
  const where = to.kind === 'smarthost' ? laneId(to.lane) : `the mail exchangers${pool}`
  return fallback === undefined ? where : `${where} when the destination cannot be reached`
}

/** As it is written in the file. */
export function domainText(domain: RouteDomain): string {
  if (domain.kind === 'any') return '*'
  return domain.kind === 'below' ? `*.${domain.name}` : domain.name
}

export function senderText(sender: RouteSender): string {
  switch (sender.kind) {
    case 'any':
      return '*'
    case 'null':
      return '<>'
    case 'address':
      return formatAddress(sender.address)
    default:
      return `@${domainText(sender)}`
  }
}
