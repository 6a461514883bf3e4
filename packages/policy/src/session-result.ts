/**
 * What one session says about the TLS of its host, in the words of RFC 8460 §4.3: a success or a failure under the
 * policy that applied. Who is told, and how often it happened, is the reporter's business. Pure.
 *
 * A failure counts once, whatever number of details it has. Local policy is nobody else's business and leaves no
 * trace here: without a policy of the domain the session is judged as opportunistic.
 */
import type { ProofRequirement } from './requirement.ts'
import { assertNever } from './result.ts'
import type { TlsFailure } from './tls-failure.ts'
import { type CertificateReason, type Channel, pkixProblems } from './verdict.ts'

export interface SessionResult {
  readonly policyType: 'sts' | 'no-policy-found'
  readonly outcome:
    | { readonly kind: 'success' }
    | { readonly kind: 'failure'; readonly details: readonly [FailureDetail, ...FailureDetail[]] }
}

export interface FailureDetail {
  readonly resultType: SessionResultType
  /** From a closed list of ours, or a code of OpenSSL's: never text of the peer. */
  readonly failureReasonCode?: string
}

/** RFC 8460 §4.3.1, §4.3.3. */
export type SessionResultType =
  | 'starttls-not-supported'
  | 'certificate-host-mismatch'
  | 'certificate-expired'
  | 'certificate-not-trusted'
  | 'validation-failure'

/** The policy does not name the host: RFC 8460 has no type for that (D-6). */
const MX_MISMATCH: FailureDetail = { resultType: 'validation-failure', failureReasonCode: 'sts-mx-mismatch' }

/** Of a host that was not contacted because the policy does not name it. */
export function unreachableResult(): SessionResult {
  return failure('sts', [MX_MISMATCH])
}

/** `channel`: as it was judged; a handshake that failed is a clear channel, whether or not anything was sent on it. */
export function sessionResult(requirement: ProofRequirement, channel: Channel): SessionResult {
  const { sts } = requirement
  if (sts === undefined) return result('no-policy-found', channel.kind === 'clear' ? [clearFailure(channel)] : [])
  const mismatch = sts.matched === undefined ? [MX_MISMATCH] : []
  return result('sts', [...mismatch, ...channelFailures(channel)])
}

function result(policyType: SessionResult['policyType'], details: readonly FailureDetail[]): SessionResult {
  const [first, ...more] = details
  return first === undefined ? { policyType, outcome: { kind: 'success' } } : failure(policyType, [first, ...more])
}

function failure(
  policyType: SessionResult['policyType'],
  details: readonly [FailureDetail, ...FailureDetail[]],
): SessionResult {
  return { policyType, outcome: { kind: 'failure', details } }
}

function channelFailures(channel: Channel): readonly FailureDetail[] {
  if (channel.kind === 'clear') return [clearFailure(channel)]
  // A wrong name is told of a chain that holds only (RPT-40).
  const [first] = pkixProblems(channel.facts)
  return first === undefined ? [] : [certificateFailure(first)]
}

function clearFailure({ because, failure: broken }: Channel & { readonly kind: 'clear' }): FailureDetail {
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
  return { resultType: 'certificate-not-trusted', failureReasonCode: reason.code }
}
