/**
 * What DNS said, and how sure we are of it.
 *
 * Four cases that are never mixed: records, proven or unproven absence, and failure. `secure` is true only
 * when a validating resolver that we trust said so (RFC 4035 §3.2.3, `trust.ts`); bogus and indeterminate
 * are failures (RFC 7672 §2.1.1). Pure.
 */
import type { OwnerName } from '../domain-name.ts'

export type DnsAnswer<T> = DnsRecords<T> | DnsAbsence | DnsFailure

export interface DnsRecords<T> {
  readonly kind: 'records'
  readonly records: readonly [T, ...T[]]
  /** The whole chain of the answer was validated. */
  readonly secure: boolean
  /** The owner of the records: the name asked for, or the end of the CNAME chain. */
  readonly canonicalName: OwnerName
  /** Least TTL of the answer, the CNAMEs included. */
  readonly ttlSeconds: number
}

/** RFC 2308: the name does not exist, or it has no records of this type. */
export interface DnsAbsence {
  readonly kind: 'absent'
  readonly reason: 'nxdomain' | 'nodata'
  readonly secure: boolean
  readonly canonicalName: OwnerName
  readonly ttlSeconds: number
}

export interface DnsFailure {
  readonly kind: 'failure'
  readonly reason: DnsFailureReason
}

export type DnsFailureReason =
  /** No server answered in time. */
  | { readonly kind: 'timeout' }
  /** No server could be reached, or the local socket failed; `code` is the system's, e.g. ECONNREFUSED. */
  | { readonly kind: 'network'; readonly code: string }
  /** The server said so; `extendedError` is RFC 8914's, when it sent one (6 = DNSSEC bogus). */
  | { readonly kind: 'rcode'; readonly rcode: string; readonly extendedError?: ExtendedDnsError }
  /** The answer could not be understood or did not belong to the question. */
  | { readonly kind: 'malformed'; readonly detail: string }
  /** A CNAME chain that loops or is too long. */
  | { readonly kind: 'cname-chain' }
  /**
   * Nobody can vouch now for what the answer says of DNSSEC: the validator is gone, or does not validate any more.
   * Taken for insecure, it would switch DANE off (architecture, decision 6).
   */
  | { readonly kind: 'unvalidated'; readonly detail: string }

/** We could not even ask, or nobody validates any more: that says nothing about the name that was asked for. */
export function isOurTrouble({ kind }: DnsFailureReason): boolean {
  return kind === 'network' || kind === 'unvalidated'
}

/** RFC 8914 §2. */
export interface ExtendedDnsError {
  readonly infoCode: number
  readonly extraText: string
}
