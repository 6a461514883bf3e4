/**
 * What is known of a next hop, for as long as DNS lets us know it: at most five minutes (architecture §3).
 *
 * One lookup serves all messages of a lane, and all that ask at the same time. Trouble is never remembered here: a
 * permanent failure must come from a fresh answer (SMTP-43), and how long to wait after a transient one is the
 * lane's back-off. Reads the monotonic clock that it is given.
 */
import {
  type AddressJudgement,
  type DnsResolver,
  type DomainName,
  type HostDemand,
  type HostOrigin,
  type LocalDemand,
  lookupResults,
  type MessageTls,
  type MxCandidate,
  type PolicyFailure,
  type Refetched,
  type Requirement,
  type ResolvedCandidate,
  resolveAddresses,
  resolveNextHop,
  type Self,
  type StsFacts,
  type StsSource,
  tlsRequirement,
} from '@hermetic/policy'
import type { SessionSeen } from '@hermetic/reporter'
import type { SiteId } from '../limits/permits.ts'
import type { NextHopHosts } from '../limits/site-limits.ts'
import { formatDomain, type MailDomain } from '../smtp/mail-address.ts'
import {
  type CandidateHost,
  type CandidateLevel,
  candidateLevel,
  nextHopCause,
  preferenceLevels,
} from './candidates.ts'
import { daneSeconds, hostRequirement, isObserved, localMs, type PolicySettings, withDane } from './host-policy.ts'
import { type Lane, type LaneId, laneId, type RouteLane } from './lane.ts'
import type { DeliveryCause } from './outcome.ts'
import { failedLookup } from './report-mapping.ts'
import { type RouteAccess, routeDemand } from './route.ts'
import type { RouteTable } from './routing.ts'
import { siteOf } from './site.ts'

export interface FactsOptions extends PolicySettings {
  readonly resolver: Pick<DnsResolver, 'mx' | 'address'>
  /** Is this the address that we may dial at this port? */
  readonly guard: (address: string, port: number) => AddressJudgement
  /** The same for smarthosts: the operator wrote their names (architecture, decision 8). */
  readonly smarthostGuard?: FactsOptions['guard'] | undefined
  readonly routes?: RouteTable | undefined
  readonly self: Self
  /** What local policy demands (TLS-01). */
  readonly demandFor: (nextHop: MailDomain) => LocalDemand
  /** Absent: MTA-STS is off. */
  readonly sts?: Pick<StsSource, 'policyFor' | 'refetch'> | undefined
  readonly random: () => number
  /** UTC milliseconds: policies count in them. */
  readonly now: () => number
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
  /** The site that an operator's limit makes of a next hop; absent or undefined: its hosts are the site. */
  readonly siteFor?: SiteFor | undefined
  /** SMTP-42: at least two; less only by configuration. */
  readonly addressesPerHostMax?: number
  readonly preferFamily?: 4 | 6
  readonly onDefect: (lane: Lane, error: unknown) => void
  /** A policy was asked for again because mail had failed, and could not be had. */
  readonly onFailedRefetch?: ((failure: PolicyFailure) => void) | undefined
}

/** Whoever has no limits of its own asks for it. */
export type SiteFor = (nextHop: NextHopHosts) => SiteId | undefined | Promise<SiteId | undefined>

export type Destination =
  | { readonly kind: 'facts'; readonly facts: NextHopFacts }
  /** The MX answer says that there is nobody to dial, or nobody may be dialled now. */
  | { readonly kind: 'nobody'; readonly cause: DeliveryCause; readonly seen?: SessionSeen | undefined }

export interface NextHopFacts {
  /** The domain whose policy counts: the next hop as routed (STS-01). */
  readonly policyDomain: string
  readonly port: number
  readonly site: SiteId
  /** Of a route; absent for mail exchangers. */
  readonly access?: RouteAccess
  /** Of the domain; undefined when there can be none, or when MTA-STS is off. */
  readonly policy: StsFacts | undefined
  /** What this host must prove before a message of this kind may cross. */
  readonly requirement: (host: CandidateHost, message?: MessageTls) => Requirement
  readonly levels: number
  /** More hosts were published than will be asked. */
  readonly hostsOmitted: boolean
  level(index: number): Promise<CandidateLevel>
  /** False once the least TTL is over; then ask again before the next transaction. */
  fresh(): boolean
  /** Was it made for this very question? */
  readonly madeAt: number
  /** A failed fetch of the policy that nobody has counted yet; whoever takes it counts it. */
  readonly takeUncounted: () => PolicyFailure | undefined
}

