/** For tests: keys, identities, and mailauth as the verifier that knows nothing of our code. */
import assert from 'node:assert/strict'
import { invariant, parseDomainName } from '@hermetic/policy'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { type BeginSignature, type SignatureBegun, signWhole } from './dkim.ts'
import { generateKeyPem, type KeyType } from './generate-key.ts'
import type { SigningIdentity } from './identity.ts'
import { keyRecordName, keyRecordText } from './key-record.ts'
import { parseSigningKey, type SigningKey } from './signing-key.ts'

export function newKey(type: KeyType): SigningKey {
  const key = parseSigningKey(generateKeyPem(type))
  invariant(key.ok, 'a new key is usable')
  return key.value
}

export const RSA = newKey('rsa')
export const ED25519 = newKey('ed25519')
export const SIGNED_AT = Date.UTC(2026, 10, 22, 8, 37)

export function identity(changes: Partial<Omit<SigningIdentity, 'domain'>> & { readonly domain?: string } = {}) {
  const domain = parseDomainName(changes.domain ?? 'example.com')
  invariant(domain.ok, 'sample domain')
  const sample = { selector: 's1', subdomains: true, header: 'relaxed', body: 'relaxed', key: RSA } as const
  return { ...sample, ...changes, domain: domain.value } satisfies SigningIdentity
}

/** The message with its signatures on top. */
export function signedText(begin: BeginSignature, message: string): string {
  return Buffer.from(signWhole(begin, Buffer.from(message, 'latin1'), SIGNED_AT).bytes).toString('latin1')
}

export function reasonOf(begun: SignatureBegun): string {
  return begun.kind === 'unsigned' ? begun.reason : begun.signature.outcome.kind
}

/** `domain/selector result` of each signature, the uppermost first. */
export async function verified(message: string | Buffer, identities: readonly SigningIdentity[]): Promise<string[]> {
  const records = new Map(identities.map((one) => [keyRecordName(one.domain, one.selector), keyRecordText(one.key)]))
  const octets = typeof message === 'string' ? Buffer.from(message, 'latin1') : message
  const { results } = await dkimVerify(octets, {
    resolver: async (name: string, type: string) => {
      const text = records.get(name)
      assert.equal(type, 'TXT')
      if (text === undefined) throw Object.assign(new Error(`no ${name}`), { code: 'ENOTFOUND' })
      return [[text]]
    },
  })
  return results.map(({ signingDomain, selector, status }) => `${signingDomain}/${selector} ${status.result}`)
}
