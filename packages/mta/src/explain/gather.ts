/**
 * Gathers what is known of one destination: its lane, its hosts, what delivery demands of each, and when asked what
 * each shows. Everything comes from delivery's own facts (`delivery/facts.ts`); lookups of our own only add what those
 * leave out (addresses that were refused, names behind aliases) and are answered from the resolver's cache.
 */
import {
  assertNever,
  type DomainName,
  type ExplainFacts,
  type HostAddresses,
  type HostFacts,
  type HostPlace,
  type MxCandidate,
  type NextHop,
  type RouteEnd,
  type RouteFacts,
  resolveAddresses,
  resolveNextHop,
  type StsEvidence,
} from '@hermetic/policy'
import type { CandidateHost, CandidateLevel } from '../delivery/candidates.ts'
import { factsSource } from '../delivery/delivery.ts'
import type { NextHopFacts } from '../delivery/facts.ts'
import { type Lane, type LaneId, laneOf } from '../delivery/lane.ts'
import type { RoutedMail } from '../delivery/route.ts'
import { SourceAddresses } from '../delivery/source-address.ts'
import { formatDomain, type MailDomain, nullReversePath } from '../smtp/mail-address.ts'
import { DEFAULT_TIMEOUTS } from '../smtp/timeouts.ts'
import { until } from './deadline.ts'
import { gatherLocal } from './gather-local.ts'
import { gatherPolicy } from './gather-policy.ts'
import { obstacleOf } from './obstacle.ts'
import { type ProbeTarget, probe } from './probe.ts'
import type { ExplainWorld } from './world.ts'

export interface Question {
  readonly destination: MailDomain
  /** Whose mail; absent: that of nobody in particular, at its first attempt. */
  readonly mail?: Partial<Omit<RoutedMail, 'recipient'>> | undefined
  /** Connect to the hosts. */
  readonly connect: boolean
  /** Ends everything, for whoever asked is gone. */
  readonly signal: AbortSignal
  readonly limits: ExplainLimits
}

export interface ExplainLimits {
  /** For DNS and the policy host; RFC 8461 §3.3 would wait a minute, and a person sits before it. */
  readonly lookupsMs: number
  /** For the sessions after it. */
  readonly sessionsMs: number
}

const ANY_MAIL = { sender: nullReversePath, attempt: 1 } as const

export async function gather(world: ExplainWorld, question: Question): Promise<ExplainFacts> {
  const { destination, connect, signal, limits, mail = {} } = question
  const asking = { recipient: { localPart: 'postmaster', domain: destination }, ...ANY_MAIL, ...mail }
  const lane = world.laneFor(asking)
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(limits.lookupsMs)])
  const asked = { world, lane, deadline, limits }
  const [route, sts] = await Promise.all([gatherHosts(asked), gatherSts(asked)])
  const hosts = connect && route.next !== undefined ? await gatherSessions(route, question, asked) : route.hosts
  return {
    at: world.destination.now(),
    by: world.by,
    connected: connect,
    destination: destination.kind === 'name' ? { kind: 'domain', name: destination.name } : literal(destination),
    ...{ route: route.route, sts, hosts },
    ...(world.routingOf === undefined ? {} : { routing: world.routingOf(asking) }),
    ...localFacts(asked, sts),
    ...limitFacts(asked, route.next),
  }
}

interface Asked {
  readonly world: ExplainWorld
  readonly lane: LaneId
  readonly deadline: AbortSignal
  readonly limits: ExplainLimits
}

function literal(destination: MailDomain): ExplainFacts['destination'] {
  return { kind: 'literal', text: formatDomain(destination) }
}

function localFacts({ world: { destination }, lane }: Asked, sts: StsEvidence): Pick<ExplainFacts, 'local'> {
  const { nextHop } = laneOf(lane)
  if (nextHop.kind === 'literal') return {}
  const fetched = sts.kind === 'consulted' ? sts.facts : undefined
  return { local: gatherLocal(destination, { domain: nextHop.name, fetched, now: destination.now() }) }
}

