/**
 * Port: DNS. The adapter is `stub-resolver.ts`; tests use it against a real name server.
 *
 * Promises: never rejects for anything that DNS can cause; follows CNAMEs; records of other owners or types
 * are not returned; names outside the hostname alphabet never come back (RFC 952, RFC 1123 §2.1).
 */
import type { DomainName, OwnerName } from '../domain-name.ts'
import type { DnsAnswer } from './answer.ts'

export interface DnsResolver {
  /** Mail exchangers as published, unsorted. A null MX (RFC 7505) has exchange '.'. */
  mx(name: DomainName): Promise<DnsAnswer<MxRecord>>
  /** A or AAAA records. The families are asked apart: one may fail while the other answers. */
  address(name: DomainName, family: 4 | 6): Promise<DnsAnswer<string>>
  /**
   * Each record is its list of character-strings, decoded as latin1 (one byte, one character). `afresh` asks the
   * servers even when an earlier answer is still valid (RFC 8461 §5.1 wants that before mail is given up).
   */
  txt(name: OwnerName, options?: { readonly afresh?: boolean }): Promise<DnsAnswer<readonly string[]>>
  /** The alias target, without following it further; targets of service names may have underscores. */
  cname(name: DomainName): Promise<DnsAnswer<OwnerName>>
  /** TLSA records (RFC 6698 §2.1) at `_port._tcp.name`. */
  tlsa(owner: OwnerName): Promise<DnsAnswer<TlsaRecordData>>
  /** PTR names of an address, for `doctor`. */
  reverse(address: string): Promise<DnsAnswer<DomainName>>
}

export interface MxRecord {
  readonly preference: number
  /** A hostname in canonical form; '.' for the root; undefined when it is not a hostname (then not usable). */
  readonly exchange: DomainName | '.' | undefined
}

/** RFC 6698 §2.1, the fields as numbers: meaning is given in `dane/`. */
export interface TlsaRecordData {
  readonly usage: number
  readonly selector: number
  readonly matchingType: number
  readonly associationData: Uint8Array
}
