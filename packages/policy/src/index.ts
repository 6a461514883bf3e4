/** The public API of `@hermetic/policy`: what a destination demands of TLS, and whether a peer proved it. */
export type { DnsAbsence, DnsAnswer, DnsFailure, DnsFailureReason, DnsRecords, ExtendedDnsError } from './dns/answer.ts'
export type { DnsResolver, MxRecord, TlsaRecordData } from './dns/resolver.ts'
export {
  type DomainName,
  type DomainNameError,
  isSubdomainOf,
  labels,
  type OwnerName,
  ownerName,
  parseDomainName,
  parseOwnerName,
} from './domain-name.ts'
export { assertNever, err, invariant, ok, type Result } from './result.ts'
