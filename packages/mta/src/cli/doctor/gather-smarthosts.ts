/**
 * Whether each smarthost of the configuration can be reached and proves its name: greeting, TLS and EHLO as delivery does
 * them, without a login and without mail.
 */
import type { DestinationOptions } from '../../delivery/delivery.ts'
import { factsSource } from '../../delivery/delivery.ts'
import { laneId, type RouteLane } from '../../delivery/lane.ts'
import type { RouteAccess } from '../../delivery/route.ts'
import { NO_ROUTES } from '../../delivery/routing.ts'
import { openSession } from '../../delivery/session.ts'
import { causeWords } from '../../observability/delivery-record.ts'
import { DEFAULT_TIMEOUTS } from '../../smtp/timeouts.ts'
import type { SmarthostFacts } from './facts.ts'

/** An operator waits for the answer. */
const STEP_MS = 5_000
const TIMEOUTS = {
  ...DEFAULT_TIMEOUTS,
  ...{ connectMs: STEP_MS, greetingMs: STEP_MS, ehloMs: STEP_MS, startTlsMs: STEP_MS, tlsHandshakeMs: STEP_MS },
}

export async function smarthostFacts(options: DestinationOptions): Promise<readonly SmarthostFacts[]> {
  const { routes = NO_ROUTES } = options
  const lanes = new Map(
    routes.routes.flatMap(({ to }) => (to.kind === 'smarthost' ? [[laneId(to.lane), to] as const] : [])),
  )
  return Promise.all([...lanes.values()].map((one) => tried(one, options)))
}

interface Smarthost {
  readonly lane: RouteLane
  readonly access: RouteAccess
}

async function tried({ lane, access }: Smarthost, options: DestinationOptions): Promise<SmarthostFacts> {
  const id = laneId(lane)
  const seen = { lane: id, login: access.credentials !== undefined }
  const failed = (detail: string): SmarthostFacts => ({ ...seen, outcome: { kind: 'failed', detail } })
  const facts = factsSource(options)
  const destination = await facts.get(lane)
  if (destination.kind === 'nobody') return failed(causeWords(destination.cause))
  const { hosts, unusable } = await destination.facts.level(0)
  const [host] = hosts
  const [address] = host?.addresses ?? []
  if (host === undefined || address === undefined) {
    return failed(unusable.map(({ cause }) => causeWords(cause)).join('; '))
  }
  const requirement = destination.facts.requirement(host)
  if (requirement.kind === 'unreachable') return failed(requirement.reasons.map(({ kind }) => kind).join(', '))
  const { mxHostname, servername } = host
  const { policyDomain, port } = destination.facts
  const remote = { mxHostname, address, port }
  const session = await openSession(
    // Without the credentials: whether they are right is for the first message to find out.
    { lane: id, remote, servername, policyDomain, requirement, access: { tls: access.tls } },
    {
      ...{ hostname: options.hostname, timeouts: TIMEOUTS, ca: options.ca ?? [], now: options.now },
      ...{ onFallback: () => undefined, onJudged: () => undefined, onLoginFailed: () => undefined },
    },
    { signal: new AbortController().signal },
  )
  if (!session.ok) return failed(`${address}: ${causeWords(session.error)}`)
  const { connection, channel, verdict } = session.value
  await connection.quit()
  const tls = channel.kind === 'tls' ? channel.protocol : 'no TLS'
  return { ...seen, outcome: { kind: 'greeted', address, tls, level: verdict.level } }
}
