/**
 * A certificate as a member of a path: its names, dates and extensions read, and whether one may have issued another
 * (RFC 5280 §6.1, §4.2.1.1). What is malformed is a fact here; `path-validation.ts` judges. Pure.
 */
import { type Certificate, VERSION_TAG } from './certificate.ts'
import { type CertificateExtensions, readExtensions } from './certificate-extensions.ts'
import {
  contextTag,
  type DerElement,
  derBitString,
  derChildren,
  derInteger,
  derSmallInteger,
  derTime,
  TAG,
} from './der.ts'
import { type DistinguishedName, readDistinguishedName, sameName } from './distinguished-name.ts'
import { couldHaveSigned } from './signature.ts'

export interface PathCertificate {
  readonly outline: Certificate
  readonly issuer: DistinguishedName
  readonly subject: DistinguishedName
  /** RFC 5280 §6.1: issuer and subject have the same name, whoever signed. */
  readonly selfIssued: boolean
  /** Undefined: malformed. */
  readonly version: 1 | 2 | 3 | undefined
  /** Undefined: malformed. */
  readonly validity: Validity | undefined
  readonly extensions: CertificateExtensions
  /** Some part of it cannot be read, or stands where it must not. */
  readonly malformed: boolean
}

/** UTC milliseconds. */
export interface Validity {
  readonly notBefore: number
  readonly notAfter: number
}

/** Undefined when a name cannot be read: such a certificate can stand in no path. */
export function readPathCertificate(outline: Certificate): PathCertificate | undefined {
  const issuer = readDistinguishedName(outline.issuer)
  const subject = readDistinguishedName(outline.subject)
  if (issuer === undefined || subject === undefined) return undefined
  const selfIssued = sameName(issuer, subject)
  return { outline, issuer, subject, selfIssued, ...readContents(outline) }
}

type Contents = Pick<PathCertificate, 'version' | 'validity' | 'extensions' | 'malformed'>

function readContents(outline: Certificate): Contents {
  const version = readVersion(outline)
  const validity = readValidity(outline)
  const list = extensionList(outline)
  const extensions = readExtensions(list)
  const wellFormed =
    validity !== undefined &&
    isTailOf(version, outline) &&
    // A wrapper without a list is as malformed as a list that is.
    (list !== undefined || !outline.tail.some(({ tag }) => tag === EXTENSIONS)) &&
    !extensions.malformed &&
    derInteger(outline.serial) !== undefined &&
    // An anchor's signature is not verified, but one in odd bits is no certificate's (RFC 5280 §4.1.1.3).
    derBitString(outline.signature)?.unusedBits === 0
  return { version, validity, extensions, malformed: !wellFormed }
}

/** RFC 5280 §4.1.2.1; DER leaves the default out, so an explicit version 1 is malformed. */
function readVersion({ version }: Certificate): 1 | 2 | 3 | undefined {
  if (version === undefined) return 1
  const [number, surplus] = derChildren(version, VERSION_TAG) ?? []
  const value = number === undefined || surplus !== undefined ? undefined : derSmallInteger(number)
  return value === 1 ? 2 : value === 2 ? 3 : undefined
}

const ISSUER_UNIQUE_ID = contextTag(1, 'primitive')
const SUBJECT_UNIQUE_ID = contextTag(2, 'primitive')
const EXTENSIONS = contextTag(3, 'constructed')

/** RFC 5280 §4.1.2.8, §4.1.2.9: unique identifiers need version 2, extensions version 3; each once and in order. */
function isTailOf(version: PathCertificate['version'], { tail }: Certificate): boolean {
  if (version === undefined) return false
  const order = [ISSUER_UNIQUE_ID, SUBJECT_UNIQUE_ID, EXTENSIONS].slice(0, version === 1 ? 0 : version)
  const places = tail.map(({ tag }) => order.indexOf(tag))
  return places.every((place, at) => place > (places[at - 1] ?? -1))
}

function extensionList({ tail }: Certificate): DerElement | undefined {
  const inside = derChildren(
    tail.find(({ tag }) => tag === EXTENSIONS),
    EXTENSIONS,
  )
  return inside?.length === 1 ? inside[0] : undefined
}

function readValidity({ validity }: Certificate): Validity | undefined {
  const [from, to, surplus] = derChildren(validity, TAG.sequence) ?? []
  const notBefore = from && derTime(from)
  const notAfter = to && derTime(to)
  return notBefore === undefined || notAfter === undefined || surplus !== undefined
    ? undefined
    : { notBefore, notAfter }
}

export type Timeliness = 'valid' | 'expired' | 'not-yet-valid'

/**
 * Deviation from RFC 5280 §4.1.2.5: the second of notAfter is already too late. Postfix and everybody else who asks
 * OpenSSL sees it so, and what they refuse we do not accept.
 */
export function timeliness({ notBefore, notAfter }: Validity, now: number): Timeliness {
  if (now < notBefore) return 'not-yet-valid'
  return now >= notAfter ? 'expired' : 'valid'
}

/** As far as names, key identifiers and algorithms tell; only the signature proves it. */
export function mayHaveIssued(issuer: PathCertificate, subject: PathCertificate): boolean {
  return (
    sameName(issuer.subject, subject.issuer) &&
    isAuthorityKeyOf(issuer, subject) &&
    couldHaveSigned(issuer.outline.spki, subject.outline.innerAlgorithm)
  )
}

/** RFC 5280 §4.2.1.1: what the subject says of its issuer's key, as far as the issuer says anything. */
function isAuthorityKeyOf(issuer: PathCertificate, subject: PathCertificate): boolean {
  const said = subject.extensions.authorityKey
  if (said === undefined) return true
  const keyId = issuer.extensions.subjectKeyId
  if (said.keyId !== undefined && keyId !== undefined && !sameOctets(said.keyId, keyId)) return false
  if (said.serial !== undefined && !sameOctets(said.serial, issuer.outline.serial.contents)) return false
  const directory = said.issuer?.find((name) => name.kind === 'directory')
  return directory === undefined || sameName(directory.name, issuer.issuer)
}

export function sameOctets(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
