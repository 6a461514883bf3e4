/**
 * Gathers what is known of a next hop as Postfix would come to it, and has every host judged by `tlsRequirement`, the
 * decision that delivery makes. What Postfix is told is decided in `reply.ts`.
 *
 * All hosts at once, for Postfix takes one level for all of them. Addresses are asked for only where DANE needs them (RFC
 * 7672 §2.2.2): who may be dialled, and who is Postfix itself, is its own business.
 */
import type { DaneFacts } from '../dane/facts.ts'
import type { HostOrigin } from '../dane/reference-names.ts'
import type { DaneSource } from '../dane/source.ts'
import type { DnsResolver } from '../dns/resolver.ts'
import type { DomainName } from '../domain-name.ts'
import type { StsSource } from '../mta-sts/source.ts'
import { FACTS_VALID_MAX_MS, type StsFacts } from '../mta-sts/source-facts.ts'
import { resolveAddresses } from '../next-hop/addresses.ts'
import { type MxCandidate, resolveNextHop } from '../next-hop/resolve.ts'
import { overridesInForce, type PolicyOverride } from '../override.ts'
import { type PreloadList, policyInForce } from '../preload.ts'
import { type PolicyInForce, type Requirement, tlsRequirement } from '../requirement.ts'
import type { EffectiveMode, Enforcement } from '../requirement-tables.ts'
import type { NextHopKey } from './query.ts'
import type { NobodyBecause } from './reasons.ts'
import type { SocketmapZone } from './zone.ts'

export interface DestinationOptions {
  readonly resolver: Pick<DnsResolver, 'mx' | 'address'>
  /** Absent: MTA-STS is off. */
  readonly sts?: Pick<StsSource, 'policyFor'> | undefined
  /** Absent: DANE is off. */
  readonly dane?: DaneSource | undefined
  /** The list in force now. */
  readonly preload?: (() => PreloadList | undefined) | undefined
  readonly overrides?: readonly PolicyOverride[] | undefined
  /** Where neither a zone nor an override says otherwise. */
  readonly enforcement?: Enforcement | undefined
  readonly random: () => number
  /** UTC milliseconds. */
  readonly now: () => number
}

export type Destination = Extract<NextHopKey, { readonly domain: DomainName }>

/** The same for every zone. */
export interface DestinationFacts {
  readonly domain: DomainName
  /** Undefined: MTA-STS is off. */
  readonly fetched: StsFacts | undefined
  readonly hosts: readonly HostFacts[]
  /** Why there is none, when there is none. */
  readonly nobody: NobodyBecause | undefined
  /** UTC milliseconds: never more than five minutes ahead. */
  readonly validUntil: number
}

export interface HostFacts {
  /** What policies and certificates are about: the name in the MX record, or the next hop itself. */
  readonly mxHostname: DomainName
  readonly origin: HostOrigin
  /** Undefined: DANE is off. */
  readonly dane: DaneFacts | undefined
}

/** What is decided about a destination under one zone. */
export interface JudgedDestination {
  readonly domain: DomainName
  readonly sts: PolicyInForce | undefined
  /** As published; undefined when it is not the domain's own word. */
  readonly policyLines: readonly string[] | undefined
  readonly stsUncertain: boolean
  readonly stsUnavailable: boolean
  readonly hosts: readonly JudgedHost[]
  readonly nobody: NobodyBecause | undefined
  /** UTC milliseconds. */
  readonly validUntil: number
}

export interface JudgedHost {
  readonly mxHostname: DomainName
  readonly requirement: Requirement
}

/** Short TTLs are raised to this, as delivery does: one burst of mail should not need two lookups. */
const FACTS_VALID_MIN_MS = 5_000

export async function destinationFacts(
  destination: Destination,
  options: DestinationOptions,
): Promise<DestinationFacts> {
  const { domain } = destination
  const asked = options.sts?.policyFor(domain)
  // Awaited below; a failed MX lookup must not leave it unheard.
  asked?.catch(() => undefined)
  const found = await (destination.kind === 'host'
    ? hostItself(destination, options)
    : mailExchangers(destination, options))
  const fetched = await asked
  const now = options.now()
  const known = Math.min(now + found.ttlSeconds * 1000, fetched?.validUntil ?? Number.POSITIVE_INFINITY)
  const validUntil = Math.min(Math.max(known, now + FACTS_VALID_MIN_MS), now + FACTS_VALID_MAX_MS, endOf(fetched))
  return { domain, fetched, hosts: found.hosts, nobody: found.nobody, validUntil }
}

/** A policy is not used beyond its own end (RFC 8461 §3.2). */
function endOf(fetched: StsFacts | undefined): number {
  return fetched?.kind === 'policy' ? fetched.expiresAt : Number.POSITIVE_INFINITY
}

