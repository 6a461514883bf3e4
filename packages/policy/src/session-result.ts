/**
 * What one session says about the TLS of its host, in the words of RFC 8460 §4.3: side by side a success or a failure for
 * each policy that applied, each judged on its own (RPT-58). Who is told, and how often it happened, is the reporter's
 * business. Pure.
 *
 * A failure counts once, whatever number of details it has. What the operator or a sender wants is nobody else's business
 * and leaves no trace here: without a policy of its owner a session is judged as opportunistic; where a sender asked
 * that policies be ignored, or an operator waived them, nothing is said of them (RTLS-39).
 */
import type { DaneReason } from './dane/facts.ts'
import { type DnsFailureReason, isOurTrouble } from './dns/answer.ts'
import type { TlsaRecordData } from './dns/resolver.ts'
import { labels, type OwnerName, parseOwnerName } from './domain-name.ts'
import type { ProofRequirement, StsAssessment, Unreachable, UnreachableReason } from './requirement.ts'
import type { DaneAssessment } from './requirement-dane.ts'
import { assertNever } from './result.ts'
import { type LookupKind, lookupReasonCode, tellsOfDnssec } from './session-result-lookup.ts'
import type { TlsFailure } from './tls-failure.ts'
import { type CertificateReason, type Channel, pkixProblems, tlsaProblems, type VerdictReason } from './verdict.ts'

export type SessionResult = DomainResult | TlsaResult

/** Of the next-hop domain. */
export interface DomainResult {
  readonly policyType: 'sts' | 'no-policy-found'
  readonly outcome: SessionOutcome
}

/** Of one host. */
export interface TlsaResult {
  readonly policyType: 'tlsa'
  /** The TLSA base domain; where there is none, the name whose lookup failed, or the host (RPT-27, RPT-46, RPT-48). */
  readonly policyDomain: OwnerName
  /** In one order; empty when none could be had. */
  readonly published: readonly TlsaRecordData[]
  readonly outcome: SessionOutcome
}

export type SessionOutcome =
  | { readonly kind: 'success' }
  | { readonly kind: 'failure'; readonly details: readonly [FailureDetail, ...FailureDetail[]] }

export interface FailureDetail {
  readonly resultType: SessionResultType
  /** From a closed list of ours, or a code of OpenSSL's: never text of the peer. */
  readonly failureReasonCode?: string
}

/** RFC 8460 §4.3.1, §4.3.2.1, §4.3.3. */
export type SessionResultType =
  | 'starttls-not-supported'
  | 'certificate-host-mismatch'
  | 'certificate-expired'
  | 'certificate-not-trusted'
  | 'tlsa-invalid'
  | 'dnssec-invalid'
  | 'dane-required'
  | 'validation-failure'

/** The policy does not name the host: RFC 8460 has no type for that (D-6). */
const MX_MISMATCH: FailureDetail = { resultType: 'validation-failure', failureReasonCode: 'sts-mx-mismatch' }
const TLSA_INVALID: FailureDetail = { resultType: 'tlsa-invalid' }

/** Of a host that was not contacted: one failure for each policy that is the reason (RPT-62). */
export function unreachableResults({ reasons, message }: Unreachable): readonly SessionResult[] {
  return message === 'tls-optional' ? [] : reasons.flatMap(refusalResults)
}

function refusalResults(reason: UnreachableReason): readonly SessionResult[] {
  switch (reason.kind) {
    case 'sts-mx-mismatch':
      return reason.sts.preloaded ? [] : [{ policyType: 'sts', outcome: outcome([MX_MISMATCH]) }]
    case 'tlsa-lookup-failed': {
      const { lookup, name, reason: why } = reason.failure
      // Nobody's DNSSEC is at fault when we cannot ask, or have nobody who validates.
      if (isOurTrouble(why)) return []
      if (lookup === 'address') return lookupResults(lookup, name, why)
      return [dnssecInvalid(lookup, lookup === 'tlsa' ? tlsaBaseDomain(name) : name, why)]
    }
    case 'dane-required':
      return reason.host === undefined ? [] : [withoutTlsa(reason.host, { resultType: 'dane-required' })]
    case 'tlsa-invalid':
      return [tlsaResult(reason.dane, [TLSA_INVALID])]
    case 'requiretls-name-unproven':
      return []
    default:
      return assertNever(reason)
  }
}

/** RPT-46: the host, not the name of its records, `_25._tcp.` and the base domain (RFC 6698 §3). */
function tlsaBaseDomain(owner: OwnerName): OwnerName {
  const base = parseOwnerName(labels(owner).slice(2).join('.'))
  return base.ok ? base.value : owner
}

/**
 * Of a domain whose mail exchangers, or of a host whose addresses, could not be looked up: a failure of DANE only when
 * DNSSEC is known to be the cause (Table A, P1 and P3).
 */
export function lookupResults(
  lookup: 'mx' | 'address',
  name: OwnerName,
  reason: DnsFailureReason,
): readonly SessionResult[] {
  return tellsOfDnssec(reason) ? [dnssecInvalid(lookup, name, reason)] : []
}

