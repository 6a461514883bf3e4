/**
 * What a TLS peer showed: everything that `verdict.ts` may need, as plain values that survive a worker boundary.
 *
 * Facts only, no judgement: an expired or misnamed certificate is a fact here. The chain is the one that was sent,
 * in the order it was sent (`getPeerX509Certificate()` and its issuer links), not the one OpenSSL built.
 */
import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { DomainName } from './domain-name.ts'

export interface PeerFacts {
  readonly protocol: 'TLSv1.2' | 'TLSv1.3'
  /** The IANA name, e.g. TLS_AES_256_GCM_SHA384. */
  readonly cipher: string
  /** The group of the ephemeral key exchange, e.g. X25519MLKEM768; undefined where Node has no name for it. */
  readonly keyExchange: string | undefined
  readonly chain: readonly [PeerCertificate, ...PeerCertificate[]]
  /** More certificates were sent than are kept here. */
  readonly chainCut: boolean
  readonly pkix: PkixFact
  readonly name: NameFact
}

export interface PeerCertificate {
  readonly der: Uint8Array
  /** Colon-separated upper-case hexadecimal. */
  readonly fingerprintSha256: string
  readonly subject: string
  readonly issuer: string
  /** UTC milliseconds. */
  readonly validFrom: number
  readonly validTo: number
  /** As OpenSSL prints it, cut: for people, never for decisions. */
  readonly subjectAltName: string
}

/** Whether the chain leads to a root that we believe, dates and purposes included; names are apart. */
export type PkixFact =
  | { readonly kind: 'trusted' }
  /** OpenSSL's X.509 verification code, e.g. CERT_HAS_EXPIRED. */
  | { readonly kind: 'untrusted'; readonly code: string }

/** Whether the leaf carries the name that we asked for as a DNS-ID (RFC 6125); common names never count. */
export type NameFact =
  | { readonly kind: 'matched' | 'mismatched'; readonly name: DomainName }
  /** The host is known by address only. */
  | { readonly kind: 'not-asked' }

/** Chains on the web have at most four; beyond this a peer only costs memory. */
const MAX_CHAIN = 16
const MAX_SHOWN_NAMES = 1000
const HOST_CHARACTERS = /^[a-z0-9.-]+$/

/** Undefined when the peer showed no certificate. The handshake must be over and no session resumed. */
export function gatherPeerFacts(socket: TLSSocket, name: DomainName | undefined): PeerFacts | undefined {
  const leaf = socket.getPeerX509Certificate()
  const protocol = socket.getProtocol()
  if (leaf === undefined || (protocol !== 'TLSv1.2' && protocol !== 'TLSv1.3')) return undefined
  const { chain, chainCut } = chainAsSent(leaf)
  const group = socket.getEphemeralKeyInfo()
  return {
    protocol,
    cipher: socket.getCipher().standardName,
    keyExchange: group !== null && 'name' in group ? group.name : undefined,
    chain,
    chainCut,
    pkix: socket.authorized ? { kind: 'trusted' } : { kind: 'untrusted', code: verificationCode(socket) },
    name: name === undefined ? { kind: 'not-asked' } : { kind: carries(leaf, name) ? 'matched' : 'mismatched', name },
  }
}

function chainAsSent(leaf: X509Certificate): Pick<PeerFacts, 'chain' | 'chainCut'> {
  const chain: [PeerCertificate, ...PeerCertificate[]] = [certificateFacts(leaf)]
  let next = leaf.issuerCertificate
  while (next !== undefined && chain.length < MAX_CHAIN) {
    chain.push(certificateFacts(next))
    next = next.issuerCertificate
  }
  return { chain, chainCut: next !== undefined }
}

function certificateFacts(certificate: X509Certificate): PeerCertificate {
  return {
    der: new Uint8Array(certificate.raw),
    fingerprintSha256: certificate.fingerprint256,
    subject: nameText(certificate.subject),
    issuer: nameText(certificate.issuer),
    validFrom: certificate.validFromDate.getTime(),
    validTo: certificate.validToDate.getTime(),
    subjectAltName: (certificate.subjectAltName ?? '').slice(0, MAX_SHOWN_NAMES),
  }
}

/** The typings say string; of a name without attributes Node says undefined. RFC 5280 §4.1.2.6 allows such a subject. */
function nameText(name: string | undefined): string {
  return name ?? ''
}

// `tls.checkServerIdentity` is not used: Node skips it when PKIX fails, and some releases have let names with odd
// bytes pass. The check of the alphabet repeats what `DomainName` promises, because here it guards a proof.
function carries(leaf: X509Certificate, name: DomainName): boolean {
  if (!HOST_CHARACTERS.test(name)) return false
  return leaf.checkHost(name, { subject: 'never', partialWildcards: false }) !== undefined
}

function verificationCode(socket: TLSSocket): string {
  // The typings say Error; the value is OpenSSL's code as a string.
  const code: unknown = socket.authorizationError
  return typeof code === 'string' ? code : 'UNSPECIFIED'
}
