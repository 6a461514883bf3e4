/**
 * The certificate extensions that decide about a path (RFC 5280 §4.2.1), read out of their DER.
 *
 * An extension that is not known is ignored, unless it is critical; one that stands twice or cannot be read makes the
 * certificate unusable in a path (RFC 5280 §4.2). Pure.
 */
import {
  contextTag,
  type DerElement,
  derBitString,
  derBoolean,
  derChildren,
  derElement,
  derInteger,
  derObjectIdentifier,
  derSmallInteger,
  TAG,
} from './der.ts'
import { type GeneralName, readGeneralNames } from './general-name.ts'
import { type NameConstraints, readNameConstraints } from './name-constraints.ts'

/** Undefined: not there, or there and unreadable, which `malformed` tells apart. */
export interface CertificateExtensions {
  readonly basicConstraints: BasicConstraints | undefined
  readonly keyUsage: KeyUsage | undefined
  /** Object identifiers, as `derObjectIdentifier` gives them. */
  readonly extendedKeyUsage: readonly string[] | undefined
  readonly subjectAltName: readonly GeneralName[] | undefined
  readonly nameConstraints: NameConstraints | undefined
  readonly authorityKey: AuthorityKey | undefined
  readonly subjectKeyId: Uint8Array | undefined
  /** Says that something of it must be understood which we do not. */
  readonly unknownCritical: boolean
  /** One stands twice, or one of ours cannot be read. */
  readonly malformed: boolean
}

export interface BasicConstraints {
  readonly ca: boolean
  readonly pathLength: number | undefined
}

export interface KeyUsage {
  readonly keyCertSign: boolean
  /** One of digitalSignature, keyEncipherment, keyAgreement: what a TLS server does with its key. */
  readonly tls: boolean
}

/** RFC 5280 §4.2.1.1. */
export interface AuthorityKey {
  readonly keyId: Uint8Array | undefined
  readonly issuer: readonly GeneralName[] | undefined
  readonly serial: Uint8Array | undefined
}

interface Extension {
  readonly id: string
  readonly critical: boolean
  readonly value: DerElement
}

/** id-ce, 2.5.29: the arc comes as 551d. */
const ID = {
  subjectKeyIdentifier: '551d0e',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  nameConstraints: '551d1e',
  certificatePolicies: '551d20',
  policyMappings: '551d21',
  authorityKeyIdentifier: '551d23',
  extKeyUsage: '551d25',
  inhibitAnyPolicy: '551d36',
} as const

/**
 * Understood when critical. Policies are, because we ask for none: with any-policy and no explicit policy demanded they
 * cannot fail a path (RFC 5280 §6.1.1), which policyConstraints can; that one is not in the list. Key identifiers must
 * not be critical (RFC 5280 §4.2.1.1, §4.2.1.2).
 */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  ID.keyUsage,
  ID.subjectAltName,
  ID.basicConstraints,
  ID.nameConstraints,
  ID.extKeyUsage,
  ID.certificatePolicies,
  ID.policyMappings,
  ID.inhibitAnyPolicy,
])

/** `extensions` is the SEQUENCE of them, absent in a certificate without. */
export function readExtensions(extensions: DerElement | undefined): CertificateExtensions {
  const parts = extensions === undefined ? [] : (derChildren(extensions, TAG.sequence) ?? [])
  const list = parts.flatMap((part) => readExtension(part) ?? [])
  const byId = new Map(list.map((one) => [one.id, one.value]))
  const unreadable: string[] = []
  const read = <T>(id: string, reader: (value: DerElement) => T | undefined): T | undefined => {
    const value = byId.get(id)
    const meant = value && reader(value)
    if (value !== undefined && meant === undefined) unreadable.push(id)
    return meant
  }
  return {
    basicConstraints: read(ID.basicConstraints, readBasicConstraints),
    keyUsage: read(ID.keyUsage, readKeyUsage),
    extendedKeyUsage: read(ID.extKeyUsage, readExtendedKeyUsage),
    subjectAltName: read(ID.subjectAltName, readSubjectAltName),
    nameConstraints: read(ID.nameConstraints, readNameConstraints),
    authorityKey: read(ID.authorityKeyIdentifier, readAuthorityKey),
    subjectKeyId: read(ID.subjectKeyIdentifier, readKeyId),
    unknownCritical: list.some(({ id, critical }) => critical && !UNDERSTOOD.has(id)),
    // RFC 5280 §4.1.2.9: one extension at least, when there is a list of them.
    malformed: byId.size !== parts.length || unreadable.length > 0 || (extensions !== undefined && parts.length === 0),
  }
}

