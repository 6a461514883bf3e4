/**
 * The outline of an X.509 certificate (RFC 5280 §4.1): where its parts are, with no opinion of what they say.
 *
 * DANE-EE needs no more than this, and must not stumble over versions, dates or extensions that it has to ignore
 * (RFC 7672 §3.1.1). What the parts mean for a path is read in `path-certificate.ts`. Pure.
 *
 * Own reading rather than `X509Certificate`: given bytes, that one looks for a PEM block anywhere inside them first,
 * so a hostile certificate could carry the one that is judged in its place.
 */
import { err, ok, type Result } from '../result.ts'
import { contextTag, type DerElement, derChildren, derElement, TAG } from './der.ts'

export interface Certificate {
  readonly der: Uint8Array
  /** What the signature covers. */
  readonly tbs: Uint8Array
  /** Absent in version 1. */
  readonly version: DerElement | undefined
  readonly serial: DerElement
  /** The algorithm as named outside and inside the signed part; they must be the same (RFC 5280 §4.1.1.2). */
  readonly outerAlgorithm: DerElement
  readonly innerAlgorithm: DerElement
  readonly issuer: DerElement
  readonly validity: DerElement
  readonly subject: DerElement
  /** DER of SubjectPublicKeyInfo: what selector SPKI(1) means. */
  readonly spki: Uint8Array
  /** Unique identifiers and extensions. */
  readonly tail: readonly DerElement[]
  /** A BIT STRING. */
  readonly signature: DerElement
}

export type CertificateError =
  /** Not one DER value, or more than one. */
  | 'not-der'
  /** DER, and no certificate. */
  | 'malformed-outline'

export const VERSION_TAG = contextTag(0, 'constructed')

export function readCertificate(der: Uint8Array): Result<Certificate, CertificateError> {
  const whole = derElement(der)
  if (whole === undefined) return err('not-der')
  const [tbs, outerAlgorithm, signature, surplus] = derChildren(whole, TAG.sequence) ?? []
  const fields = fieldsOf(derChildren(tbs, TAG.sequence) ?? [])
  if (tbs === undefined || fields === undefined || surplus !== undefined) return err('malformed-outline')
  if (!isSequence(outerAlgorithm) || signature?.tag !== TAG.bitString) return err('malformed-outline')
  return ok({ der, tbs: tbs.encoded, outerAlgorithm, ...fields, signature })
}

type Fields = Omit<Certificate, 'der' | 'tbs' | 'outerAlgorithm' | 'signature'>

function fieldsOf(parts: readonly DerElement[]): Fields | undefined {
  const [version] = parts.filter(({ tag }, at) => at === 0 && tag === VERSION_TAG)
  const [serial, innerAlgorithm, issuer, validity, subject, spki, ...tail] = parts.slice(version === undefined ? 0 : 1)
  if (serial?.tag !== TAG.integer || !isSequence(innerAlgorithm) || !isSequence(issuer)) return undefined
  if (!isSequence(validity) || !isSequence(subject) || !isSequence(spki)) return undefined
  return { version, serial, innerAlgorithm, issuer, validity, subject, spki: spki.encoded, tail }
}

function isSequence(element: DerElement | undefined): element is DerElement {
  return element?.tag === TAG.sequence
}
