/**
 * A failed lookup in the words of a report: whether DNSSEC is its cause, and a short code from a closed list. Pure.
 */
import type { DnsFailureReason } from './dns/answer.ts'

export type LookupKind = 'mx' | 'address' | 'cname' | 'tlsa'

/** RFC 8914 §4: DNSSEC indeterminate, bogus, signature expired or not yet valid, and the records that are missing. */
const DNSSEC_CODES: ReadonlySet<number> = new Set([5, 6, 7, 8, 9, 10, 11, 12])

/** A plain SERVFAIL has a hundred causes; only an extended error (RFC 8914) names this one. */
export function tellsOfDnssec(reason: DnsFailureReason): boolean {
  return reason.kind === 'rcode' && DNSSEC_CODES.has(reason.extendedError?.infoCode ?? 0)
}

/** RPT-47 fixes `tlsa-lookup-timeout`; the others are made alike. */
export function lookupReasonCode(lookup: LookupKind, reason: DnsFailureReason): string {
  if (reason.kind === 'timeout') return `${lookup}-lookup-timeout`
  return tellsOfDnssec(reason) ? `${lookup}-lookup-bogus` : `${lookup}-lookup-failed`
}
