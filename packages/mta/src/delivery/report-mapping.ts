/**
 * What delivery saw, as reports count it (RFC 8460 §4.2): sessions that reached a TLS decision, hosts that a policy kept
 * from having one, lookups and fetches without which none could be made. Judged before; here it only gets its place.
 * A next hop that is no domain has nobody who could ask for reports. Pure.
 */
import {
  type DomainName,
  type PolicyFailure,
  parseDomainName,
  type SessionResult,
  type StsFacts,
} from '@hermetic/policy'
import type { PolicyFailureSeen, SeenConnection, SessionSeen } from '@hermetic/reporter'
import type { CandidateHost } from './candidates.ts'
import type { SessionTarget } from './session-target.ts'

/** Who counts; must neither wait nor throw. */
export interface TlsReports {
  readonly session: (seen: SessionSeen) => void
  readonly failedFetch: (failure: PolicyFailureSeen) => void
}

type Where = Pick<SessionTarget, 'policyDomain' | 'servername' | 'sts'>

/** A connection, once: what was judged is told when nothing can take it back (RPT-61). */
export function judgedSession(
  { policyDomain, servername, sts }: Where,
  results: readonly SessionResult[],
  connection: SeenConnection,
): SessionSeen | undefined {
  return seen({ policyDomain, results, sts, mxHostname: servername, connection })
}

/** RPT-62: a host that was not contacted. */
export function skippedHost(
  { servername }: Pick<CandidateHost, 'servername'>,
  results: readonly SessionResult[],
  { policyDomain, policy }: { readonly policyDomain: string; readonly policy: StsFacts | undefined },
): SessionSeen | undefined {
  return seen({ policyDomain, results, sts: policyText(policy), mxHostname: servername })
}

/** Table A, P1 and P3: of the domain itself, or of a host without addresses. */
export function failedLookup(
  policyDomain: string,
  results: readonly SessionResult[],
  mxHostname?: DomainName | undefined,
): SessionSeen | undefined {
  return seen({ policyDomain, results, mxHostname })
}

export function failedFetch({ policyDomain, report, inForce }: PolicyFailure): PolicyFailureSeen {
  return { policyDomain, report, inForce }
}

export function policyText(policy: StsFacts | undefined): SessionSeen['sts'] {
  return policy?.kind === 'policy' ? policy.policy : undefined
}

function seen({ policyDomain, ...rest }: Omit<SessionSeen, 'policyDomain'> & { readonly policyDomain: string }) {
  if (rest.results.length === 0) return undefined
  const domain = parseDomainName(policyDomain)
  return domain.ok ? { policyDomain: domain.value, ...rest } : undefined
}
