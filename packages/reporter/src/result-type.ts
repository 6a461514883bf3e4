/**
 * The result types of RFC 8460 §4.3, all that the registry holds (§6.6). Pure.
 *
 * The words come from two rooms of the policy package, sessions and policy fetches; a type that either learns breaks
 * the build here.
 */
import type { PolicyFetchReport, SessionResultType } from '@hermetic/policy'

export type ResultType = SessionResultType | PolicyFetchReport['resultType']

/** What each means to somebody who reads a report, in half a sentence. */
export const RESULT_TYPE_MEANING = {
  'starttls-not-supported': 'the host did not offer STARTTLS, or refused it',
  'certificate-host-mismatch': "the certificate does not carry the host's name",
  'certificate-expired': 'a certificate has expired',
  'certificate-not-trusted': 'the certificate leads to no authority that is trusted, or is not the one in DNS',
  'validation-failure': 'TLS could not be negotiated, or the host is not one of the policy',
  'tlsa-invalid': 'none of the TLSA records can be used',
  'dnssec-invalid': 'DNS answers that DANE depends on could not be validated',
  'dane-required': 'DANE is demanded for this destination, and the host has none',
  'sts-policy-fetch-error': 'the MTA-STS policy could not be fetched',
  'sts-policy-invalid': 'the MTA-STS policy was fetched and is malformed',
  'sts-webpki-invalid': 'the certificate of the MTA-STS policy host is not valid',
} as const satisfies Record<ResultType, string>

export const RESULT_TYPES: readonly ResultType[] = Object.keys(RESULT_TYPE_MEANING) as ResultType[]

export function isResultType(text: string): text is ResultType {
  return Object.hasOwn(RESULT_TYPE_MEANING, text)
}
