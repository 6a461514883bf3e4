/**
 * Public keys of certificates (RFC 5280 §4.1.2.7): which kinds there are, and which are strong enough for a path.
 *
 * The line is OpenSSL's security level 2, the default of the TLS library below us (112 bits): RSA of 2048 bits and
 * more, named curves of 256 bits and more, Ed25519, Ed448. No DSA, which TLS 1.3 has no code for (RFC 8446 §4.2.3).
 * Pure.
 */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { type DerElement, derChildren, derElement, derObjectIdentifier, TAG } from './der.ts'

export type KeyType = 'rsa' | 'rsa-pss' | 'ec' | 'ed25519' | 'ed448'

/** Algorithms of SubjectPublicKeyInfo: RFC 3279 §2.3.1, RFC 4055 §1.2, RFC 5480 §2.1.1, RFC 8410 §3. */
const KEY_TYPES: ReadonlyMap<string, KeyType> = new Map([
  ['2a864886f70d010101', 'rsa'],
  ['2a864886f70d01010a', 'rsa-pss'],
  ['2a8648ce3d0201', 'ec'],
  ['2b6570', 'ed25519'],
  ['2b6571', 'ed448'],
])
/** prime256v1, secp384r1, secp521r1, brainpool P256r1, P384r1, P512r1. Explicit parameters are forged too easily. */
const CURVES: ReadonlySet<string> = new Set([
  '2a8648ce3d030107',
  '2b81040022',
  '2b81040023',
  '2b2403030208010107',
  '2b240303020801010b',
  '2b240303020801010d',
])
const MIN_RSA_BITS = 2048
/** A verification with a longer key costs whole milliseconds, and nobody uses one. */
const MAX_RSA_BITS = 8192

/** Any key that this TLS library reads. */
export function publicKey(spki: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}

/** A key that may stand in a path. */
export function strongKey(spki: Uint8Array): KeyObject | undefined {
  const keyType = keyTypeOf(spki)
  if (keyType === undefined || (keyType === 'ec' && !isKnownCurve(spki))) return undefined
  const key = publicKey(spki)
  if (key?.asymmetricKeyType !== keyType) return undefined
  if (keyType !== 'rsa' && keyType !== 'rsa-pss') return key
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  return bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS ? key : undefined
}

export function keyTypeOf(spki: Uint8Array): KeyType | undefined {
  const [id] = keyAlgorithm(spki)
  const named = id && derObjectIdentifier(id)
  return named === undefined ? undefined : KEY_TYPES.get(named)
}

function isKnownCurve(spki: Uint8Array): boolean {
  const [, parameters] = keyAlgorithm(spki)
  const curve = parameters && derObjectIdentifier(parameters)
  return curve !== undefined && CURVES.has(curve)
}

function keyAlgorithm(spki: Uint8Array): readonly DerElement[] {
  const [algorithm] = derChildren(derElement(spki), TAG.sequence) ?? []
  return derChildren(algorithm, TAG.sequence) ?? []
}
