/**
 * Signatures on certificates (RFC 5280 §4.1.1.3): which algorithms count, and whether one verifies.
 *
 * SHA-256 and stronger under the keys of `certificate-key.ts`; no MD5 and no SHA-1 (RFC 8446 §4.2.3), and no SHA-224,
 * which TLS 1.3 has no code for. Pure; the mathematics are `node:crypto`'s.
 */
import { constants, type KeyObject, verify } from 'node:crypto'
import type { Certificate } from './certificate.ts'
import { type KeyType, keyTypeOf, strongKey } from './certificate-key.ts'
import {
  contextTag,
  type DerElement,
  derBitString,
  derChildren,
  derObjectIdentifier,
  derSmallInteger,
  TAG,
} from './der.ts'

export type SignatureProblem =
  /** The algorithm named outside is not the signed one (RFC 5280 §4.1.1.2). */
  | 'algorithm-mismatch'
  /** An algorithm or its parameters, outside the list below. */
  | 'signature-algorithm'
  /** Unreadable, too short, or of a kind that we do not know. */
  | 'issuer-key'
  | 'signature-invalid'

interface SignatureAlgorithm {
  readonly keyTypes: readonly KeyType[]
  /** Undefined: the algorithm hashes by itself. */
  readonly digest: string | undefined
  readonly pssSaltLength?: number
}

type Parameters = 'null' | 'absent'

/** AlgorithmIdentifiers without parameters of their own: RFC 4055 §5, RFC 5758 §3.2, RFC 8410 §3. */
const PLAIN: ReadonlyMap<string, SignatureAlgorithm & { readonly parameters: Parameters }> = new Map([
  ['2a864886f70d01010b', { keyTypes: ['rsa'], digest: 'sha256', parameters: 'null' }],
  ['2a864886f70d01010c', { keyTypes: ['rsa'], digest: 'sha384', parameters: 'null' }],
  ['2a864886f70d01010d', { keyTypes: ['rsa'], digest: 'sha512', parameters: 'null' }],
  ['2a8648ce3d040302', { keyTypes: ['ec'], digest: 'sha256', parameters: 'absent' }],
  ['2a8648ce3d040303', { keyTypes: ['ec'], digest: 'sha384', parameters: 'absent' }],
  ['2a8648ce3d040304', { keyTypes: ['ec'], digest: 'sha512', parameters: 'absent' }],
  ['2b6570', { keyTypes: ['ed25519'], digest: undefined, parameters: 'absent' }],
  ['2b6571', { keyTypes: ['ed448'], digest: undefined, parameters: 'absent' }],
])
const RSASSA_PSS = '2a864886f70d01010a'
const MGF1 = '2a864886f70d010108'
const DIGESTS: ReadonlyMap<string, string> = new Map([
  ['608648016503040201', 'sha256'],
  ['608648016503040202', 'sha384'],
  ['608648016503040203', 'sha512'],
])

/** Whether a key of this SPKI could have made a signature of this algorithm: a guess at the issuer, no check. */
export function couldHaveSigned(spki: Uint8Array, algorithm: DerElement): boolean {
  const keyType = keyTypeOf(spki)
  const signed = signatureAlgorithm(algorithm)
  return keyType === undefined || signed === undefined || signed.keyTypes.includes(keyType)
}

/** `issuerSpki`: SubjectPublicKeyInfo of whoever is said to have signed. */
export function signatureProblem(certificate: Certificate, issuerSpki: Uint8Array): SignatureProblem | undefined {
  const { innerAlgorithm, outerAlgorithm } = certificate
  if (Buffer.compare(innerAlgorithm.encoded, outerAlgorithm.encoded) !== 0) return 'algorithm-mismatch'
  const algorithm = signatureAlgorithm(outerAlgorithm)
  if (algorithm === undefined) return 'signature-algorithm'
  const keyType = keyTypeOf(issuerSpki)
  const key = strongKey(issuerSpki)
  if (key === undefined || keyType === undefined || !algorithm.keyTypes.includes(keyType)) return 'issuer-key'
  return verifies(certificate, algorithm, key) ? undefined : 'signature-invalid'
}

function verifies(certificate: Certificate, algorithm: SignatureAlgorithm, key: KeyObject): boolean {
  const { digest, pssSaltLength } = algorithm
  const signature = derBitString(certificate.signature)
  if (signature?.unusedBits !== 0) return false
  const pss = pssSaltLength === undefined ? {} : { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: pssSaltLength }
  try {
    return verify(digest, certificate.tbs, { key, dsaEncoding: 'der', ...pss }, signature.octets)
  } catch {
    // A key restricted to other parameters (RFC 4055 §1.2), or a signature that is no pair of integers.
    return false
  }
}

function signatureAlgorithm(identifier: DerElement): SignatureAlgorithm | undefined {
  const [id, parameters, surplus] = derChildren(identifier, TAG.sequence) ?? []
  const named = id && derObjectIdentifier(id)
  if (named === undefined || surplus !== undefined) return undefined
  if (named === RSASSA_PSS) return parameters && pssAlgorithm(parameters)
  const plain = PLAIN.get(named)
  if (plain?.parameters === 'absent') return parameters === undefined ? plain : undefined
  return parameters !== undefined && isNull(parameters) ? plain : undefined
}

/** RFC 4055 §3.1, as TLS uses it (RFC 8446 §4.2.3): one digest for both; the salt's length is the signer's choice. */
function pssAlgorithm(parameters: DerElement): SignatureAlgorithm | undefined {
  const fields = derChildren(parameters, TAG.sequence)
  const [digestField, mgfField, saltField, surplus] = fields ?? []
  // The trailer field has one value, its default.
  if (surplus !== undefined) return undefined
  const digest = digestOf(explicit(digestField, 0))
  const [mgf, mgfDigest] = derChildren(explicit(mgfField, 1), TAG.sequence) ?? []
  const salt = explicit(saltField, 2)
  const saltLength = salt && derSmallInteger(salt)
  if (digest === undefined || saltLength === undefined || mgf === undefined) return undefined
  if (derObjectIdentifier(mgf) !== MGF1 || digestOf(mgfDigest) !== digest) return undefined
  return { keyTypes: ['rsa', 'rsa-pss'], digest, pssSaltLength: saltLength }
}

function explicit(field: DerElement | undefined, number: number): DerElement | undefined {
  const inside = derChildren(field, contextTag(number, 'constructed'))
  return inside?.length === 1 ? inside[0] : undefined
}

/** RFC 4055 §2.1: parameters NULL or absent. */
function digestOf(identifier: DerElement | undefined): string | undefined {
  const [id, parameters, surplus] = derChildren(identifier, TAG.sequence) ?? []
  const named = id && derObjectIdentifier(id)
  if (named === undefined || surplus !== undefined || (parameters && !isNull(parameters))) return undefined
  return DIGESTS.get(named)
}

function isNull({ tag, contents }: DerElement): boolean {
  return tag === TAG.null && contents.length === 0
}
