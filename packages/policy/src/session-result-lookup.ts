/**
 * A failed lookup in the words of a report: whether DNSSEC is its cause, and a short code from a closed list. Pure.
 */
import type { DnsFailureReason } from './dns/answer.ts'
import { isRegistered, isValidationFailure } from './dns/extended-error.ts'

export type LookupKind = 'mx' | 'address' | 'cname' | 'tlsa'

/** A plain SERVFAIL has a hundred causes; only an extended error (RFC 8914) names this one. */
export function tellsOfDnssec(reason: DnsFailureReason): boolean {
  return reason.kind === 'rcode' && reason.extendedError !== undefined && isValidationFailure(reason.extendedError)
}

/** RPT-47 fixes `tlsa-lookup-timeout`; the others are made alike, with the number of an extended error that has a meaning. */
export function lookupReasonCode(lookup: LookupKind, reason: DnsFailureReason): string {
  if (reason.kind === 'timeout') return `${lookup}-lookup-timeout`
  const extended = reason.kind === 'rcode' ? reason.extendedError : undefined
  const number = extended !== undefined && isRegistered(extended) ? `-ede-${extended.infoCode}` : ''
  return `${lookup}-lookup-${tellsOfDnssec(reason) ? 'bogus' : 'failed'}${number}`
}