interface Found {
  readonly hosts: readonly HostFacts[]
  readonly nobody: NobodyBecause | undefined
  readonly ttlSeconds: number
}

/** Brackets: the operator of Postfix names the host, and its MX are nobody's business. */
async function hostItself({ domain, port }: Destination, options: DestinationOptions): Promise<Found> {
  const host = { name: domain, mxHostname: domain, origin: { kind: 'route' } } as const
  return found(await Promise.all([hostFacts(host, port, options)]))
}

async function mailExchangers({ domain, port }: Destination, options: DestinationOptions): Promise<Found> {
  const { resolver, random } = options
  // Postfix cuts the list at itself; to judge more hosts than it will use is only stricter.
  const answer = await resolveNextHop({ resolver, domain, random, self: { names: [] } })
  if (answer.kind !== 'hosts') {
    return { hosts: [], nobody: answer.kind, ttlSeconds: 'ttlSeconds' in answer ? answer.ttlSeconds : 0 }
  }
  const { candidates, mxSecure: secure, expandedNextHop, ttlSeconds } = answer
  const hosts = await Promise.all(
    candidates.map(({ mxHostname: name, implicit }: MxCandidate) => {
      const origin: HostOrigin = implicit
        ? { kind: 'implicit-mx', nextHop: domain, secure }
        : { kind: 'mx', nextHop: domain, expandedNextHop, secure }
      return hostFacts({ name, mxHostname: implicit ? domain : name, origin }, port, options)
    }),
  )
  const all = found(hosts)
  return { ...all, ttlSeconds: Math.min(ttlSeconds, all.ttlSeconds) }
}

interface Host {
  /** Whose addresses are asked for: without MX records the end of the aliases. */
  readonly name: DomainName
  readonly mxHostname: DomainName
  readonly origin: HostOrigin
}

/** Undefined: it has no address, so that nobody will ever talk to it. */
type Asked = { readonly host: HostFacts | undefined; readonly ttlSeconds: number }

async function hostFacts(
  { name, mxHostname, origin }: Host,
  port: number,
  { resolver, dane: source }: DestinationOptions,
): Promise<Asked> {
  if (source === undefined) {
    return { host: { mxHostname, origin, dane: undefined }, ttlSeconds: Number.POSITIVE_INFINITY }
  }
  const guard = () => ({ kind: 'allowed' }) as const
  const addresses = await resolveAddresses({ resolver, host: name, guard, preferFamily: 6 })
  if (addresses.kind === 'absent') return { host: undefined, ttlSeconds: addresses.ttlSeconds }
  const dane = await source.factsFor({ host: name, port, origin, addresses })
  return { host: { mxHostname, origin, dane }, ttlSeconds: dane.kind === 'failure' ? 0 : dane.ttlSeconds }
}

function found(asked: readonly Asked[]): Found {
  const hosts = asked.flatMap(({ host }) => (host === undefined ? [] : [host]))
  const ttlSeconds = Math.min(...asked.map((one) => one.ttlSeconds))
  return { hosts, nobody: hosts.length === 0 ? 'no-address' : undefined, ttlSeconds }
}

export type JudgeOptions = Pick<DestinationOptions, 'preload' | 'overrides' | 'enforcement' | 'now'>

export function judgedDestination(
  { domain, fetched, hosts, nobody, validUntil }: DestinationFacts,
  zone: SocketmapZone,
  { preload, overrides: written = [], enforcement: elsewhere, now: clock }: JudgeOptions,
): JudgedDestination {
  const now = clock()
  const overrides = overridesInForce(written, { domain, now })
  const { sts: published, stsUncertain } = policyInForce({ domain, fetched, preload: preload?.(), now })
  const sts = published && { ...published, mode: modeIn(zone, published.mode) }
  const facts = {
    ...{ sts, stsUncertain, overrides },
    local: zone.require ?? 'nothing',
    enforcement: overrides.enforcement ?? zone.enforcement ?? elsewhere,
  } as const
  return {
    ...{ domain, sts, stsUncertain, nobody },
    policyLines: fetched?.kind === 'policy' ? fetched.policy.lines : undefined,
    stsUnavailable: fetched?.kind === 'unavailable',
    hosts: hosts.map(({ mxHostname, origin, dane }) => ({
      mxHostname,
      requirement: tlsRequirement({ ...facts, mxHostname, origin, dane }),
    })),
    validUntil: Math.min(validUntil, overrides.validUntil ?? Number.POSITIVE_INFINITY),
  }
}

function modeIn({ testing }: SocketmapZone, mode: EffectiveMode): EffectiveMode {
  return testing === 'enforce' ? 'enforce' : mode
}
