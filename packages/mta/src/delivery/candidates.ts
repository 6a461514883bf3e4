/**
 * From what DNS said about a next hop to the hosts to dial, in order (RFC 5321 §5.1). Pure: lookups are in `facts.ts`.
 *
 * Hosts come level by level of preference, so that addresses of worse hosts are asked for only when they are
 * needed, and so that we are recognised among the hosts of a level before one of them is dialled (SMTP-44).
 */
import {
  assertNever,
  cutAtOurselves,
  type DaneFacts,
  type DnsFailureReason,
  type DomainName,
  extendedErrorText,
  type HostAddresses,
  type HostOrigin,
  isOurTrouble,
  lookupResults,
  type MxCandidate,
  type NextHop,
  type ResolvedCandidate,
  type SessionResult,
} from '@hermetic/policy'
import type { DeliveryCause } from './outcome.ts'

/** A host that may be dialled. */
export interface CandidateHost {
  readonly mxHostname: string
  /**
   * The name that policies and certificates are about: the one in the MX record, and without MX the next-hop domain
   * itself, whatever alias it is (RFC 8461 §4.1). Absent for address literals.
   */
  readonly servername: DomainName | undefined
  /** How we came to it; absent for address literals. */
  readonly origin?: HostOrigin
  /** Absent: DANE was not looked at. */
  readonly dane?: DaneFacts
  /** Judged, in the order of dialling; never empty. */
  readonly addresses: readonly string[]
}

/** All hosts of one preference. */
export interface CandidateLevel {
  readonly hosts: readonly CandidateHost[]
  /** Hosts that cannot be dialled. */
  readonly unusable: readonly UnusableHost[]
  /** We are among the hosts: worse levels are not ours to use. */
  readonly last: boolean
}

export interface UnusableHost {
  readonly mxHostname: string
  readonly cause: DeliveryCause
  /** The name that a report knows it by, and what it says of it. */
  readonly reported?: { readonly name: DomainName; readonly results: readonly SessionResult[] }
}

/** Candidates grouped by preference, best first; they come sorted. */
export function preferenceLevels(candidates: readonly MxCandidate[]): readonly (readonly MxCandidate[])[] {
  const levels: MxCandidate[][] = []
  for (const candidate of candidates) {
    const level = levels.at(-1)
    if (level?.[0]?.preference === candidate.preference) level.push(candidate)
    else levels.push([candidate])
  }
  return levels
}

export interface LevelOptions {
  readonly addressesPerHostMax: number
  readonly domain: DomainName
  /** DANE is on: a failed validation of addresses is one of its failures. */
  readonly dane?: boolean
}

export function candidateLevel(
  resolved: readonly ResolvedCandidate[],
  { addressesPerHostMax, domain, dane = false }: LevelOptions,
): CandidateLevel {
  const { kept, ourselves } = cutAtOurselves(resolved)
  const hosts: CandidateHost[] = []
  const unusable: UnusableHost[] = []
  for (const { candidate, addresses } of kept) {
    const { mxHostname, implicit } = candidate
    const cause = unusableBecause(mxHostname, addresses)
    const name = implicit ? domain : mxHostname
    const results = dane ? addressResults(name, addresses) : []
    const reported = results.length === 0 ? {} : { reported: { name, results } }
    if (cause !== undefined) unusable.push({ mxHostname, cause, ...reported })
    else if (addresses.kind === 'addresses') {
      const dialled = addresses.allowed.slice(0, addressesPerHostMax).map(({ address }) => address)
      hosts.push({ mxHostname, servername: name, addresses: dialled })
    }
  }
  if (ourselves !== undefined && hosts.length === 0) {
    const name = ourselves.mxHostname
    unusable.push({ mxHostname: name, cause: { kind: 'mail-loop', name } })
  }
  return { hosts, unusable, last: ourselves !== undefined }
}

function unusableBecause(name: string, addresses: HostAddresses): DeliveryCause | undefined {
  switch (addresses.kind) {
    case 'failure':
      return dnsFailure('address', name, addresses.reason)
    case 'absent':
      return { kind: 'no-address', names: [name] }
    case 'addresses': {
      if (addresses.allowed.length > 0) return undefined
      const { refused, incomplete } = addresses
      // The family that could not be asked may hold an address that we may dial.
      if (incomplete !== undefined) return dnsFailure('address', name, incomplete.reason)
      return { kind: 'address-refused', addresses: refused.map(({ address, reason }) => `${address} (${reason})`) }
    }
    default:
      return assertNever(addresses)
  }
}

/** Table A, P3. */
function addressResults(name: DomainName, addresses: HostAddresses): readonly SessionResult[] {
  if (addresses.kind === 'absent') return []
  const failed = addresses.kind === 'addresses' ? addresses.incomplete : addresses
  return failed === undefined ? [] : lookupResults('address', name, failed.reason)
}

function dnsFailure(lookup: 'mx' | 'address', name: string, reason: DnsFailureReason): DeliveryCause {
  const ours = isOurTrouble(reason) ? ({ ours: true } as const) : {}
  return { kind: 'dns-failure', lookup, name, detail: dnsFailureText(reason), ...ours }
}

/** Why there is nobody to dial, as far as the MX answer alone says. */
export function nextHopCause(answer: Exclude<NextHop, { readonly kind: 'hosts' }>, domain: DomainName): DeliveryCause {
  switch (answer.kind) {
    case 'failure':
      return dnsFailure('mx', answer.name, answer.reason)
    case 'domain-not-found':
      return { kind: 'domain-not-found', name: answer.name }
    case 'null-mx':
      return { kind: 'null-mx', name: domain }
    case 'no-usable-mx':
      return { kind: 'no-address', names: [domain] }
    case 'mail-loop':
      return { kind: 'mail-loop', name: answer.name }
    default:
      return assertNever(answer)
  }
}

/** Hosts with an idle connection first: they are of equal preference, and the connection is there. */
export function warmFirst(
  hosts: readonly CandidateHost[],
  isWarm: (host: CandidateHost) => boolean,
): readonly CandidateHost[] {
  const warm = hosts.filter(isWarm)
  return warm.length === 0 ? hosts : [...warm, ...hosts.filter((host) => !warm.includes(host))]
}

export function dnsFailureText(reason: DnsFailureReason): string {
  switch (reason.kind) {
    case 'timeout':
    case 'cname-chain':
      return reason.kind
    case 'network':
      return `network ${reason.code}`
    case 'rcode':
      return reason.extendedError === undefined
        ? reason.rcode
        : `${reason.rcode}, ${extendedErrorText(reason.extendedError)}`
    case 'malformed':
      return `malformed answer: ${reason.detail}`
    case 'unvalidated':
      return `not validated: ${reason.detail}`
    default:
      return assertNever(reason)
  }
}
