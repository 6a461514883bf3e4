/**
 * What policies say about one host, put together for the decision: the MTA-STS policy of the domain or its preload entry,
 * TLSA facts, overrides, how we came to the host. DNS is asked for TLSA here; the rest is known. The decision itself is
 * `tlsRequirement`.
 */
import {
  type DaneSource,
  type DomainName,
  type Enforcement,
  type HostDemand,
  type HostOrigin,
  type MessageTls,
  type MxCandidate,
  overridesInForce,
  type PolicyOverride,
  type PreloadList,
  policyInForce,
  type Requirement,
  type ResolvedCandidate,
  type StsFacts,
  tlsRequirement,
} from '@hermetic/policy'
import type { CandidateHost } from './candidates.ts'

export interface PolicySettings {
  /** Absent: DANE is off. */
  readonly dane?: DaneSource | undefined
  /** The list in force now. */
  readonly preload?: (() => PreloadList | undefined) | undefined
  readonly overrides?: readonly PolicyOverride[] | undefined
  /** Where no override says otherwise. */
  readonly enforcement?: Enforcement | undefined
}

export interface DomainPolicy {
  readonly domain: DomainName
  readonly policy: StsFacts | undefined
  readonly local: HostDemand
  readonly message: MessageTls
  /** UTC milliseconds. */
  readonly now: number
}

export function hostRequirement(
  { servername: mxHostname, dane, origin }: CandidateHost,
  { domain, policy, local, message, now }: DomainPolicy,
  { preload, overrides = [], enforcement }: PolicySettings,
): Requirement {
  const inForce = overridesInForce(overrides, { domain, now })
  return tlsRequirement({
    ...policyInForce({ domain, fetched: policy, preload: preload?.(), now }),
    ...{ local, mxHostname, dane, origin, message, overrides: inForce },
    enforcement: inForce.enforcement ?? enforcement,
  })
}

type Written = Pick<PolicySettings, 'overrides' | 'enforcement' | 'preload'> & { readonly now: () => number }

/** Nothing that policies say, or that they could not be had, keeps ordinary mail for the domain back. */
export function isObserved(domain: DomainName, { overrides = [], enforcement, now }: Written): boolean {
  return (overridesInForce(overrides, { domain, now: now() }).enforcement ?? enforcement) === 'observe'
}

/** How long what is decided by waivers and by the preload list holds: until the first of them ends. */
export function localMs(domain: DomainName, { overrides = [], preload, now }: Written): number {
  const at = now()
  const list = preload?.()
  const listEnds = list?.entries.has(domain) ? list.expiresAt : undefined
  const ends = [overridesInForce(overrides, { domain, now: at }).validUntil, listEnds]
  return Math.min(...ends.flatMap((end) => (end === undefined || end <= at ? [] : [end - at])))
}

export interface HostQuestion {
  readonly port: number
  readonly originOf: (candidate: MxCandidate) => HostOrigin
  /** By the name of the host. */
  readonly known: ReadonlyMap<string, ResolvedCandidate>
}

/** RFC 7672 §2.2.2: after the addresses, and only of hosts that have some. */
export async function withDane(
  host: CandidateHost,
  { port, originOf, known }: HostQuestion,
  { dane }: PolicySettings,
): Promise<CandidateHost> {
  const resolved = known.get(host.mxHostname)
  if (resolved === undefined) return host
  const { candidate, addresses } = resolved
  const origin = originOf(candidate)
  if (dane === undefined) return { ...host, origin }
  return { ...host, origin, dane: await dane.factsFor({ host: candidate.mxHostname, port, origin, addresses }) }
}

/** How long they count, in seconds; a failure is asked again for the next attempt. */
export function daneSeconds({ dane }: CandidateHost): number {
  if (dane === undefined) return Number.POSITIVE_INFINITY
  return dane.kind === 'failure' ? 0 : dane.ttlSeconds
}