const FACTS_MS_MAX = 300_000
/** Short TTLs are raised to this: one batch should not need two lookups. */
const FACTS_MS_MIN = 5_000
const REMEMBERED_MAX = 10_000
const ADDRESSES_PER_HOST_MAX = 5

interface Asking {
  readonly afresh: boolean
}

/** What the kind of lane says about every host behind it. */
interface Reach {
  readonly guard: FactsOptions['guard']
  readonly local: HostDemand
  readonly access?: RouteAccess
}

/** Who may be dialled, before anybody's address is asked for. */
interface Hosts {
  readonly site: SiteId
  readonly levels: readonly (readonly MxCandidate[])[]
  readonly originOf: (candidate: MxCandidate) => HostOrigin
  readonly omitted?: number | undefined
  readonly ttlSeconds: number
}

interface Found extends Hosts {
  readonly reach: Reach
  readonly domain: DomainName
  readonly policy: StsFacts | undefined
}

export class FactsSource {
  readonly #options: FactsOptions
  /** In order of insertion: the oldest is forgotten first. */
  readonly #known = new Map<string, NextHopFacts>()
  readonly #asking = new Map<string, Promise<Destination>>()
  readonly #renewals = new Set<Promise<void>>()

  constructor(options: FactsOptions) {
    this.#options = options
  }

