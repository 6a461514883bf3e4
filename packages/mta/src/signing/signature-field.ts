/**
 * The DKIM-Signature field: RFC 6376 §3.5, §3.7. Never with `l=`, which lets anybody append (§8.2). Its length is known
 * before the body: hashes and signatures of one key are all of one length. Pure.
 */
import type { DomainName } from '@hermetic/policy'
import type { Canonicalization } from './canonicalization.ts'
import type { SignatureAlgorithm } from './signing-key.ts'

export interface SignatureTags {
  readonly algorithm: SignatureAlgorithm
  readonly header: Canonicalization
  readonly body: Canonicalization
  readonly domain: DomainName
  readonly selector: string
  /** UTC milliseconds. */
  readonly signedAt: number
  /** `h=` */
  readonly names: readonly string[]
}

/** RFC 5322 §2.1.1 recommends 78 for a line. */
const LINE_LENGTH = 76
const FOLD = '\r\n\t '

/** Everything up to the value of `b=`, which is what the signature covers of its own field. */
export function fieldToSign(tags: SignatureTags, bodyHash: string): string {
  const { algorithm, header, body, domain, selector, signedAt, names } = tags
  return [
    `DKIM-Signature: v=1; a=${algorithm}; c=${header}/${body};`,
    `d=${domain}; s=${selector};`,
    `t=${Math.floor(signedAt / 1000)};`,
    `h=${folded(names.map((name, index) => (index === names.length - 1 ? name : `${name}:`)))};`,
    `bh=${bodyHash};`,
    'b=',
  ].join('\r\n\t')
}

/** With its CRLF; `signature` in base64. */
export function signedField(toSign: string, signature: string): string {
  const pieces = signature.match(/.{1,72}/g) ?? []
  return `${toSign}${pieces.join(FOLD)}\r\n`
}

/** The octets of a whole field before anything is hashed: SHA-256 is 44 characters of base64. */
export function fieldLength(tags: SignatureTags, signatureOctets: number): number {
  const signature = 'A'.repeat(4 * Math.ceil(signatureOctets / 3))
  return signedField(fieldToSign(tags, 'A'.repeat(44)), signature).length
}

function folded(words: readonly string[]): string {
  let line = ''
  let text = ''
  for (const word of words) {
    if (line.length + word.length > LINE_LENGTH) {
      text += `${line}${FOLD}`
      line = ''
    }
    line += word
  }
  return text + line
}