function readExtension(extension: DerElement): Extension | undefined {
  const parts = derChildren(extension, TAG.sequence) ?? []
  const [idElement, second] = parts
  const id = idElement && derObjectIdentifier(idElement)
  // An explicit FALSE is not DER and yet seen, also in basicConstraints.
  const critical = second?.tag === TAG.boolean ? derBoolean(second) : false
  const octets = parts[second?.tag === TAG.boolean ? 2 : 1]
  const surplus = parts[second?.tag === TAG.boolean ? 3 : 2]
  if (id === undefined || critical === undefined || octets?.tag !== TAG.octetString || surplus) return undefined
  const value = derElement(octets.contents)
  // The value of an extension that we do not know may be anything.
  return { id, critical, value: value ?? octets }
}

function readBasicConstraints(value: DerElement): BasicConstraints | undefined {
  const parts = derChildren(value, TAG.sequence)
  if (parts === undefined) return undefined
  const explicit = parts[0]?.tag === TAG.boolean ? derBoolean(parts[0]) : false
  const [length, surplus] = parts[0]?.tag === TAG.boolean ? parts.slice(1) : parts
  const pathLength = length && derSmallInteger(length)
  if (explicit === undefined || (length && pathLength === undefined) || surplus) return undefined
  // RFC 5280 §4.2.1.9: a length needs cA. Zero without it is harmless and seen; OpenSSL draws the same line.
  if (!explicit && pathLength !== undefined && pathLength > 0) return undefined
  return { ca: explicit, pathLength }
}

/** Bit numbers of RFC 5280 §4.2.1.3 in the first octet. */
const DIGITAL_SIGNATURE = 0x80
const KEY_ENCIPHERMENT = 0x20
const KEY_AGREEMENT = 0x08
const KEY_CERT_SIGN = 0x04

function readKeyUsage(value: DerElement): KeyUsage | undefined {
  const octets = derBitString(value)?.octets
  // RFC 5280 §4.2.1.3: at least one bit is set.
  if (octets?.some((octet) => octet !== 0) !== true) return undefined
  const [first = 0] = octets
  return {
    keyCertSign: (first & KEY_CERT_SIGN) !== 0,
    tls: (first & (DIGITAL_SIGNATURE | KEY_ENCIPHERMENT | KEY_AGREEMENT)) !== 0,
  }
}

function readExtendedKeyUsage(value: DerElement): readonly string[] | undefined {
  const purposes = derChildren(value, TAG.sequence)?.map(derObjectIdentifier)
  return purposes?.length && purposes.every((purpose) => purpose !== undefined) ? purposes : undefined
}

function readSubjectAltName(value: DerElement): readonly GeneralName[] | undefined {
  return value.tag === TAG.sequence ? readGeneralNames(value) : undefined
}

function readKeyId({ tag, contents }: DerElement): Uint8Array | undefined {
  return tag === TAG.octetString ? contents : undefined
}

const KEY_ID = contextTag(0, 'primitive')
const ISSUER = contextTag(1, 'constructed')
const SERIAL = contextTag(2, 'primitive')
const KEY_FIELDS: readonly number[] = [KEY_ID, ISSUER, SERIAL]

function readAuthorityKey(value: DerElement): AuthorityKey | undefined {
  const parts = derChildren(value, TAG.sequence)
  if (parts === undefined) return undefined
  if (parts.map(({ tag }) => tag).some((tag, at, tags) => !KEY_FIELDS.includes(tag) || tags.indexOf(tag) !== at)) {
    return undefined
  }
  const [keyId, issuer, serial] = KEY_FIELDS.map((tag) => parts.find((part) => part.tag === tag))
  const names = issuer && readGeneralNames(issuer)
  const number = serial && derInteger({ ...serial, tag: TAG.integer })
  if ((issuer && !names) || (serial && !number)) return undefined
  return { keyId: keyId?.contents, issuer: names, serial: number }
}
