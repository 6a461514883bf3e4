/**
 * Certificates made for one run: authorities, leaves, self-signed ones. EC P-256, because it is quick.
 *
 * Times are days from now; the defaults are valid. Everything comes back as PEM, ready for `node:tls`:
 * `{ key, cert: chain }` for a server, `ca: authority.certificate` for a client that trusts it.
 */
import 'reflect-metadata'
import { randomBytes, type webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

export interface LeafOptions {
  /** dNSName entries of the subject alternative name, as ASCII. */
  readonly names?: readonly string[]
  /** iPAddress entries. */
  readonly addresses?: readonly string[]
  /** The subject's common name; the first name by default. */
  readonly commonName?: string
  /** An empty subject: many authorities name a host only among the alternatives (RFC 5280 §4.1.2.6). */
  readonly nameless?: boolean
  readonly validFromDays?: number
  readonly validToDays?: number
  /** Extended key usage; `serverAuth` by default. */
  readonly usage?: 'serverAuth' | 'clientAuth'
}

export interface AuthorityOptions {
  readonly commonName?: string
  readonly validFromDays?: number
  readonly validToDays?: number
}

export interface IssuedCertificate {
  /** The certificate alone. */
  readonly certificate: string
  /** PKCS #8. */
  readonly key: string
  /** The certificate and the intermediates above it, without the root: what a server sends. */
  readonly chain: string
}

export interface Authority {
  readonly certificate: string
  issue(options?: LeafOptions): Promise<IssuedCertificate>
  intermediate(options?: AuthorityOptions): Promise<Authority>
}

interface Issuer {
  readonly subject: string
  readonly keys: webcrypto.CryptoKeyPair
  /** PEM of the intermediates from this issuer up, the root left out. */
  readonly path: string
}

const KEY = { name: 'ECDSA', namedCurve: 'P-256' }
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' }
const DAY_MS = 86_400_000

export async function createAuthority(options: AuthorityOptions = {}): Promise<Authority> {
  const subject = `CN=${options.commonName ?? `Lab Root ${suffix()}`}`
  const keys = await newKeys()
  const certificate = await caCertificate({ subject, keys, path: '' }, { subject, keys, options })
  return authority({ subject, keys, path: '' }, certificate)
}

/** A certificate signed by its own key, not a CA: what most mail servers outside DANE and MTA-STS show. */
export async function selfSigned(options: LeafOptions = {}): Promise<IssuedCertificate> {
  const keys = await newKeys()
  const subject = leafSubject(options)
  const certificate = await leafCertificate({ subject, keys, path: '' }, { subject, keys, options })
  return { certificate, key: await privateKeyPem(keys), chain: certificate }
}

function authority(issuer: Issuer, certificate: string): Authority {
  return {
    certificate,
    async issue(options = {}) {
      const keys = await newKeys()
      const leaf = await leafCertificate(issuer, { subject: leafSubject(options), keys, options })
      return { certificate: leaf, key: await privateKeyPem(keys), chain: leaf + issuer.path }
    },
    async intermediate(options = {}) {
      const subject = `CN=${options.commonName ?? `Lab Intermediate ${suffix()}`}`
      const keys = await newKeys()
      const below = await caCertificate(issuer, { subject, keys, options })
      return authority({ subject, keys, path: below + issuer.path }, below)
    },
  }
}

interface Subject<O> {
  readonly subject: string
  readonly keys: webcrypto.CryptoKeyPair
  readonly options: O
}

function caCertificate(issuer: Issuer, { subject, keys, options }: Subject<AuthorityOptions>): Promise<string> {
  return certificate(issuer, {
    subject,
    keys,
    options,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  })
}

function leafCertificate(issuer: Issuer, { subject, keys, options }: Subject<LeafOptions>): Promise<string> {
  const alternatives: { type: 'dns' | 'ip'; value: string }[] = [
    ...(options.names ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(options.addresses ?? []).map((value) => ({ type: 'ip' as const, value })),
  ]
  return certificate(issuer, {
    subject,
    keys,
    options,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[options.usage ?? 'serverAuth']]),
      ...(alternatives.length > 0 ? [new x509.SubjectAlternativeNameExtension(alternatives)] : []),
    ],
  })
}

async function certificate(
  issuer: Issuer,
  { subject, keys, options, extensions }: Subject<AuthorityOptions> & { extensions: x509.Extension[] },
): Promise<string> {
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: randomBytes(8).toString('hex').replace(/^./, '1'),
    subject,
    issuer: issuer.subject,
    notBefore: new Date(Date.now() + (options.validFromDays ?? -1) * DAY_MS),
    notAfter: new Date(Date.now() + (options.validToDays ?? 30) * DAY_MS),
    publicKey: keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: SIGNATURE,
    extensions,
  })
  return `${made.toString('pem').trim()}\n`
}

function leafSubject(options: LeafOptions): string {
  if (options.nameless === true) return ''
  return `CN=${options.commonName ?? options.names?.[0] ?? options.addresses?.[0] ?? 'unnamed'}`
}

/** Authorities have names of their own: two with one name would be taken for each other's issuer. */
function suffix(): string {
  return randomBytes(4).toString('hex')
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(KEY, true, ['sign', 'verify'])
}

async function privateKeyPem(keys: webcrypto.CryptoKeyPair): Promise<string> {
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
  return `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY').trim()}\n`
}
