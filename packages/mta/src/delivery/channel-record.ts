/**
 * A channel as the delivery record tells it: how it was secured and by which certificate, enough to recognise that
 * and to see why it did not do; bounded, for people and never for decisions. Pure.
 */
import type { Channel, ClearBecause, PeerCertificate, PeerFacts } from '@hermetic/policy'

/** A channel that was judged, whether or not it proved what it must. */
export type JudgedChannelRecord = ClearChannel | TlsChannel

interface ClearChannel {
  readonly kind: 'clear'
  readonly because: ClearBecause
}

export interface TlsChannel {
  readonly kind: 'tls'
  readonly protocol: string
  readonly cipher: string
  readonly certificate: CertificateRecord
}

export interface CertificateRecord {
  /** Hexadecimal in lower case, as a TLSA record 3 0 1 has it (RFC 6698 §2.1). */
  readonly fingerprintSha256: string
  readonly subject: string
  readonly issuer: string
  /** UTC milliseconds. */
  readonly notAfter: number
  /** The subject alternative names as OpenSSL prints them, cut. */
  readonly names: string
}

/** A subject of public authorities is a name; some private ones write whole letters into theirs. */
const NAME_MAX = 256
/** A shared certificate may carry a hundred names; a few show whose it is. */
const NAMES_MAX = 300

export function channelRecord(channel: Channel): JudgedChannelRecord {
  return channel.kind === 'clear' ? { kind: 'clear', because: channel.because } : tlsChannel(channel.facts)
}

export function tlsChannel({ protocol, cipher, chain: [leaf] }: PeerFacts): TlsChannel {
  return { kind: 'tls', protocol, cipher, certificate: certificateRecord(leaf) }
}

function certificateRecord(leaf: PeerCertificate): CertificateRecord {
  return {
    fingerprintSha256: leaf.fingerprintSha256.replaceAll(':', '').toLowerCase(),
    subject: cut(leaf.subject, NAME_MAX),
    issuer: cut(leaf.issuer, NAME_MAX),
    notAfter: leaf.validTo,
    names: cut(leaf.subjectAltName, NAMES_MAX),
  }
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).toWellFormed()}…`
}
