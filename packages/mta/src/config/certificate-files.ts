/**
 * Whether the certificate, key and root files of the configuration can be used: readable, PEM, and fitting
 * each other. Reads files; expiry and modes are told by `doctor`, because they change while nobody edits.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { err, ok, type Result } from '@hermetic/policy'
import type { ConfigPath } from './config-path.ts'
import type { PathProblem } from './issues.ts'
import { readAtMost } from './read-at-most.ts'
import { describeSystemError } from './system-error.ts'

/** A chain or a bundle of roots; Mozilla's whole list is a quarter of a megabyte. */
const PEM_BYTES_MAX = 4 * 1024 * 1024

interface Files {
  readonly listener: readonly { readonly cert_file?: string | undefined; readonly key_file?: string | undefined }[]
  readonly api: { readonly cert_file?: string | undefined; readonly key_file?: string | undefined }
  readonly trust: { readonly ca_file?: string | undefined }
}

export function certificateFileProblems({ listener, api, trust }: Files): readonly PathProblem[] {
  const ofListeners = [
    ...listener.flatMap((files, index) => pairProblems(files, ['listener', index])),
    ...pairProblems(api, ['api']),
  ]
  const roots = trust.ca_file === undefined ? undefined : read(trust.ca_file, parseCertificate)
  if (roots === undefined || roots.ok) return ofListeners
  return [...ofListeners, { path: ['trust', 'ca_file'], wrong: roots.error, remedy: PEM_CERTIFICATE }]
}

const PEM_CERTIFICATE = 'name a readable file that begins with -----BEGIN CERTIFICATE-----'
const PEM_KEY = 'name a readable PEM file with an unencrypted private key'

function pairProblems(
  { cert_file: certFile, key_file: keyFile }: Files['api'],
  table: ConfigPath,
): readonly PathProblem[] {
  if (certFile === undefined || keyFile === undefined) return []
  const at = (field: string): ConfigPath => [...table, field]
  const certificate = read(certFile, parseCertificate)
  const key = read(keyFile, createPrivateKey)
  const problems: PathProblem[] = []
  if (!certificate.ok) problems.push({ path: at('cert_file'), wrong: certificate.error, remedy: PEM_CERTIFICATE })
  if (!key.ok) problems.push({ path: at('key_file'), wrong: key.error, remedy: PEM_KEY })
  if (certificate.ok && key.ok && !certificate.value.checkPrivateKey(key.value satisfies KeyObject)) {
    const wrong = 'does not belong to the first certificate in cert_file'
    problems.push({ path: at('key_file'), wrong, remedy: 'name the key that the certificate was made for' })
  }
  return problems
}

function parseCertificate(pem: Buffer): X509Certificate {
  return new X509Certificate(pem)
}

function read<T>(file: string, parse: (pem: Buffer) => T): Result<T, string> {
  let pem: Buffer
  try {
    pem = readAtMost(file, PEM_BYTES_MAX + 1)
  } catch (error) {
    return err(`cannot be read (${describeSystemError(error)}): ${file}`)
  }
  if (pem.length > PEM_BYTES_MAX) return err(`is larger than any PEM file: ${file}`)
  try {
    return ok(parse(pem))
  } catch {
    return err(`has the wrong content: ${file}`)
  }
}
