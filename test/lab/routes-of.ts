/** Routes for tests below the configuration, as `[[route]]` would make them. */
import assert from 'node:assert/strict'
import { parseDomainName } from '@hermetic/policy'
import { Secret } from '../../packages/mta/src/config/secret.ts'
import { type Route, type RouteDomain, type RouteTable, routeTable } from '../../packages/mta/src/delivery/route.ts'
import { parseLiteral } from '../../packages/mta/src/smtp/mail-address.ts'

export interface RouteOptions {
  readonly domain: string
  readonly host: string
  readonly port: number
  readonly tls?: Route['access']['tls']
  readonly username?: string
  readonly password?: string
  readonly pool?: string
}

export function routesOf(options: readonly RouteOptions[]): RouteTable {
  return routeTable(options.map(routeOf))
}

function routeOf({ domain, host, port, tls = 'starttls', username, password, pool }: RouteOptions): Route {
  const nextHop = parseLiteral(host) ?? { kind: 'name', name: name(host) }
  const lane = { kind: 'route', nextHop, port, ...(pool === undefined ? {} : { pool }) } as const
  if (username === undefined || password === undefined) {
    return { domain: routeDomain(domain), lane, access: { tls } }
  }
  const credentials = { username, password: new Secret(password) }
  return { domain: routeDomain(domain), lane: { ...lane, username }, access: { tls, credentials } }
}

function routeDomain(text: string): RouteDomain {
  if (text === '*') return { kind: 'any' }
  return text.startsWith('*.') ? { kind: 'below', name: name(text.slice(2)) } : { kind: 'exact', name: name(text) }
}

function name(text: string) {
  const parsed = parseDomainName(text)
  assert.ok(parsed.ok, text)
  return parsed.value
}
