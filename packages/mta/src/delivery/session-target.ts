/** What a session is opened for: whose mail, which host, and what it has to prove there (RFC 8461 §5, RFC 7672 §3). Pure. */
import {
  authenticateByTlsa,
  type DaneAuthentication,
  type DaneFacts,
  type DomainName,
  type PeerFacts,
  type ProofRequirement,
  type StsPolicy,
} from '@hermetic/policy'
import type { LaneId } from './lane.ts'
import type { RemoteHost } from './outcome.ts'
import type { RouteAccess } from './route.ts'
import type { SourceAddress } from './source-address.ts'

export interface SessionTarget {
  readonly lane: LaneId
  readonly remote: RemoteHost
  /** The name to compare, and SNI where no TLSA base domain takes its place; absent for address literals (RFC 6066 §3). */
  readonly servername: DomainName | undefined
  readonly policyDomain: string
  /** The policy behind an MTA-STS requirement, for reports. */
  readonly sts?: Pick<StsPolicy, 'lines' | 'mx'> | undefined
  readonly requirement: ProofRequirement
  /** For the record; absent when DANE was not looked at. */
  readonly dane?: DaneFacts | undefined
  /** Of a route: how TLS begins, and the credentials. Absent for mail exchangers. */
  readonly access?: RouteAccess | undefined
  /** From where, and as whom; absent: the system's choice, and our name. */
  readonly source?: SourceAddress | undefined
}

/** DANE-85: the TLSA base domain where there is one, else the name in the MX record. */
export function serverNameIndication({ requirement, servername }: Pick<SessionTarget, 'requirement' | 'servername'>) {
  return requirement.dane?.baseDomain ?? servername
}

/** DANE-90: with the records that are current for this requirement. */
export function comparedWithTlsa(
  { dane }: ProofRequirement,
  { chain }: PeerFacts,
  now: number,
): DaneAuthentication | undefined {
  if (dane === undefined || dane.usable.length === 0) return undefined
  const { usable, referenceNames } = dane
  return authenticateByTlsa({ usable, referenceNames, chain, now })
}
