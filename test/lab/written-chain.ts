/**
 * Authorities and leaves out of `certificate-writer.ts`: a chain that holds in every respect, unless an option says
 * what shall be different. `null` for an extension leaves it out.
 */
import { createHash, randomBytes } from 'node:crypto'
import {
  authorityKeyId,
  basicConstraints,
  type CertificateFields,
  type CertificateKey,
  createKey,
  dnsName,
  extendedKeyUsage,
  keyIdOf,
  keyUsage,
  SERVER_AUTH,
  simpleName,
  subjectAltName,
  subjectKeyId,
  type WrittenCertificate,
  writeCertificate,
} from './certificate-writer.ts'
import type { Der } from './der-writer.ts'

/** Extensions in the order in which they are written. */
export interface WrittenExtensions {
  readonly basicConstraints?: Der | null
  readonly keyUsage?: Der | null
  readonly extendedKeyUsage?: Der | null
  readonly subjectAltName?: Der | null
  readonly subjectKeyId?: Der | null
  readonly authorityKeyId?: Der | null
  readonly nameConstraints?: Der | null
  readonly other?: Der | null
}

export interface WrittenOptions
  extends Partial<Omit<CertificateFields, 'signer' | 'issuer' | 'extensions' | 'subject' | 'serial'>> {
  /** Nobody: signed by its own key. */
  readonly issuer?: WrittenCertificate
  readonly subject?: Der
  /** The issuer's name as written here, when it shall be another. */
  readonly issuerName?: Der
  /** Signed by another key than the issuer's. */
  readonly signer?: CertificateKey
  readonly extensions?: WrittenExtensions
}

const DAY_MS = 86_400_000

/** All certificates of one test are made around this moment, so that no test depends on when it runs. */
export const NOW = Date.parse('2026-06-01T12:00:00Z')

export function daysFromNow(days: number): number {
  return NOW + days * DAY_MS
}

export function writeCa(options: WrittenOptions = {}): WrittenCertificate {
  const key = options.key ?? createKey()
  return write(
    { ...options, key, subject: options.subject ?? simpleName(`CA ${randomBytes(4).toString('hex')}`) },
    { basicConstraints: basicConstraints(true), keyUsage: keyUsage('keyCertSign', 'cRLSign') },
  )
}

export interface WrittenLeafOptions extends WrittenOptions {
  readonly names?: readonly string[]
}

export function writeLeaf({ names = ['mx.example.com'], ...options }: WrittenLeafOptions = {}): WrittenCertificate {
  const key = options.key ?? createKey()
  return write(
    { ...options, key, subject: options.subject ?? simpleName('leaf') },
    {
      basicConstraints: basicConstraints(false),
      keyUsage: keyUsage('digitalSignature'),
      extendedKeyUsage: extendedKeyUsage(SERVER_AUTH),
      subjectAltName: subjectAltName(...names.map(dnsName)),
    },
  )
}

type Complete = WrittenOptions & Required<Pick<WrittenOptions, 'key' | 'subject'>>

function write(options: Complete, usual: WrittenExtensions): WrittenCertificate {
  const { key, subject, issuer } = options
  const signer = options.signer ?? issuer?.key ?? key
  const extensions: WrittenExtensions = {
    ...usual,
    subjectKeyId: subjectKeyId(keyIdOf(key.spki)),
    ...(issuer === undefined ? {} : { authorityKeyId: authorityKeyId(keyIdOf(issuer.key.spki)) }),
    ...options.extensions,
  }
  return writeCertificate({
    ...options,
    issuer: options.issuerName ?? issuer?.subject ?? subject,
    signer,
    serial: BigInt(`0x01${randomBytes(8).toString('hex')}`),
    notBefore: options.notBefore ?? daysFromNow(-1),
    notAfter: options.notAfter ?? daysFromNow(30),
    extensions:
      options.version === 1 ? [] : Object.values(extensions).filter((one): one is Der => one instanceof Uint8Array),
  })
}

/** Association data of a certificate (RFC 6698 §2.1.4), by another implementation than the one under test. */
export function tlsaAssociation(
  { der, key }: WrittenCertificate,
  { selector, matchingType }: { readonly selector: string; readonly matchingType: string },
): Uint8Array {
  const selected = selector === 'cert' ? der : key.spki
  if (matchingType === 'full') return selected
  return createHash(matchingType === 'sha-256' ? 'sha256' : 'sha512')
    .update(selected)
    .digest()
}
