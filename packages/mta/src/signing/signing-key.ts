/**
 * A private key that may sign: RSA of 2048 bits and more (RFC 8301 §3.2), Ed25519 (RFC 8463). Others, and everything
 * with SHA-1, do not exist here. Pure but for the cryptography.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { err, ok, type Result } from '@hermetic/policy'

export type SignatureAlgorithm = 'rsa-sha256' | 'ed25519-sha256'

export interface SigningKey {
  readonly algorithm: SignatureAlgorithm
  readonly key: KeyObject
  /** Of a signature. */
  readonly signatureOctets: number
}

export type KeyProblem = 'not-a-private-key' | 'other-type' | 'too-weak' | 'too-long'

/** RFC 8301 §3.2 wants 1024 at least and recommends 2048; shorter ones are not made any more. */
export const RSA_BITS_MIN = 2048
/** Verifiers must know 4096 (RFC 8301 §3.2); each doubling costs eight times the work. */
const RSA_BITS_MAX = 4096

export function parseSigningKey(pem: Buffer | string): Result<SigningKey, KeyProblem> {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    return err('not-a-private-key')
  }
  if (key.asymmetricKeyType === 'ed25519') return ok({ algorithm: 'ed25519-sha256', key, signatureOctets: 64 })
  if (key.asymmetricKeyType !== 'rsa') return err('other-type')
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (bits < RSA_BITS_MIN) return err('too-weak')
  if (bits > RSA_BITS_MAX) return err('too-long')
  return ok({ algorithm: 'rsa-sha256', key, signatureOctets: Math.ceil(bits / 8) })
}

/** `p=` of the key record: RFC 6376 §3.6.1 for RSA, the bare 32 octets of RFC 8463 §4 for Ed25519. */
export function publicKeyText({ algorithm, key }: SigningKey): string {
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
  return (algorithm === 'rsa-sha256' ? spki : spki.subarray(-32)).toString('base64')
}

/** In base64. Ed25519 signs the hash of what is signed (RFC 8463 §3). */
export function signNow({ algorithm, key }: SigningKey, octets: Buffer): string {
  const signature = algorithm === 'rsa-sha256' ? sign('sha256', octets, key) : sign(null, sha256(octets), key)
  return signature.toString('base64')
}

/** RSA is work for the thread pool; Ed25519 is done sooner than it would be handed over. */
export function signInPool(signing: SigningKey, octets: Buffer): string | Promise<string> {
  if (signing.algorithm === 'ed25519-sha256') return signNow(signing, octets)
  return new Promise((resolve, reject) => {
    sign('sha256', octets, signing.key, (error, signature) => {
      if (error === null) resolve(signature.toString('base64'))
      else reject(error)
    })
  })
}

function sha256(octets: Buffer): Buffer {
  return createHash('sha256').update(octets).digest()
}
