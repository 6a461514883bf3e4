/**
 * What Postfix asks for: a query name and the next hop it is about to deliver to, in the forms that `transport_maps` and
 * `relayhost` have, and the parent domains that it tries for itself (postconf(5), smtp_tls_policy_maps). Pure.
 */
import { type DomainName, parseDomainName } from '../domain-name.ts'
import { err, ok, type Result } from '../result.ts'

export interface SocketmapQuery {
  readonly zone: string
  readonly key: string
}

export type NextHopKey =
  /** `mx`: the mail exchangers of the domain; `host`: the host itself, which is what brackets mean. */
  | { readonly kind: 'mx' | 'host'; readonly domain: DomainName; readonly port: number }
  /** Something that no policy can be about. */
  | { readonly kind: 'nothing'; readonly because: 'parent' | 'address' | 'path' }

export type QueryError =
  | { readonly kind: 'not-utf8' }
  | { readonly kind: 'no-key' }
  | { readonly kind: 'bad-next-hop' }
  | { readonly kind: 'bad-port' }

/** The longest domain name in UTF-8, brackets, a port, and a query name: several times over. */
export const REQUEST_OCTETS_MAX = 1024
const SMTP_PORT = 25
const PORT_MAX = 65_535
/** Of the services that mail is handed to (IANA service names); Postfix takes a name where it takes a number. */
const SERVICES: ReadonlyMap<string, number> = new Map([
  ['smtp', SMTP_PORT],
  ['submission', 587],
  ['submissions', 465],
  ['smtps', 465],
  ['lmtp', 24],
])
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function parseQuery(octets: Uint8Array): Result<SocketmapQuery, QueryError> {
  let text: string
  try {
    text = UTF8.decode(octets)
  } catch {
    return err({ kind: 'not-utf8' })
  }
  const space = text.indexOf(' ')
  if (space < 1 || space === text.length - 1) return err({ kind: 'no-key' })
  return ok({ zone: text.slice(0, space), key: text.slice(space + 1) })
}

export function parseNextHop(key: string): Result<NextHopKey, QueryError> {
  if (key.startsWith('.')) return ok({ kind: 'nothing', because: 'parent' })
  // LMTP over a local socket: nobody listens in there.
  if (key.startsWith('/') || key.startsWith('unix:')) return ok({ kind: 'nothing', because: 'path' })
  const [, bracketed, plain, , service] = /^(?:\[([^[\]]*)\]|([^[\]:]*))(:([^:]*))?$/u.exec(key) ?? []
  const port = portOf(service)
  const host = bracketed ?? plain
  if (host === undefined) return isAddress(key) ? ok(ADDRESS) : err({ kind: 'bad-next-hop' })
  if (isAddress(host)) return port === undefined ? err({ kind: 'bad-port' }) : ok(ADDRESS)
  const domain = parseDomainName(host)
  if (!domain.ok) return err({ kind: 'bad-next-hop' })
  if (port === undefined) return err({ kind: 'bad-port' })
  return ok({ kind: bracketed === undefined ? 'mx' : 'host', domain: domain.value, port })
}

const ADDRESS: NextHopKey = { kind: 'nothing', because: 'address' }

/** No policy is about an address (RFC 8461 §3.1, RFC 7672 §2.2). */
function isAddress(host: string): boolean {
  if (/^ipv6:/i.test(host) || /^[0-9a-f]*:[0-9a-f.:]*$/i.test(host)) return true
  const name = parseDomainName(host)
  return !name.ok && name.error.kind === 'address-like'
}

function portOf(service: string | undefined): number | undefined {
  if (service === undefined) return SMTP_PORT
  if (!/^[0-9]{1,5}$/.test(service)) return SERVICES.get(service.toLowerCase())
  const port = Number(service)
  return port > 0 && port <= PORT_MAX ? port : undefined
}
