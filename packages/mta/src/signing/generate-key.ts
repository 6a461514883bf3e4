/** New private keys in PEM (PKCS #8). */
import { generateKeyPairSync } from 'node:crypto'
import { RSA_BITS_MIN } from './signing-key.ts'

export const KEY_TYPES = ['rsa', 'ed25519'] as const
export type KeyType = (typeof KEY_TYPES)[number]

export function generateKeyPem(type: KeyType): string {
  const { privateKey } =
    type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: RSA_BITS_MIN }) : generateKeyPairSync('ed25519')
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}
