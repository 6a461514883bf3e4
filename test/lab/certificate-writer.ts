/**
 * X.509 certificates written octet by octet (RFC 5280 §4.1), right by default and wrong wherever a test wants it:
 * unlike `ca.ts`, which makes what servers really show. Synchronous, and quick enough for a hundred thousand.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import {
  bitString,
  boolean,
  type Der,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  set,
  tagged,
  taggedPrimitive,
  time,
  tlv,
  utf8String,
} from './der-writer.ts'

export interface CertificateKey {
  readonly privateKey: KeyObject
  readonly spki: Der
}

export interface WrittenCertificate {
  readonly der: Der
  readonly key: CertificateKey
  /** DER of the subject. */
  readonly subject: Der
  readonly serial: bigint
}

export interface CertificateFields {
  readonly key: CertificateKey
  readonly subject: Der
  readonly issuer: Der
  readonly signer: CertificateKey
  readonly serial: bigint
  /** UTC milliseconds. */
  readonly notBefore: number
  readonly notAfter: number
  readonly version?: 1 | 2 | 3
  readonly extensions?: readonly Der[]
  readonly algorithm?: SignatureName
  /** Named outside the signed part, when it shall not be the same. */
  readonly outerAlgorithm?: SignatureName
  /** Changes what is signed, after it was put together and before it is signed. */
  readonly tamper?: (tbs: Uint8Array) => Uint8Array
}

const NULL = tlv(0x05)
const SHA256 = sequence(objectIdentifier('2.16.840.1.101.3.4.2.1'))
const SALT_LENGTH = 32

const SIGNATURES = {
  'ecdsa-sha256': { identifier: sequence(objectIdentifier('1.2.840.10045.4.3.2')), digest: 'sha256' },
  'ecdsa-sha384': { identifier: sequence(objectIdentifier('1.2.840.10045.4.3.3')), digest: 'sha384' },
  'ecdsa-sha1': { identifier: sequence(objectIdentifier('1.2.840.10045.4.1')), digest: 'sha1' },
  'ecdsa-sha224': { identifier: sequence(objectIdentifier('1.2.840.10045.4.3.1')), digest: 'sha224' },
  'rsa-sha256': { identifier: sequence(objectIdentifier('1.2.840.113549.1.1.11'), NULL), digest: 'sha256' },
  'rsa-sha512': { identifier: sequence(objectIdentifier('1.2.840.113549.1.1.13'), NULL), digest: 'sha512' },
  'rsa-sha1': { identifier: sequence(objectIdentifier('1.2.840.113549.1.1.5'), NULL), digest: 'sha1' },
  'rsa-md5': { identifier: sequence(objectIdentifier('1.2.840.113549.1.1.4'), NULL), digest: 'md5' },
  'rsa-pss-sha256': {
    identifier: sequence(
      objectIdentifier('1.2.840.113549.1.1.10'),
      sequence(
        tagged(0, SHA256),
        tagged(1, sequence(objectIdentifier('1.2.840.113549.1.1.8'), SHA256)),
        tagged(2, integer(SALT_LENGTH)),
      ),
    ),
    digest: 'sha256',
    pss: true,
  },
  ed25519: { identifier: sequence(objectIdentifier('1.3.101.112')), digest: undefined },
} as const satisfies Record<string, { identifier: Der; digest: string | undefined; pss?: true }>

export type SignatureName = keyof typeof SIGNATURES

export type KeyName = 'p256' | 'p384' | 'p192' | 'rsa2048' | 'rsa1024' | 'ed25519'

export function createKey(name: KeyName = 'p256'): CertificateKey {
  const { privateKey, publicKey } = keyPair(name)
  return { privateKey, spki: publicKey.export({ type: 'spki', format: 'der' }) }
}

function keyPair(name: KeyName): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  switch (name) {
    case 'p256':
      return generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    case 'p384':
      return generateKeyPairSync('ec', { namedCurve: 'secp384r1' })
    case 'p192':
      return generateKeyPairSync('ec', { namedCurve: 'prime192v1' })
    case 'rsa2048':
      return generateKeyPairSync('rsa', { modulusLength: 2048 })
    case 'rsa1024':
      return generateKeyPairSync('rsa', { modulusLength: 1024 })
    case 'ed25519':
      return generateKeyPairSync('ed25519')
  }
}

