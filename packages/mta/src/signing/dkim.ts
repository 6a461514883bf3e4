/**
 * Signs a message once, while it arrives (RFC 6376 §5): the header is known first and says how long the signature fields
 * will be, the body is hashed as it streams by, and the fields are made at the end for the room that was kept on top.
 *
 * Whatever is signed here is what is stored and sent: header and body after every repair, before dot-stuffing.
 */
import type { DomainName } from '@hermetic/policy'
import type { MailAddress } from '../smtp/mail-address.ts'
import { type HeaderField, parseHeader } from '../submission/header.ts'
import { BodyHash, type Canonicalization, canonicalField } from './canonicalization.ts'
import { identitiesByDomain, type SigningIdentity, signatories, type UnsignedReason } from './identity.ts'
import { fieldLength, fieldToSign, type SignatureTags, signedField } from './signature-field.ts'
import { type SignedFields, signedFields } from './signed-fields.ts'
import { type SignatureAlgorithm, signInPool, signNow } from './signing-key.ts'

export interface SigningFacts {
  /** UTC milliseconds. */
  readonly signedAt: number
  /** May this sender speak for an address in From? */
  readonly mayAuthor: (address: MailAddress) => boolean
  /** Whose keys sign when there are none for From. */
  readonly fallbackDomain?: DomainName
}

/** `header` ends with the CRLF of its last field. */
export type BeginSignature = (header: Buffer, facts: SigningFacts) => SignatureBegun

export type SignatureBegun =
  | { readonly kind: 'signing'; readonly signature: MessageSignature }
  | { readonly kind: 'unsigned'; readonly reason: UnsignedReason }

/** What is told of a message that could have been signed. */
export type SigningOutcome =
  | { readonly kind: 'signed'; readonly domain: string; readonly algorithms: readonly SignatureAlgorithm[] }
  | { readonly kind: 'unsigned'; readonly reason: UnsignedReason }

export function messageSigner(identities: readonly SigningIdentity[]): BeginSignature {
  const identitiesOf = identitiesByDomain(identities)
  return (header, { signedAt, mayAuthor, fallbackDomain }) => {
    const { fields } = parseHeader(header)
    const found = signatories(fields, identitiesOf, { mayAuthor, fallbackDomain })
    if (found.kind === 'unsigned') return found
    const signature = new MessageSignature(found.identities, { header, fields, signedAt })
    return { kind: 'signing', signature }
  }
}

interface HeaderToSign {
  readonly header: Buffer
  readonly fields: readonly HeaderField[]
  readonly signedAt: number
}

interface Making {
  readonly identity: SigningIdentity
  readonly tags: SignatureTags
}

export class MessageSignature {
  readonly #header: string
  readonly #signed: SignedFields
  readonly #making: readonly Making[]
  readonly #bodies = new Map<Canonicalization, BodyHash>()
  /** The length of all signature fields together. */
  readonly octets: number
  readonly outcome: SigningOutcome

  constructor(
    identities: readonly [SigningIdentity, ...SigningIdentity[]],
    { header, fields, signedAt }: HeaderToSign,
  ) {
    this.#header = header.toString('latin1')
    this.#signed = signedFields(fields)
    const { names } = this.#signed
    this.#making = identities.map((identity) => {
      const { domain, selector, header: ofHeader, body, key } = identity
      this.#bodies.set(body, this.#bodies.get(body) ?? new BodyHash(body))
      const { algorithm } = key
      return { identity, tags: { algorithm, header: ofHeader, body, domain, selector, signedAt, names } }
    })
    this.octets = this.#making.reduce((sum, { identity, tags }) => {
      return sum + fieldLength(tags, identity.key.signatureOctets)
    }, 0)
    const algorithms = identities.map(({ key }) => key.algorithm)
    this.outcome = { kind: 'signed', domain: identities[0].domain, algorithms }
  }

  /** What follows the empty line, in pieces. */
  body(octets: Buffer): void {
    for (const hash of this.#bodies.values()) hash.update(octets)
  }

  /** The fields, `octets` long; rejects when a key cannot sign. */
  async finish(): Promise<Buffer> {
    const made = this.#toSign().map(async ({ identity, field, octets }) => {
      return signedField(field, await signInPool(identity.key, octets))
    })
    return Buffer.from((await Promise.all(made)).join(''), 'latin1')
  }

  /** For the few messages that are made where nothing may wait. */
  finishNow(): Buffer {
    const made = this.#toSign().map(({ identity, field, octets }) => signedField(field, signNow(identity.key, octets)))
    return Buffer.from(made.join(''), 'latin1')
  }

  #toSign() {
    const hashes = new Map([...this.#bodies].map(([form, hash]) => [form, hash.digest()]))
    return this.#making.map(({ identity, tags }) => {
      const field = fieldToSign(tags, hashes.get(tags.body) ?? '')
      const signed = this.#signed.fields.map(({ start, end }) => {
        return canonicalField(this.#header.slice(start, end), tags.header)
      })
      // RFC 6376 §3.7: its own field comes last, and without the line end.
      const own = canonicalField(`${field}\r\n`, tags.header).slice(0, -2)
      return { identity, field, octets: Buffer.from(`${signed.join('')}${own}`, 'latin1') }
    })
  }
}

export interface SignedMessage {
  readonly bytes: Uint8Array
  readonly outcome: SigningOutcome
}

/** A whole message of our own. */
export function signWhole(begin: BeginSignature, message: Uint8Array, signedAt: number): SignedMessage {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  const end = bytes.indexOf('\r\n\r\n')
  const begun = begin(bytes.subarray(0, end + 2), { signedAt, mayAuthor: () => true })
  if (begun.kind === 'unsigned') return { bytes, outcome: begun }
  begun.signature.body(bytes.subarray(end + 4))
  return { bytes: Buffer.concat([begun.signature.finishNow(), bytes]), outcome: begun.signature.outcome }
}
