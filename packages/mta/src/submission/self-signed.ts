/**
 * The certificate of a listener that is only reached over loopback: self-signed, kept in data_dir, renewed before
 * it ends. Elsewhere a certificate that clients can check is required (architecture §5).
 */
import 'reflect-metadata'
import { randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { isIP } from 'node:net'
import { dirname, join } from 'node:path'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { CertificatePem } from './server.ts'

export interface SelfSignedOptions {
  readonly directory: string
  /** The relay's name, or an address literal with brackets. */
  readonly hostname: string
  /** UTC milliseconds; the system clock when absent. */
  readonly now?: number
}

const DAY_MS = 86_400_000
const VALID_DAYS = 365
/** A relay that runs for long reads it at every start; a month leaves room for one. */
const RENEW_BEFORE_DAYS = 30
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' }
const FILE = 'self-signed.pem'

/** The kept pair while it is good for this name, else a new one. */
export async function selfSignedCertificate(options: SelfSignedOptions): Promise<CertificatePem> {
  const file = join(options.directory, FILE)
  const wanted = { hostname: options.hostname, now: options.now ?? Date.now() }
  const kept = splitPem(await readFile(file, 'utf8').catch(() => ''))
  if (kept !== undefined && isGood(kept, wanted)) return kept
  const made = await makeCertificate(wanted)
  await writePrivately(file, made.key + made.cert)
  return made
}

interface Wanted {
  readonly hostname: string
  readonly now: number
}

async function makeCertificate({ hostname, now }: Wanted): Promise<CertificatePem> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const made = await X509CertificateGenerator.createSelfSigned({
    // RFC 5280 §4.1.2.2: positive, and not zero.
    serialNumber: `01${randomBytes(15).toString('hex')}`,
    name: 'CN=Hermetic on loopback',
    notBefore: new Date(now - DAY_MS),
    notAfter: new Date(now + VALID_DAYS * DAY_MS),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    keys,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(alternativeNames(hostname)),
    ],
  })
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.replace(/.{64}(?=.)/g, '$&\n')}\n-----END PRIVATE KEY-----\n`
  return { cert: `${made.toString('pem').trim()}\n`, key }
}

function alternativeNames(hostname: string): { readonly type: 'dns' | 'ip'; readonly value: string }[] {
  const ownAddress = hostname.replace(/^\[(?:IPv6:)?|\]$/gi, '')
  const names = new Set(['localhost', ...(isIP(ownAddress) === 0 ? [hostname] : [])])
  const addresses = new Set(['127.0.0.1', '::1', ...(isIP(ownAddress) === 0 ? [] : [ownAddress])])
  return [
    ...[...names].map((value) => ({ type: 'dns' as const, value })),
    ...[...addresses].map((value) => ({ type: 'ip' as const, value })),
  ]
}

function splitPem(text: string): CertificatePem | undefined {
  const key = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n/.exec(text)?.[0]
  const cert = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/.exec(text)?.[0]
  return key === undefined || cert === undefined ? undefined : { cert, key }
}

function isGood({ cert }: CertificatePem, { hostname, now }: Wanted): boolean {
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(cert)
  } catch {
    return false
  }
  const names = alternativeNames(hostname)
  return (
    certificate.validFromDate.getTime() <= now &&
    certificate.validToDate.getTime() - now > RENEW_BEFORE_DAYS * DAY_MS &&
    names.every(
      ({ type, value }) => (type === 'dns' ? certificate.checkHost(value) : certificate.checkIP(value)) !== undefined,
    )
  )
}

/** Key and certificate in one file: they never come apart. */
async function writePrivately(file: string, text: string): Promise<void> {
  const temporary = `${file}.new`
  const handle = await open(temporary, 'w', 0o600)
  try {
    await handle.chmod(0o600)
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
  const directory = await open(dirname(file), 'r')
  await directory.sync().finally(() => directory.close())
}
