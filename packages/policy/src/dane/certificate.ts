/**
 * The outline of an X.509 certificate (RFC 5280 §4.1): where its parts are, with no opinion of what they say.
 *
 * DANE-EE needs no more than this, and must not stumble over dates or extensions that it has to ignore
 * (RFC 7672 §3.1.1). What the parts mean for a path is read in `path-certificate.ts`. Pure.
 *
 * Own reading rather than `X509Certificate`: given bytes, that one looks for a PEM block anywhere inside them first,
 * so a hostile certificate could carry the one that is judged in its place.
 */
import { err, ok, type Result } from '../result.ts'
import {
  contextTag,
  type DerElement,
  derBitString,
  derChildren,
  derElement,
  derInteger,
  derSmallInteger,
  TAG,
} from './der.ts'

export interface Certificate {
  readonly der: Uint8Array
  /** What the signature covers. */
  readonly tbs: Uint8Array
  readonly version: 1 | 2 | 3
  readonly serial: Uint8Array
  /** The algorithm as named outside and inside the signed part; they must be the same (RFC 5280 §4.1.1.2). */
  readonly outerAlgorithm: DerElement
  readonly innerAlgorithm: DerElement
  readonly issuer: DerElement
  readonly validity: DerElement
  readonly subject: DerElement
  /** DER of SubjectPublicKeyInfo: what selector SPKI(1) means. */
  readonly spki: Uint8Array
  /** Of version 3, when there are any. */
  readonly extensions: DerElement | undefined
  readonly signature: Uint8Array
}

export type CertificateError = 'not-der' | 'malformed-outline' | 'malformed-version' | 'malformed-tail'

const VERSION = contextTag(0, 'constructed')
const ISSUER_UNIQUE_ID = contextTag(1, 'primitive')
const SUBJECT_UNIQUE_ID = contextTag(2, 'primitive')
const EXTENSIONS = contextTag(3, 'constructed')

export function readCertificate(der: Uint8Array): Result<Certificate, CertificateError> {
  const whole = derElement(der)
  if (whole === undefined) return err('not-der')
  const [tbs, outerAlgorithm, signatureBits, surplus] = derChildren(whole, TAG.sequence) ?? []
  const parts = derChildren(tbs, TAG.sequence)
  const signature = signatureBits && derBitString(signatureBits)
  if (!tbs || !parts || !isSequence(outerAlgorithm) || signature?.unusedBits !== 0 || surplus) {
    return err('malformed-outline')
  }
  const version = versionOf(parts[0])
  if (version === undefined) return err('malformed-version')
  const fields = fieldsOf(parts[0]?.tag === VERSION ? parts.slice(1) : parts)
  if (fields === undefined) return err('malformed-outline')
  const { rest, ...named } = fields
  const tail = tailOf(rest, version)
  if (tail === undefined) return err('malformed-tail')
  return ok({ der, tbs: tbs.encoded, version, outerAlgorithm, ...named, ...tail, signature: signature.octets })
}

/** RFC 5280 §4.1.2.1; DER leaves the default out, so an explicit version 1 is malformed. */
function versionOf(first: DerElement | undefined): Certificate['version'] | undefined {
  if (first?.tag !== VERSION) return 1
  const [number, surplus] = derChildren(first, VERSION) ?? []
  const value = number === undefined || surplus !== undefined ? undefined : derSmallInteger(number)
  return value === 1 ? 2 : value === 2 ? 3 : undefined
}

type Fields = Pick<Certificate, 'serial' | 'innerAlgorithm' | 'issuer' | 'validity' | 'subject' | 'spki'>

function fieldsOf(parts: readonly DerElement[]): (Fields & { readonly rest: readonly DerElement[] }) | undefined {
  const [serialNumber, innerAlgorithm, issuer, validity, subject, spki, ...rest] = parts
  const serial = serialNumber && derInteger(serialNumber)
  if (serial === undefined || !isSequence(innerAlgorithm) || !isSequence(issuer)) return undefined
  if (!isSequence(validity) || !isSequence(subject) || !isSequence(spki)) return undefined
  return { serial, innerAlgorithm, issuer, validity, subject, spki: spki.encoded, rest }
}

/** RFC 5280 §4.1.2.8, §4.1.2.9: unique identifiers need version 2, extensions version 3; each once and in order. */
function tailOf(
  rest: readonly DerElement[],
  version: Certificate['version'],
): { readonly extensions: DerElement | undefined } | undefined {
  const order = [ISSUER_UNIQUE_ID, SUBJECT_UNIQUE_ID, EXTENSIONS].slice(0, version === 1 ? 0 : version)
  let next = 0
  for (const { tag } of rest) {
    const at = order.indexOf(tag, next)
    if (at < 0) return undefined
    next = at + 1
  }
  const wrapper = rest.find(({ tag }) => tag === EXTENSIONS)
  if (wrapper === undefined) return { extensions: undefined }
  const [extensions, surplus] = derChildren(wrapper, EXTENSIONS) ?? []
  return isSequence(extensions) && surplus === undefined ? { extensions } : undefined
}

function isSequence(element: DerElement | undefined): element is DerElement {
  return element?.tag === TAG.sequence
}