  get(lane: Lane): Promise<Destination> | Destination {
    const key = laneId(lane)
    const known = this.#known.get(key)
    // Another configuration may have another password for the same lane.
    if (known?.fresh() && known.access === this.#accessOf(key)) return { kind: 'facts', facts: known }
    const asking = this.#asking.get(key)
    if (asking !== undefined) return asking
    const answer = this.#ask(lane, { afresh: false }).finally(() => this.#asking.delete(key))
    this.#asking.set(key, answer)
    return answer
  }

  /** Before mail is given up because of a policy: DNS is asked for a new one, and the policy host (RFC 8461 §5.1). */
  async getAfresh(lane: Lane): Promise<Destination> {
    if (lane.nextHop.kind === 'name') this.#tellFailed(await this.#options.sts?.refetch(lane.nextHop.name))
    return this.#ask(lane, { afresh: true })
  }

  forget(lane: Lane): void {
    this.#known.delete(laneId(lane))
  }

  /** Mail failed because of the policy: perhaps there is a better one (decision 3). The next attempt will know. */
  renewPolicy(lane: Lane, { policy }: Pick<NextHopFacts, 'policy'>): void {
    const { sts, now } = this.#options
    this.forget(lane)
    if (sts === undefined || lane.nextHop.kind !== 'name') return
    // One that is over is looked for anew anyway.
    if (policy?.kind !== 'policy' || policy.expiresAt <= now()) return
    const renewal = sts
      .refetch(lane.nextHop.name)
      .then((refetched) => {
        this.#tellFailed(refetched)
        this.forget(lane)
      })
      .catch((error: unknown) => this.#options.onDefect(lane, error))
      .finally(() => this.#renewals.delete(renewal))
    this.#renewals.add(renewal)
  }

  /** Waits for the renewals under way. */
  async close(): Promise<void> {
    await Promise.all(this.#renewals)
  }

  #tellFailed(refetched: Refetched | undefined): void {
    if (refetched?.kind === 'failed' && refetched.uncounted !== undefined) {
      this.#options.onFailedRefetch?.(refetched.uncounted)
    }
  }

  async #ask(lane: Lane, how: Asking): Promise<Destination> {
    const key = laneId(lane)
    const destination = await this.#find(lane, how)
    this.#known.delete(key)
    if (destination.kind !== 'facts') return destination
    if (this.#known.size >= REMEMBERED_MAX) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest)
        break
      }
    }
    this.#known.set(key, destination.facts)
    return destination
  }

  async #find(lane: Lane, how: Asking): Promise<Destination> {
    const reach = lane.kind === 'mx' ? this.#reachOfMx(lane) : this.#reachOfRoute(lane)
    if (reach === undefined) return { kind: 'nobody', cause: { kind: 'route-changed' } }
    const { nextHop } = lane
    if (nextHop.kind === 'literal') return this.#literal(lane, nextHop, reach)
    const asked = this.#options.sts?.policyFor(nextHop.name, how)
    // Awaited below; a domain that takes no mail does not wait for its policy host.
    asked?.catch(() => undefined)
    const found = await (lane.kind === 'mx'
      ? this.#mailExchangers(lane, nextHop.name)
      : this.#smarthost(lane, nextHop.name))
    if ('kind' in found) return found
    const policy = await asked
    if (policy?.kind === 'unavailable' && !(lane.kind === 'mx' && isObserved(nextHop.name, this.#options))) {
      const { because } = policy
      return { kind: 'nobody', cause: { kind: 'policy-unavailable', policyDomain: nextHop.name, because } }
    }
    return { kind: 'facts', facts: this.#facts(lane, { ...found, reach, policy, domain: nextHop.name }) }
  }

  #reachOfMx({ nextHop }: Lane): Reach {
    const { guard, demandFor } = this.#options
    return { guard, local: demandFor(nextHop) }
  }

  #accessOf(lane: LaneId): RouteAccess | undefined {
    return this.#options.routes?.access.get(lane)
  }

  /** Undefined: no route leads here any more. */
  #reachOfRoute(lane: RouteLane): Reach | undefined {
    const { guard, smarthostGuard = guard, demandFor } = this.#options
    const access = this.#accessOf(laneId(lane))
    if (access === undefined) return undefined
    const demanded = routeDemand(access)
    return { guard: smarthostGuard, local: demanded === 'nothing' ? demandFor(lane.nextHop) : demanded, access }
  }

  async #mailExchangers(lane: Lane, domain: DomainName): Promise<Hosts | Destination> {
    const { resolver, self, random } = this.#options
    const answer = await resolveNextHop({ resolver, domain, self, random })
    if (answer.kind !== 'hosts') {
      // Table A, P1: of the domain, whatever alias it is, and only where DANE is on.
      const failed = answer.kind === 'failure' && this.#options.dane !== undefined
      const seen = failed ? failedLookup(domain, lookupResults('mx', domain, answer.reason)) : undefined
      return { kind: 'nobody', cause: nextHopCause(answer, domain), seen }
    }
    const { candidates, mxSecure: secure, expandedNextHop, omitted, ttlSeconds } = answer
    const names = candidates.map(({ mxHostname }) => mxHostname)
    const originOf = ({ implicit }: MxCandidate): HostOrigin =>
      implicit
        ? { kind: 'implicit-mx', nextHop: domain, secure }
        : { kind: 'mx', nextHop: domain, expandedNextHop, secure }
    const site = (await this.#options.siteFor?.({ domain, hosts: names })) ?? siteOf(names, lane.port)
    return { levels: preferenceLevels(candidates), site, originOf, omitted, ttlSeconds }
  }

  /** The one host that the route names; its MX are nobody's business. */
  async #smarthost({ port }: RouteLane, host: DomainName): Promise<Hosts> {
    const candidate = { mxHostname: host, preference: 0, implicit: true }
    const site = (await this.#options.siteFor?.({ domain: undefined, hosts: [host] })) ?? siteOf([host], port)
    return { levels: [[candidate]], site, originOf: () => ({ kind: 'route' }), ttlSeconds: FACTS_MS_MAX / 1000 }
  }

  #facts(lane: Lane, found: Found): NextHopFacts {
    const { monotonic, now } = this.#options
    const { domain, policy, site, levels, reach } = found
    const { local, access } = reach
    const madeAt = monotonic()
    let freshUntil =
      madeAt + Math.min(factsMs(found.ttlSeconds), policyMs(policy, now()), localMs(domain, this.#options))
    const known = new Map<number, CandidateLevel>()
    let uncounted = policy?.uncounted
    return {
      takeUncounted: () => {
        const taken = uncounted
        uncounted = undefined
        return taken
      },
      policyDomain: domain,
      port: lane.port,
      site,
      ...(access === undefined ? {} : { access }),
      policy,
      requirement: (host, message = 'default') =>
        hostRequirement(host, { domain, policy, local, message, now: now() }, this.#options),
      levels: levels.length,
      hostsOmitted: found.omitted !== undefined,
      madeAt,
      fresh: () => monotonic() < freshUntil,
      level: async (index) => {
        const before = known.get(index)
        if (before !== undefined) return before
        const { level, ttlSeconds } = await this.#level(levels[index] ?? [], { lane, ...found })
        const dane = Math.min(...level.hosts.map(daneSeconds))
        freshUntil = Math.min(freshUntil, monotonic() + Math.min(factsMs(ttlSeconds), dane * 1000))
        if (level.unusable.length === 0 && dane > 0) known.set(index, level)
        return level
      },
    }
  }

  async #level(
    candidates: readonly MxCandidate[],
    { lane: { port }, domain, reach, originOf }: { readonly lane: Lane } & Found,
  ): Promise<{ readonly level: CandidateLevel; readonly ttlSeconds: number }> {
    const { resolver, preferFamily = 6, addressesPerHostMax = ADDRESSES_PER_HOST_MAX } = this.#options
    const dane = this.#options.dane !== undefined
    const resolved = await Promise.all(
      candidates.map(async (candidate): Promise<ResolvedCandidate> => {
        const question = { resolver, host: candidate.mxHostname, preferFamily }
        const addresses = await resolveAddresses({ ...question, guard: (address) => reach.guard(address, port) })
        return { candidate, addresses }
      }),
    )
    const ttlSeconds = Math.min(
      ...resolved.map(({ addresses }) => (addresses.kind === 'failure' ? FACTS_MS_MAX : addresses.ttlSeconds)),
    )
    const level = candidateLevel(resolved, { addressesPerHostMax, domain, dane })
    const known = new Map(resolved.map((one) => [one.candidate.mxHostname, one]))
    const hosts = await Promise.all(level.hosts.map((host) => withDane(host, { port, originOf, known }, this.#options)))
    return { level: { ...level, hosts }, ttlSeconds }
  }

  /** RFC 5321 §4.1.3: the address itself; nothing is looked up, and no certificate proves it. */
  #literal(lane: Lane, literal: Literal, { guard, local, access }: Reach): Destination {
    const { monotonic } = this.#options
    const mxHostname = formatDomain(literal)
    const judgement = guard(literal.address, lane.port)
    const level = literalLevel(mxHostname, literal.address, judgement)
    const madeAt = monotonic()
    return {
      kind: 'facts',
      facts: {
        policyDomain: mxHostname,
        takeUncounted: () => undefined,
        port: lane.port,
        site: siteOf([mxHostname], lane.port),
        ...(access === undefined ? {} : { access }),
        // RFC 8461 §3.1 is about domains (STS-04).
        policy: undefined,
        requirement: (_, message) => tlsRequirement({ local, message }),
        levels: 1,
        hostsOmitted: false,
        madeAt,
        fresh: () => monotonic() < madeAt + FACTS_MS_MAX,
        level: async () => level,
      },
    }
  }
}

type Literal = MailDomain & { readonly kind: 'literal' }

function literalLevel(mxHostname: string, address: string, judgement: AddressJudgement): CandidateLevel {
  if (judgement.kind === 'allowed')
    return { hosts: [{ mxHostname, servername: undefined, addresses: [address] }], unusable: [], last: false }
  const { reason } = judgement
  const cause: DeliveryCause =
    reason === 'own-listener'
      ? { kind: 'mail-loop', name: mxHostname }
      : { kind: 'address-refused', addresses: [`${address} (${reason})`] }
  return { hosts: [], unusable: [{ mxHostname, cause }], last: false }
}

/** As for other facts; a policy is not used beyond its own end (RFC 8461 §3.2). */
function policyMs(policy: StsFacts | undefined, now: number): number {
  if (policy === undefined) return FACTS_MS_MAX
  const ms = Math.max(policy.validUntil - now, FACTS_MS_MIN)
  return policy.kind === 'policy' ? Math.min(ms, policy.expiresAt - now) : ms
}

function factsMs(ttlSeconds: number): number {
  return Math.min(Math.max(ttlSeconds * 1000, FACTS_MS_MIN), FACTS_MS_MAX)
}
