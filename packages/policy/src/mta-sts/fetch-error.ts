/**
 * Why a policy could not be had, and what a report calls it (RFC 8461 §3.3, RFC 8460 §4.3.2.2). Pure.
 *
 * Whether the failure is reported at all, counted or waited out is decided by those who asked (RFC 8461 §6).
 */
import type { HttpsFailure } from '../egress/https-failure.ts'
import { assertNever } from '../result.ts'
import type { PolicyFileError } from './policy-file.ts'

export type PolicyFetchError =
  | HttpsFailure
  /** `mta-sts.` and the domain together are too long for a name. */
  | { readonly kind: 'policy-host-name' }
  /** Not 200. Redirects are not followed. */
  | { readonly kind: 'status'; readonly address: string; readonly status: number }
  /** Undefined when there was none. */
  | { readonly kind: 'media-type'; readonly address: string; readonly mediaType: string | undefined }
  | { readonly kind: 'policy-invalid'; readonly address: string; readonly error: PolicyFileError }
  /** Another process that shares the cache could not have it; what it saw is known to it alone. */
  | { readonly kind: 'elsewhere'; readonly report: PolicyFetchReport }

/** RFC 8460 §4.3.2.2. */
export type PolicyFetchResultType = 'sts-policy-fetch-error' | 'sts-webpki-invalid' | 'sts-policy-invalid'

export interface PolicyFetchReport {
  readonly resultType: PolicyFetchResultType
  /** RFC 8460 §4.4; from a small closed vocabulary, so that reports and metrics stay bounded. */
  readonly failureReasonCode: string
}

/** Undefined for what is no failure of the policy host: our own limits and our own end. */
export function policyFetchReport(error: PolicyFetchError): PolicyFetchReport | undefined {
  switch (error.kind) {
    case 'own-limit':
    case 'aborted':
      return undefined
    case 'webpki':
      return { resultType: 'sts-webpki-invalid', failureReasonCode: `webpki-${error.reason}` }
    case 'elsewhere':
      return error.report
    case 'policy-invalid':
      return { resultType: 'sts-policy-invalid', failureReasonCode: `policy-${error.error.kind}` }
    default:
      return { resultType: 'sts-policy-fetch-error', failureReasonCode: fetchReason(error) }
  }
}

type OtherTypes = 'own-limit' | 'aborted' | 'webpki' | 'policy-invalid' | 'elsewhere'

function fetchReason(error: Exclude<PolicyFetchError, { readonly kind: OtherTypes }>): string {
  switch (error.kind) {
    case 'dns':
    case 'connect':
    case 'tls':
      return `${error.kind}-failed`
    case 'timeout':
      return `timeout-${error.phase}`
    case 'status':
      return `status-${error.status}`
    case 'policy-host-name':
    case 'no-address':
    case 'address-refused':
    case 'truncated':
    case 'malformed':
    case 'content-encoding':
    case 'too-large':
    case 'media-type':
      return error.kind
    default:
      return assertNever(error)
  }
}
