/** Routes for tests below the configuration, as `[[route]]` would make them. */
import assert from 'node:assert/strict'
import { parseDomainName } from '@hermetic/policy'
import { Secret } from '../../packages/mta/src/config/secret.ts'
import type { Route, RouteAccess, RouteDomain, RouteSender } from '../../packages/mta/src/delivery/route.ts'
import { type RouteTable, routeTable } from '../../packages/mta/src/delivery/routing.ts'
import { parseLiteral } from '../../packages/mta/src/smtp/mail-address.ts'
import { parseMailbox } from '../../packages/mta/src/submission/address.ts'

export interface RouteOptions {
  readonly domain?: string
  /** `jane@example.com`, `@example.com`, `@*.example.com` or `<>`. */
  readonly sender?: string
  readonly tag?: string
  readonly fromAttempt?: number
  readonly fallback?: Route['fallback']
  /** Absent: the mail exchangers. */
  readonly host?: string
  readonly port?: number
  readonly tls?: RouteAccess['tls']
  readonly username?: string
  readonly password?: string
  readonly pool?: string
}

export function routesOf(options: readonly RouteOptions[]): RouteTable {
  return routeTable(options.map(routeOf))
}

function routeOf(options: RouteOptions): Route {
  const { domain = '*', sender = '*', tag, fromAttempt = 1, fallback } = options
  return {
    ...{ domain: routeDomain(domain), sender: routeSender(sender), fromAttempt, to: target(options) },
    ...(tag === undefined ? {} : { tag }),
    ...(fallback === undefined ? {} : { fallback }),
  }
}

function target({ host, port = 587, tls = 'starttls', username, password, pool }: RouteOptions): Route['to'] {
  const from = pool === undefined ? {} : { pool }
  if (host === undefined) return { kind: 'mail-exchangers', ...from }
  const nextHop = parseLiteral(host) ?? { kind: 'name', name: name(host) }
  const lane = { kind: 'route', nextHop, port, ...from } as const
  if (username === undefined || password === undefined) return { kind: 'smarthost', lane, access: { tls } }
  const credentials = { username, password: new Secret(password) }
  return { kind: 'smarthost', lane: { ...lane, username }, access: { tls, credentials } }
}

function routeDomain(text: string): RouteDomain {
  if (text === '*') return { kind: 'any' }
  return text.startsWith('*.') ? { kind: 'below', name: name(text.slice(2)) } : { kind: 'exact', name: name(text) }
}

function routeSender(text: string): RouteSender {
  if (text === '<>') return { kind: 'null' }
  if (text === '*') return { kind: 'any' }
  if (text.startsWith('@')) return routeDomain(text.slice(1))
  const mailbox = parseMailbox(text)
  assert.ok(mailbox.ok, text)
  return { kind: 'address', address: mailbox.value }
}

function name(text: string) {
  const parsed = parseDomainName(text)
  assert.ok(parsed.ok, text)
  return parsed.value
}
