/**
 * A lane is the queue of one next hop: (route or next-hop domain, port, source pool). Policy belongs to the
 * lane's domain; permits and idle connections belong to the site (`site.ts`), and a connection carries mail of another
 * lane only after that lane's policy was judged on it (`shared-session.ts`). What a route says beyond its lane is in
 * `route.ts`. Pure.
 *
 * The id is what the spool indexes and what operators see: `mx:example.com:25`, `mx:[192.0.2.1]:25`,
 * `route:smarthost.example:587`, and with a login `route:shop%40example.com@smarthost.example:587`. A source pool stands
 * at the end: `mx:example.com:25/bulk`.
 */
import { invariant, parseDomainName } from '@hermetic/policy'
import { formatDomain, type MailDomain, parseLiteral } from '../smtp/mail-address.ts'

export type LaneId = string & { readonly __brand: 'LaneId' }

export type Lane = MxLane | RouteLane

/** To the mail exchangers of a domain. */
export interface MxLane {
  readonly kind: 'mx'
  /** RFC 7672 §1.1: the original next-hop domain, or an address literal. */
  readonly nextHop: MailDomain
  readonly port: number
  /** From which addresses of this machine (`source-address.ts`); absent: the system chooses. */
  readonly pool?: string
}

/** To a smarthost that the configuration names. */
export interface RouteLane {
  readonly kind: 'route'
  /** The smarthost itself: its MX are never asked for. */
  readonly nextHop: MailDomain
  readonly port: number
  /** Whom we log in as; two logins at one smarthost are two lanes, and share no connection. */
  readonly username?: string
  /** As for mail exchangers. */
  readonly pool?: string
}

export function laneId(lane: Lane): LaneId {
  const from = lane.pool === undefined ? '' : `/${lane.pool}`
  const where = `${formatDomain(lane.nextHop)}:${lane.port}${from}`
  if (lane.kind === 'mx') return `mx:${where}` as LaneId
  const login = lane.username === undefined ? '' : `${encodeURIComponent(lane.username)}@`
  return `route:${login}${where}` as LaneId
}

/** Names of source pools: short, and without anything that an id or a label would have to escape. */
export const POOL_NAME = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/
const LANE_ID = /^(mx|route):(?:([^@\s]+)@)?([^@\s/]+):(\d{1,5})(?:\/([a-z0-9-]{1,32}))?$/

/** Undefined when the text is not a lane id. */
export function parseLaneId(text: string): Lane | undefined {
  const [, kind, login, host = '', port, pool] = LANE_ID.exec(text) ?? []
  const nextHop = parseHost(host)
  if (nextHop === undefined || (kind === 'mx' && login !== undefined)) return undefined
  const where = { nextHop, port: Number(port), ...(pool === undefined ? {} : { pool }) }
  if (kind === 'mx') return { kind, ...where }
  if (login === undefined) return { kind: 'route', ...where }
  const username = decoded(login)
  return username === undefined ? undefined : { kind: 'route', ...where, username }
}

/** The lane behind an id that we made ourselves. */
export function laneOf(id: LaneId): Lane {
  const lane = parseLaneId(id)
  invariant(lane !== undefined, `lane id ${id}`)
  return lane
}

function parseHost(text: string): MailDomain | undefined {
  if (text.startsWith('[')) return parseLiteral(text)
  const name = parseDomainName(text)
  return name.ok ? { kind: 'name', name: name.value } : undefined
}

/** Undefined when `encodeURIComponent` writes no such text. */
function decoded(login: string): string | undefined {
  try {
    const username = decodeURIComponent(login)
    return encodeURIComponent(username) === login ? username : undefined
  } catch {
    return undefined
  }
}