export function writeCertificate(fields: CertificateFields): WrittenCertificate {
  const { key, subject, issuer, signer, serial, version = 3, extensions = [] } = fields
  const algorithm = fields.algorithm ?? usualAlgorithm(signer)
  const written = sequence(
    ...(version === 1 ? [] : [tagged(0, integer(version - 1))]),
    integer(serial),
    SIGNATURES[algorithm].identifier,
    issuer,
    sequence(time(fields.notBefore), time(fields.notAfter)),
    subject,
    key.spki,
    ...(extensions.length === 0 ? [] : [tagged(3, sequence(...extensions))]),
  )
  const tbs = fields.tamper?.(written) ?? written
  const outer = SIGNATURES[fields.outerAlgorithm ?? algorithm].identifier
  return { der: sequence(tbs, outer, bitString(signed(tbs, signer, algorithm))), key, subject, serial }
}

export function usualAlgorithm({ privateKey }: CertificateKey): SignatureName {
  if (privateKey.asymmetricKeyType === 'rsa') return 'rsa-sha256'
  return privateKey.asymmetricKeyType === 'ed25519' ? 'ed25519' : 'ecdsa-sha256'
}

function signed(tbs: Uint8Array, { privateKey }: CertificateKey, name: SignatureName): Uint8Array {
  const signature = SIGNATURES[name]
  // Padding 6 is RSASSA-PSS.
  const options = 'pss' in signature ? { key: privateKey, padding: 6, saltLength: SALT_LENGTH } : privateKey
  return sign(signature.digest, tbs, options)
}

/** A Name of one common name. */
export function simpleName(text: string, encode: (text: string) => Der = utf8String): Der {
  return distinguishedName(['2.5.4.3', encode(text)])
}

export function distinguishedName(...attributes: readonly (readonly [type: string, value: Der])[]): Der {
  return sequence(...attributes.map(([type, value]) => set(sequence(objectIdentifier(type), value))))
}

export interface ExtensionValue {
  readonly id: string
  readonly value: Uint8Array
  readonly critical?: boolean
}

export function extension({ id, value, critical = false }: ExtensionValue): Der {
  return sequence(objectIdentifier(id), ...(critical ? [boolean(true)] : []), octetString(value))
}

export function basicConstraints(ca: boolean, pathLength?: number): Der {
  const value = sequence(...(ca ? [boolean(true)] : []), ...(pathLength === undefined ? [] : [integer(pathLength)]))
  return extension({ id: '2.5.29.19', critical: true, value })
}

/** Bits of RFC 5280 §4.2.1.3 in the first octet. */
const KEY_USAGE_BITS = {
  digitalSignature: 0x80,
  keyEncipherment: 0x20,
  keyAgreement: 0x08,
  keyCertSign: 0x04,
  cRLSign: 0x02,
} as const

export function keyUsage(...usages: readonly (keyof typeof KEY_USAGE_BITS)[]): Der {
  const octet = usages.reduce((bits, usage) => bits | KEY_USAGE_BITS[usage], 0)
  // DER counts the zero bits at the end (X.690 §11.2.2).
  const unused = octet === 0 ? 0 : 31 - Math.clz32(octet & -octet)
  return extension({
    id: '2.5.29.15',
    critical: true,
    value: octet === 0 ? bitString(Buffer.alloc(0)) : bitString(Buffer.from([octet]), unused),
  })
}

export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
export const ANY_PURPOSE = '2.5.29.37.0'

export function extendedKeyUsage(...purposes: readonly string[]): Der {
  return extension({ id: '2.5.29.37', value: sequence(...purposes.map(objectIdentifier)) })
}

export function dnsName(name: string): Der {
  return taggedPrimitive(2, Buffer.from(name, 'latin1'))
}

export function ipName(octets: readonly number[]): Der {
  return taggedPrimitive(7, Buffer.from(octets))
}

export function mailName(address: string): Der {
  return taggedPrimitive(1, Buffer.from(address, 'latin1'))
}

export function directoryName(name: Der): Der {
  return tagged(4, name)
}

export function subjectAltName(...names: readonly Der[]): Der {
  return extension({ id: '2.5.29.17', value: sequence(...names) })
}

export interface Subtrees {
  readonly permitted?: readonly Der[]
  readonly excluded?: readonly Der[]
}

export function nameConstraints({ permitted = [], excluded = [] }: Subtrees): Der {
  const subtrees = (number: number, bases: readonly Der[]) =>
    bases.length === 0 ? [] : [tagged(number, ...bases.map((base) => sequence(base)))]
  return extension({
    id: '2.5.29.30',
    critical: true,
    value: sequence(...subtrees(0, permitted), ...subtrees(1, excluded)),
  })
}

export function keyIdOf(spki: Uint8Array): Uint8Array {
  return createHash('sha1').update(spki).digest()
}

export function subjectKeyId(keyId: Uint8Array): Der {
  return extension({ id: '2.5.29.14', value: octetString(keyId) })
}

export function authorityKeyId(keyId: Uint8Array): Der {
  return extension({ id: '2.5.29.35', value: sequence(taggedPrimitive(0, keyId)) })
}