function dnssecInvalid(lookup: LookupKind, name: OwnerName, reason: DnsFailureReason): TlsaResult {
  return withoutTlsa(name, { resultType: 'dnssec-invalid', failureReasonCode: lookupReasonCode(lookup, reason) })
}

/** `channel`: as it was judged; a handshake that failed is a clear channel, whether or not anything was sent on it. */
export function sessionResults(requirement: ProofRequirement, channel: Channel): readonly SessionResult[] {
  const { dane, sts, observed, message, waived = [] } = requirement
  if (message === 'tls-optional') return []
  const results: SessionResult[] = []
  if (dane !== undefined) results.push(tlsaResult(dane, daneFailures(dane, channel)))
  // An observed failure to learn the TLSA records kept nobody from connecting.
  for (const reason of observed?.unreachable ?? []) {
    if (reason.kind === 'tlsa-lookup-failed') results.push(...refusalResults(reason))
  }
  if (sts !== undefined && !sts.preloaded) results.push(stsResult(sts, channel))
  if (results.length > 0 || waived.length > 0) return results
  return [{ policyType: 'no-policy-found', outcome: outcome(channel.kind === 'clear' ? [clearFailure(channel)] : []) }]
}

function stsResult({ matched }: StsAssessment, channel: Channel): DomainResult {
  const mismatch = matched === undefined ? [MX_MISMATCH] : []
  return { policyType: 'sts', outcome: outcome([...mismatch, ...channelFailures(channel)]) }
}

function tlsaResult({ baseDomain, published }: DaneAssessment, details: readonly FailureDetail[]): TlsaResult {
  return { policyType: 'tlsa', policyDomain: baseDomain, published, outcome: outcome(details) }
}

/** Of a host without a TLSA RRset that one could name. */
function withoutTlsa(policyDomain: OwnerName, detail: FailureDetail): TlsaResult {
  return { policyType: 'tlsa', policyDomain, published: [], outcome: outcome([detail]) }
}

function outcome([first, ...more]: readonly FailureDetail[]): SessionOutcome {
  return first === undefined ? { kind: 'success' } : { kind: 'failure', details: [first, ...more] }
}

/** Without a usable record it is a failure even when TLS is fine (RPT-63). */
function daneFailures({ usable }: DaneAssessment, channel: Channel): readonly FailureDetail[] {
  const unusable = usable.length === 0 ? [TLSA_INVALID] : []
  if (channel.kind === 'clear') return [...unusable, clearFailure(channel)]
  return usable.length === 0 ? unusable : tlsaProblems(channel).flatMap(daneFailure)
}

function daneFailure(problem: VerdictReason): readonly FailureDetail[] {
  return problem.kind === 'tlsa-mismatch' ? [mismatchDetail(problem.reason)] : []
}

/** D-5 and RPT-40 to RPT-42. */
function mismatchDetail(reason: DaneReason): FailureDetail {
  switch (reason.kind) {
    case 'no-tlsa-match':
      return untrusted('dane-no-matching-tlsa')
    case 'path-invalid':
      return untrusted(`dane-path-${reason.code}`)
    case 'certificate-expired':
      return { resultType: 'certificate-expired' }
    case 'certificate-not-yet-valid':
      return untrusted(reason.kind)
    case 'name-mismatch':
      return { resultType: 'certificate-host-mismatch' }
    default:
      return assertNever(reason)
  }
}

function untrusted(failureReasonCode: string): FailureDetail {
  return { resultType: 'certificate-not-trusted', failureReasonCode }
}

function channelFailures(channel: Channel): readonly FailureDetail[] {
  if (channel.kind === 'clear') return [clearFailure(channel)]
  // A wrong name is told of a chain that holds only (RPT-40).
  const [first] = pkixProblems(channel.facts)
  return first === undefined ? [] : [certificateFailure(first)]
}

/** RPT-39: a refusal is told by the code of its reply, also one that ended the session (421). */
function clearFailure({ because, failure: broken, reply }: Channel & { readonly kind: 'clear' }): FailureDetail {
  if (reply !== undefined) return { resultType: 'starttls-not-supported', failureReasonCode: `${reply}` }
  switch (because) {
    case 'starttls-not-offered':
      return { resultType: 'starttls-not-supported' }
    case 'starttls-refused':
      return { resultType: 'starttls-not-supported', failureReasonCode: because }
    case 'handshake-failed':
      return { resultType: 'validation-failure', failureReasonCode: broken ? handshakeCode(broken) : because }
    default:
      return assertNever(because)
  }
}

function handshakeCode(broken: TlsFailure): string {
  return broken.kind === 'alert' ? `alert-${broken.alert}` : broken.kind
}

/** RFC 8460 §4.3.1; one that is not valid yet is not trusted (RPT-41). */
function certificateFailure(reason: CertificateReason): FailureDetail {
  if (reason.kind === 'certificate-name-mismatch') return { resultType: 'certificate-host-mismatch' }
  if (reason.code === 'CERT_HAS_EXPIRED') return { resultType: 'certificate-expired' }
  return untrusted(reason.code)
}
