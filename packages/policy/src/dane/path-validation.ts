/**
 * Whether a path from a leaf to a DANE-TA anchor holds (RFC 5280 §6.1 as far as RFC 7671 §5.2 asks for it).
 *
 * Signatures, dates, basic constraints and path length, key usage, extended key usage for TLS servers, name
 * constraints, critical extensions. The anchor is held to its own constraints and dates whichever selector matched it
 * (RFC 7671 §5.2.1 asks for that with Cert(0) and leaves it open with SPKI(1)). Not here: revocation, which DANE
 * leaves to the TLSA record, certificate policies, and the names of the leaf. Pure.
 */
import { strongKey } from './certificate-key.ts'
import type { DaneReason } from './facts.ts'
import { type NameConstraintBreach, nameConstraintBreach } from './name-constraints.ts'
import { type PathCertificate, timeliness } from './path-certificate.ts'
import { type SignatureProblem, signatureProblem } from './signature.ts'

/** The `code` of a reason `path-invalid`. */
export type PathFlaw =
  /** Version, dates or extensions cannot be read, or an extension stands twice. */
  | 'malformed-certificate'
  | SignatureProblem
  /** The leaf's key is too weak to authenticate anybody. */
  | 'leaf-key'
  /** Signed by a nameless issuer (RFC 5280 §4.1.2.4). */
  | 'nameless-issuer'
  /** Without basicConstraints that say CA, a certificate issues nothing (RFC 5280 §4.2.1.9). */
  | 'not-a-ca'
  | 'path-length'
  /** keyUsage without keyCertSign on an issuer, or without a use for TLS on the leaf (RFC 5280 §4.2.1.3). */
  | 'key-usage'
  /** extendedKeyUsage without serverAuth (RFC 5280 §4.2.1.12), on the leaf or above it. */
  | 'extended-key-usage'
  | 'unknown-critical-extension'
  | NameConstraintBreach

export interface PathToValidate {
  /** Leaf first; the last is the anchor, or was signed by `bareKey`. */
  readonly certificates: readonly PathCertificate[]
  /** SubjectPublicKeyInfo of an anchor that is a key and no certificate (RFC 7671 §5.2.3). */
  readonly bareKey?: Uint8Array | undefined
  readonly now: number
}

/** id-kp-serverAuth, 1.3.6.1.5.5.7.3.1. anyExtendedKeyUsage does not count (RFC 5280 §4.2.1.12: MAY reject). */
const SERVER_AUTH = '2b06010505070301'

/** Everything that is wrong with the path, certificates before dates; empty when it holds. */
export function pathReasons({ certificates, bareKey, now }: PathToValidate): readonly DaneReason[] {
  const flaws = certificates.flatMap((certificate, depth) => [
    ...signatureFlaws(certificate, issuerKey(certificates, depth, bareKey)),
    ...certificateFlaws(certificate, { certificates, depth, bareKey }),
    ...nameFlaws(certificate, certificates.slice(depth + 1), depth),
  ])
  const reasons = [...new Set(flaws)].map((code) => ({ kind: 'path-invalid', code }) as const)
  return [...reasons, ...certificates.flatMap((certificate, depth) => dateReasons(certificate, depth, now))]
}

/** Undefined for an anchor: nobody vouches for it but DNS. */
function issuerKey(
  certificates: readonly PathCertificate[],
  depth: number,
  bareKey: Uint8Array | undefined,
): Uint8Array | undefined {
  const issuer = certificates[depth + 1]
  return issuer === undefined ? bareKey : issuer.outline.spki
}

function signatureFlaws({ outline }: PathCertificate, issuerSpki: Uint8Array | undefined): readonly PathFlaw[] {
  const problem = issuerSpki && signatureProblem(outline, issuerSpki)
  return problem === undefined ? [] : [problem]
}

interface Position extends Pick<PathToValidate, 'certificates' | 'bareKey'> {
  readonly depth: number
}

function certificateFlaws(certificate: PathCertificate, position: Position): readonly PathFlaw[] {
  const { outline, extensions } = certificate
  if (certificate.malformed) return ['malformed-certificate']
  const flaws = position.depth === 0 ? leafFlaws(certificate) : issuerFlaws(certificate, position)
  if (certificate.issuer.rdns.length === 0 && !isAnchor(position)) flaws.push('nameless-issuer')
  if (extensions.unknownCritical) flaws.push('unknown-critical-extension')
  if (extensions.extendedKeyUsage?.includes(SERVER_AUTH) === false) flaws.push('extended-key-usage')
  if (position.depth === 0 && strongKey(outline.spki) === undefined) flaws.push('leaf-key')
  return flaws
}

function isAnchor({ certificates, depth, bareKey }: Position): boolean {
  return depth === certificates.length - 1 && bareKey === undefined
}

function leafFlaws({ extensions }: PathCertificate): PathFlaw[] {
  return extensions.keyUsage?.tls === false ? ['key-usage'] : []
}

function issuerFlaws(certificate: PathCertificate, position: Position): PathFlaw[] {
  const { basicConstraints, keyUsage } = certificate.extensions
  const flaws: PathFlaw[] = []
  if (basicConstraints?.ca !== true && !isVersion1Root(certificate, position)) flaws.push('not-a-ca')
  if (keyUsage?.keyCertSign === false) flaws.push('key-usage')
  // RFC 5280 §4.2.1.9: intermediates between this one and the leaf; self-issued ones do not count.
  const below = position.certificates.slice(1, position.depth).filter(({ selfIssued }) => !selfIssued).length
  const limit = basicConstraints?.pathLength
  if (limit !== undefined && below > limit) flaws.push('path-length')
  return flaws
}

/**
 * RFC 5280 §6.1.4 (k): a certificate older than version 3 is a CA only when that is known by other means. The
 * TLSA record says it of its anchor, of nothing below.
 */
function isVersion1Root({ version, selfIssued }: PathCertificate, position: Position): boolean {
  return version === 1 && selfIssued && isAnchor(position)
}

/** RFC 5280 §6.1.3 (b), (c): constraints hold for all below, self-issued intermediates excepted. */
function nameFlaws(
  { extensions, selfIssued, subject }: PathCertificate,
  above: readonly PathCertificate[],
  depth: number,
): readonly PathFlaw[] {
  if (depth > 0 && selfIssued) return []
  const names = { subject, subjectAltName: extensions.subjectAltName ?? [] }
  return above.flatMap((issuer) => {
    const constraints = issuer.extensions.nameConstraints
    const breach = constraints && nameConstraintBreach(constraints, names)
    return breach === undefined ? [] : [breach]
  })
}

function dateReasons({ validity }: PathCertificate, depth: number, now: number): readonly DaneReason[] {
  if (validity === undefined) return []
  const state = timeliness(validity, now)
  return state === 'valid' ? [] : [{ kind: `certificate-${state}`, depth }]
}
