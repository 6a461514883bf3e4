/**
 * What an order to re-route means for one message: which of its lanes move where. Pure; the spool moves them.
 *
 * An operator who names a route takes mail out of the hands of its destination's policies, so what one of those keeps
 * back stays, as it does before a fallback (conformance D-17), unless the order says otherwise.
 */
import { err, ok, type Result } from '@hermetic/policy'
import { NOTICE_LANE } from '../bounce/notice-lane.ts'
import { formatDomain } from '../smtp/mail-address.ts'
import type { Claim, QueueChange, QueueDelivery, QueueEntry, QueueRecipient } from '../spool/spool.ts'
import type { DeliveryEvent } from './events.ts'
import { isKeptByPolicy } from './fallback-use.ts'
import { type Lane, type LaneId, laneOf } from './lane.ts'
import type { RoutedMail } from './route.ts'
import { fallbackFor, laneFor, type MailRouting, NO_ROUTES, type RoutingOptions } from './routing.ts'

export interface RerouteOrder {
  readonly kind: 'reroute'
  /** A smarthost of the configuration: `HOST`, `HOST:PORT`, `USER@HOST` or its lane. Absent: by the routes of today. */
  readonly to?: string
  /** Ends an earlier choice. */
  readonly usual?: true
  /** Also what a policy keeps back. */
  readonly policyToo?: true
}

export type Way = LaneId | 'usual' | undefined

/** The error says what is wrong, for whoever wrote the order. */
export function wayOf({ to, usual }: RerouteOrder, { routes = NO_ROUTES }: RoutingOptions): Result<Way, string> {
  if (to === undefined) return ok(usual === true ? 'usual' : undefined)
  const lanes = [...routes.access.keys()]
  const found = lanes.filter((lane) => lane === to || names(laneOf(lane), to))
  const [only, ...more] = found
  if (only !== undefined && more.length === 0) return ok(only)
  if (only !== undefined) return err(`${to} may be ${found.join(' or ')}: write which lane`)
  return err(lanes.length === 0 ? `${to}: no route names a host` : `${to} is no route; there are ${lanes.join(', ')}`)
}

function names(lane: Lane, text: string): boolean {
  if (lane.kind !== 'route') return false
  const host = formatDomain(lane.nextHop)
  const login = lane.username === undefined ? [] : [`${lane.username}@`]
  return ['', ...login].some((user) => [`${user}${host}`, `${user}${host}:${lane.port}`].includes(text))
}

export type Reroute =
  | { readonly kind: 'move'; readonly lanes: Readonly<Record<string, LaneId>> }
  | { readonly kind: Exclude<QueueChange['result'], 'done' | 'not-found'> }

export interface RerouteTerms {
  readonly way: Way
  readonly policyToo: boolean
  readonly routing: RoutingOptions
}

const KEPT = 'kept-by-policy'

export function rerouteOf(entry: QueueEntry, terms: RerouteTerms): Reroute {
  const lanes = new Map<LaneId, LaneId>()
  const left = new Set<'in-delivery' | 'kept-by-policy'>()
  for (const [lane, deliveries] of Map.groupBy(entry.deliveries, (delivery) => delivery.lane)) {
    const waiting = deliveries.filter(({ state }) => state !== 'in-delivery' && state !== 'settled')
    if (waiting.length < deliveries.filter(({ state }) => state !== 'settled').length) left.add('in-delivery')
    const to = lane === NOTICE_LANE ? undefined : laneAfter(entry, waiting, terms)
    if (to === KEPT) left.add(KEPT)
    else if (to !== undefined) lanes.set(lane, to)
  }
  if (lanes.size > 0) return { kind: 'move', lanes: Object.fromEntries(lanes) }
  return {
    kind: left.has('kept-by-policy') ? 'kept-by-policy' : left.has('in-delivery') ? 'in-delivery' : 'nothing-to-do',
  }
}

/** Undefined: they wait where they should. */
function laneAfter(
  entry: QueueEntry,
  deliveries: readonly QueueDelivery[],
  terms: RerouteTerms,
): LaneId | 'kept-by-policy' | undefined {
  const { way } = terms
  const open = deliveries.flatMap((delivery) =>
    delivery.recipients.filter(({ state }) => state === 'open').map((recipient) => ({ delivery, recipient })),
  )
  const [first] = open
  if (first === undefined) return undefined
  const { lane } = first.delivery
  const lanes = new Set(open.map((one) => laneToday(entry, one, terms)))
  const [only = lane] = lanes
  const chosen = open.some(({ recipient: { via } }) => via !== undefined)
  const otherWay = way === 'usual' ? chosen : way !== undefined && open.some(({ recipient: { via } }) => via !== way)
  const moves = lanes.size > 1 || only !== lane
  if (!moves && !otherWay) return undefined
  const toSmarthost = way !== undefined && way !== 'usual' && way !== lane
  if (toSmarthost && !terms.policyToo && open.some(({ recipient }) => isKept(recipient))) return 'kept-by-policy'
  // Recipients that part do so at the attempt that is due then.
  return lanes.size > 1 ? lane : only
}

interface Waiting {
  readonly delivery: QueueDelivery
  readonly recipient: QueueRecipient
}

function laneToday(entry: QueueEntry, { delivery, recipient }: Waiting, { way, routing }: RerouteTerms): LaneId {
  if (way !== undefined && way !== 'usual') return way
  const mail: RoutedMail = {
    recipient: recipient.address,
    sender: entry.envelope.reversePath,
    tag: entry.envelope.tag,
    attempt: delivery.attempts + 1,
    via: way === 'usual' ? undefined : recipient.via,
  }
  // What was handed to its fallback has its turn there.
  return fallbackFor(mail, routing)?.lane === delivery.lane ? delivery.lane : laneFor(mail, routing)
}

function isKept({ lastOutcome }: QueueRecipient): boolean {
  if (lastOutcome === undefined || lastOutcome.kind === 'delivered') return false
  return isKeptByPolicy(lastOutcome.problem.cause)
}

/** The route that an operator chose is not configured any more: it goes the usual way. */
export function chosenRouteGone(claim: Claim, { laneFor: lane }: MailRouting): DeliveryEvent | undefined {
  const { id, envelope, attempts } = claim
  const lost = claim.recipients.flatMap(({ address: recipient, via }) => {
    if (via === undefined) return []
    const to = lane({ recipient, sender: envelope.reversePath, tag: envelope.tag, attempt: attempts + 1, via })
    return to === via ? [] : [{ via, to }]
  })
  const [first] = lost
  if (first === undefined) return undefined
  return { event: 'chosen-route-gone', id, lane: first.to, route: first.via, recipients: lost.length }
}