function limitFacts({ world, lane }: Asked, next: NextHopFacts | undefined): Pick<ExplainFacts, 'limits'> {
  const limits = next === undefined ? undefined : world.limitsOf?.(lane, next.site)
  return limits === undefined ? {} : { limits }
}

async function gatherSts({ world, lane, deadline }: Asked): Promise<StsEvidence> {
  const { policies, destination } = world
  const { nextHop } = laneOf(lane)
  if (nextHop.kind === 'literal') return { kind: 'not-consulted', because: 'address' }
  if (policies === undefined || destination.sts === undefined) return { kind: 'not-consulted', because: 'off' }
  const { sts: source, now } = destination
  return gatherPolicy({ policyDomain: nextHop.name, source, lookups: policies, deadline, now })
}

interface RouteFound {
  readonly route: RouteFacts
  readonly hosts: readonly HostFacts[]
  /** Undefined: there is nobody to connect to. */
  readonly next?: NextHopFacts
  readonly dialled: ReadonlyMap<string, CandidateHost>
}

async function gatherHosts(asked: Asked): Promise<RouteFound> {
  const { world, lane: id, deadline, limits } = asked
  const lane = laneOf(id)
  const answer = lane.kind === 'mx' && lane.nextHop.kind === 'name' ? mxAnswer(lane.nextHop.name, asked) : undefined
  const source = factsSource(world.destination)
  const found = await until(deadline, Promise.resolve(source.get(lane)))
  const route = (end: RouteEnd, hop: NextHop | undefined) => routeFacts({ lane, id, end, answer: hop })
  const hop = await answer
  if (found === undefined) {
    return { route: route({ kind: 'unanswered', afterMs: limits.lookupsMs }, hop), hosts: [], dialled: new Map() }
  }
  if (found.kind === 'nobody') {
    const obstacle = obstacleOf(found.cause, { at: world.destination.now(), lane: id })
    return {
      route: route({ kind: 'nobody', ...obstacle }, hop),
      hosts: await namesOnly(hop, asked),
      dialled: new Map(),
    }
  }
  const levels = await levelsOf(found.facts, deadline)
  const hosts = await hostsOf(levels, { asked, hop, facts: found.facts })
  const dialled = new Map(levels.flatMap((level) => level.hosts).map((host) => [host.mxHostname, host]))
  return { route: route({ kind: 'hosts' }, hop), hosts, next: found.facts, dialled }
}

async function mxAnswer(domain: DomainName, { world, deadline }: Asked): Promise<NextHop | undefined> {
  const { resolver, self, random } = world.destination
  return until(deadline, resolveNextHop({ resolver, domain, self, random }))
}

interface RouteParts {
  readonly lane: Lane
  readonly id: LaneId
  readonly end: RouteEnd
  readonly answer: NextHop | undefined
}

function routeFacts({ lane, id, end, answer }: RouteParts): RouteFacts {
  const { nextHop } = lane
  switch (lane.kind) {
    case 'route':
      return { kind: 'smarthost', lane: id, host: formatDomain(nextHop), end }
    case 'mx':
      return nextHop.kind === 'name'
        ? { kind: 'mx', lane: id, domain: nextHop.name, answer, end }
        : { kind: 'literal', lane: id, end }
    default:
      return assertNever(lane)
  }
}

/** All levels that delivery would walk; fewer when the deadline comes first. */
async function levelsOf(facts: NextHopFacts, deadline: AbortSignal): Promise<readonly CandidateLevel[]> {
  const levels: CandidateLevel[] = []
  for (let index = 0; index < facts.levels; index += 1) {
    const level = await until(deadline, facts.level(index))
    if (level === undefined) break
    levels.push(level)
    if (level.last) break
  }
  return levels
}

interface HostsFound {
  readonly asked: Asked
  readonly hop: NextHop | undefined
  readonly facts: NextHopFacts
}

