/**
 * A lane is the queue of one next hop: (route or next-hop domain, port, source pool). Policy belongs to the
 * lane's domain; permits and idle connections belong to the site (`site.ts`). Pure.
 *
 * The id is what the spool indexes and what operators see: `mx:example.com:25`, `mx:[192.0.2.1]:25`.
 */
import { invariant, parseDomainName } from '@hermetic/policy'
import { formatDomain, type MailDomain, parseLiteral } from '../smtp/mail-address.ts'

export type LaneId = string & { readonly __brand: 'LaneId' }

export interface Lane {
  readonly kind: 'mx'
  /** RFC 7672 §1.1: the original next-hop domain, or an address literal. */
  readonly nextHop: MailDomain
  readonly port: number
}

export function laneId(lane: Lane): LaneId {
  return `mx:${formatDomain(lane.nextHop)}:${lane.port}` as LaneId
}

const LANE_ID = /^mx:(.+):(\d{1,5})$/

/** Undefined when the text is not a lane id. */
export function parseLaneId(text: string): Lane | undefined {
  const [, host, port] = LANE_ID.exec(text) ?? []
  if (host === undefined || port === undefined) return undefined
  if (host.startsWith('[')) {
    const literal = parseLiteral(host)
    return literal === undefined ? undefined : { kind: 'mx', nextHop: literal, port: Number(port) }
  }
  const name = parseDomainName(host)
  return name.ok ? { kind: 'mx', nextHop: { kind: 'name', name: name.value }, port: Number(port) } : undefined
}

/** The lane behind an id that we made ourselves. */
export function laneOf(id: LaneId): Lane {
  const lane = parseLaneId(id)
  invariant(lane !== undefined, `lane id ${id}`)
  return lane
}
