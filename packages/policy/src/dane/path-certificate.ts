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
  /** Undefined: malformed somewhere. */
  readonly contents: CertificateContents | undefined
}

export interface CertificateContents {
  readonly version: 1 | 2 | 3
  readonly validity: Validity
  readonly extensions: CertificateExtensions
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
  return {
    outline,
    issuer,
    subject,
    selfIssued: sameName(issuer, subject),
    contents: readContents(outline),
  }
}

function readContents(outline: Certificate): CertificateContents | undefined {
  const version = readVersion(outline)
  const validity = readValidity(outline)
  const wrapper = version && extensionsWrapper(outline, version)
  const extensions = wrapper && readExtensions(wrapper.extensions)
  if (version === undefined || validity === undefined || extensions === undefined) return undefined
  // RFC 5280 §4.1.1.3, §4.1.2.2. An anchor's signature is not verified, but one in odd bits is no certificate's.
  if (derBitString(outline.signature)?.unusedBits !== 0 || derInteger(outline.serial) === undefined) return undefined
  return { version, validity, extensions }
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
function extensionsWrapper(
  { tail }: Certificate,
  version: 1 | 2 | 3,
): { readonly extensions: DerElement | undefined } | undefined {
  const order = [ISSUER_UNIQUE_ID, SUBJECT_UNIQUE_ID, EXTENSIONS].slice(0, version === 1 ? 0 : version)
  let next = 0
  for (const { tag } of tail) {
    const at = order.indexOf(tag, next)
    if (at < 0) return undefined
    next = at + 1
  }
  const wrapper = tail.find(({ tag }) => tag === EXTENSIONS)
  if (wrapper === undefined) return { extensions: undefined }
  const [extensions, surplus] = derChildren(wrapper, EXTENSIONS) ?? []
  return extensions === undefined || surplus !== undefined ? undefined : { extensions }
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
  const said = subject.contents?.extensions.authorityKey
  if (said === undefined) return true
  const keyId = issuer.contents?.extensions.subjectKeyId
  if (said.keyId !== undefined && keyId !== undefined && !sameOctets(said.keyId, keyId)) return false
  if (said.serial !== undefined && !sameOctets(said.serial, issuer.outline.serial.contents)) return false
  const directory = said.issuer?.find((name) => name.kind === 'directory')
  return directory === undefined || sameName(directory.name, issuer.issuer)
}

export function sameOctets(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