/** In delivery's order; then those that it never comes to. */
async function hostsOf(levels: readonly CandidateLevel[], found: HostsFound): Promise<readonly HostFacts[]> {
  const { asked, hop, facts } = found
  const candidates = hop?.kind === 'hosts' ? hop.candidates : []
  const places = new Map<string, HostPlace>()
  for (const { hosts, unusable } of levels) {
    for (const host of hosts) places.set(host.mxHostname, candidatePlace(host, facts))
    for (const { mxHostname, cause } of unusable) {
      places.set(mxHostname, {
        kind: 'unusable',
        ...obstacleOf(cause, { at: asked.world.destination.now(), lane: asked.lane }),
      })
    }
  }
  const cut = levels.at(-1)?.last === true
  const rest = candidates.filter(({ mxHostname }) => !places.has(mxHostname))
  for (const { mxHostname } of rest) places.set(mxHostname, { kind: cut ? 'behind-ourselves' : 'unanswered' })
  return Promise.all([...places].map(([name, place]) => hostFacts(name, place, { asked, candidates })))
}

function candidatePlace(host: CandidateHost, facts: NextHopFacts): HostPlace {
  return {
    kind: 'candidate',
    requirement: facts.requirement(host),
    dane: host.dane,
    dialled: host.addresses,
    sessions: [],
  }
}

async function hostFacts(
  name: string,
  place: HostPlace,
  { asked, candidates }: { readonly asked: Asked; readonly candidates: readonly MxCandidate[] },
): Promise<HostFacts> {
  const candidate = candidates.find(({ mxHostname }) => mxHostname === name)
  return {
    name,
    preference: candidate?.implicit === false ? candidate.preference : undefined,
    implicit: candidate?.implicit ?? false,
    addresses: await addressesOf(name, asked, candidate),
    place,
  }
}

async function addressesOf(
  name: string,
  { world, lane, deadline }: Asked,
  candidate: MxCandidate | undefined,
): Promise<HostAddresses | undefined> {
  const { nextHop, port, kind } = laneOf(lane)
  const host = candidate?.mxHostname ?? (kind === 'route' && nextHop.kind === 'name' ? nextHop.name : undefined)
  if (host === undefined || host !== name) return undefined
  const { resolver, guard, smarthostGuard = guard } = world.destination
  const judge = kind === 'route' ? smarthostGuard : guard
  const question = { resolver, host, preferFamily: 6 as const, guard: (address: string) => judge(address, port) }
  return until(deadline, resolveAddresses(question))
}

/** Nobody is dialled, but who is meant is known: for the owner's advice. */
async function namesOnly(hop: NextHop | undefined, asked: Asked): Promise<readonly HostFacts[]> {
  const candidates = hop?.kind === 'hosts' ? hop.candidates : []
  const place: HostPlace = { kind: 'unanswered' }
  return Promise.all(candidates.map(({ mxHostname }) => hostFacts(mxHostname, place, { asked, candidates })))
}

async function gatherSessions(
  { hosts, dialled, next }: RouteFound,
  { signal }: Question,
  { world, lane, limits }: Asked,
): Promise<readonly HostFacts[]> {
  if (next === undefined) return hosts
  const { destination } = world
  const { hostname, ca = [], sources: pools, timeouts = DEFAULT_TIMEOUTS, now, monotonic } = destination
  const targets = hosts.flatMap((host) => targetsOf(host, dialled.get(host.name)))
  const sessions = await probe(targets, {
    ...{ lane, now, port: next.port, policyDomain: next.policyDomain, access: next.access },
    sources: new SourceAddresses({ pools, monotonic }),
    session: { hostname, ca, timeouts },
    deadline: AbortSignal.any([signal, AbortSignal.timeout(limits.sessionsMs)]),
  })
  return hosts.map((host) => {
    if (host.place.kind !== 'candidate') return host
    const own = sessions.filter((_, index) => targets[index]?.mxHostname === host.name)
    return { ...host, place: { ...host.place, sessions: own } }
  })
}

function targetsOf({ place }: HostFacts, host: CandidateHost | undefined): readonly ProbeTarget[] {
  if (host === undefined || place.kind !== 'candidate') return []
  const { requirement } = place
  // Delivery does not contact such a host either.
  if (requirement.kind === 'unreachable') return []
  const { mxHostname, servername } = host
  return host.addresses.map((address) => ({ mxHostname, servername, address, requirement }))
}
