/**
 * What is known of DANE for one candidate host (RFC 7672 §2.2), as plain values. `source.ts` gathers them,
 * `requirement.ts` decides what they demand, `authenticate.ts` whether a peer meets it.
 *
 * Three cases that are never mixed: DANE does not apply, a secure TLSA RRset, and not knowing. Only the first may
 * lead to what was before DANE.
 */
import type { DnsFailureReason } from '../dns/answer.ts'
import type { TlsaRecordData } from '../dns/resolver.ts'
import type { DomainName, OwnerName } from '../domain-name.ts'

export type DaneFacts = DaneAbsent | TlsaFacts | DaneFailure

/** TLS is opportunistic as far as DANE is concerned (RFC 7672 §2.2). */
export interface DaneAbsent {
  readonly kind: 'none'
  readonly because: NoDaneBecause
  readonly ttlSeconds: number
}

export type NoDaneBecause =
  /** DANE is switched off here, or DNS cannot be believed. */
  | 'off'
  /** The next hop is an address (RFC 7672 §2.2). */
  | 'address-literal'
  /** The MX RRset is insecure, and the operator ignores TLSA behind such (D-8). */
  | 'insecure-mx'
  /** The first address answer, or the first alias, is insecure: TLSA are not even asked for. */
  | 'insecure-address'
  /** The host has no address; it is unreachable anyhow (RFC 7672 §2.2.2). */
  | 'no-address'
  /** A TLSA RRset that nobody signed. */
  | 'insecure-tlsa'
  /** No TLSA RRset at any candidate base domain; a denial may be insecure, as below an opt-out span (RFC 5155 §6). */
  | 'no-tlsa'

/** The first candidate base domain with a secure TLSA RRset, usable or not (RFC 7672 §2.2.3). */
export interface TlsaFacts {
  readonly kind: 'tlsa'
  /** Sent as SNI, and the primary reference identifier (RFC 7672 §8.1, §3.2.2). */
  readonly baseDomain: DomainName
  /** Where it was asked for: `_25._tcp.mx.example.com`. */
  readonly owner: OwnerName
  /** Names that a DANE-TA certificate may carry; the base domain comes first (RFC 7672 §3.2.2). */
  readonly referenceNames: readonly [DomainName, ...DomainName[]]
  /** False: the MX RRset that named the host is insecure (Table A, group 1b); the level is never called verified. */
  readonly mxSecure: boolean
  readonly published: readonly [TlsaRecordData, ...TlsaRecordData[]]
  /** What counts after usability and digest agility; empty: TLS is mandatory, authentication is not (RFC 7672 §2.2). */
  readonly usable: readonly TlsaRecord[]
  readonly ttlSeconds: number
}

/** The host must be treated as unreachable (RFC 7672 §2.1.2). */
export interface DaneFailure {
  readonly kind: 'failure'
  readonly lookup: 'address' | 'cname' | 'tlsa'
  readonly name: OwnerName
  readonly reason: DnsFailureReason
}

/** A record that we can use: DANE-TA(2) or DANE-EE(3) with well-formed association data (RFC 7671 §2, §5). */
export interface TlsaRecord {
  readonly usage: 'dane-ta' | 'dane-ee'
  readonly selector: 'cert' | 'spki'
  readonly matchingType: 'full' | 'sha-256' | 'sha-512'
  readonly associationData: Uint8Array
}

/** Whether a peer is the one that the TLSA records mean. */
export type DaneAuthentication =
  | {
      readonly kind: 'authenticated'
      readonly record: TlsaRecord
      /** DANE-TA: the reference name that the certificate carries. */
      readonly name?: DomainName
    }
  | { readonly kind: 'failed'; readonly reasons: readonly [DaneReason, ...DaneReason[]] }

/** Reasons of the record that came nearest to a match; each has one result type in reports (RFC 8460 §4.3.1). */
export type DaneReason =
  /** No certificate that was sent, and none in DNS, is what the records say. */
  | { readonly kind: 'no-tlsa-match' }
  /** An anchor matches, but the path to it does not hold; `code` is ours, from a closed list. */
  | { readonly kind: 'path-invalid'; readonly code: string }
  | { readonly kind: 'certificate-expired'; readonly depth: number }
  | { readonly kind: 'certificate-not-yet-valid'; readonly depth: number }
  | { readonly kind: 'name-mismatch'; readonly names: readonly DomainName[] }
