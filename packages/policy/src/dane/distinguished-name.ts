/**
 * Distinguished names (RFC 5280 §4.1.2.4) in a form in which equal names are equal strings (RFC 5280 §7.1).
 *
 * Text is compared without regard to its ASN.1 string type, to the case of ASCII letters, and to how much white space
 * stands between words or around them; everything else byte by byte, as OpenSSL does it. Pure.
 */
import { type DerElement, derChildren, derObjectIdentifier, TAG } from './der.ts'

/** One string per RelativeDistinguishedName, most significant first. */
export interface DistinguishedName {
  readonly rdns: readonly string[]
  /**
   * Whether an emailAddress attribute is there, which name constraints judge like an rfc822Name (RFC 5280 §4.2.1.10);
   * malformed when one of them is no IA5String (RFC 5280 appendix A.1).
   */
  readonly emailAddress: 'absent' | 'present' | 'malformed'
}

/** PKCS #9 emailAddress, 1.2.840.113549.1.9.1. */
const EMAIL_ADDRESS = '2a864886f70d010901'
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const WHITE_SPACE = /[\t\n\v\f\r ]+/g

export function readDistinguishedName(name: DerElement): DistinguishedName | undefined {
  const sets = derChildren(name, TAG.sequence)
  if (sets === undefined) return undefined
  const attributes = sets.map(attributesOf)
  if (!attributes.every((set) => set !== undefined)) return undefined
  return {
    // A set has no order: DER sorts by encoding, which is not kept by folding case.
    rdns: attributes.map((set) =>
      set
        .map(({ type, value }) => `${type}=${value}`)
        .sort()
        .join('+'),
    ),
    emailAddress: emailAddressIn(attributes.flat()),
  }
}

export function sameName(one: DistinguishedName, other: DistinguishedName): boolean {
  return one.rdns.length === other.rdns.length && isWithin(one, other)
}

/** The name is the base, or stands below it in the directory (RFC 5280 §4.2.1.10). */
export function isWithin(name: DistinguishedName, base: DistinguishedName): boolean {
  return base.rdns.every((rdn, at) => rdn === name.rdns[at])
}

function emailAddressIn(attributes: readonly Attribute[]): DistinguishedName['emailAddress'] {
  const addresses = attributes.filter(({ type }) => type === EMAIL_ADDRESS)
  if (addresses.length === 0) return 'absent'
  return addresses.every(({ tag }) => tag === TAG.ia5String) ? 'present' : 'malformed'
}

interface Attribute {
  readonly type: string
  readonly tag: number
  readonly value: string
}

function attributesOf(rdn: DerElement): readonly Attribute[] | undefined {
  const attributes = derChildren(rdn, TAG.set)?.map(attributeOf)
  return attributes?.length && attributes.every((one) => one !== undefined) ? attributes : undefined
}

function attributeOf(pair: DerElement): Attribute | undefined {
  const [typeOid, valueElement, surplus] = derChildren(pair, TAG.sequence) ?? []
  const type = typeOid && derObjectIdentifier(typeOid)
  if (type === undefined || valueElement === undefined || surplus !== undefined) return undefined
  const value = comparable(valueElement)
  return value === undefined ? undefined : { type, tag: valueElement.tag, value }
}

function comparable(value: DerElement): string | undefined {
  const text = textOf(value)
  if (text.kind === 'not-text') return `#${Buffer.from(value.encoded).toString('hex')}`
  if (text.kind === 'malformed') return undefined
  const folded = text.text
    .replace(WHITE_SPACE, ' ')
    .replace(/^ | $/g, '')
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
  // Quoted, so that no text can look like two attributes.
  return JSON.stringify(folded)
}

type AttributeText =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'not-text' }

function textOf({ tag, contents }: DerElement): AttributeText {
  switch (tag) {
    case TAG.utf8String:
      return text(utf8(contents))
    case TAG.printableString:
    case TAG.teletexString:
    case TAG.ia5String:
    case TAG.visibleString:
      return text(Buffer.from(contents).toString('latin1'))
    case TAG.bmpString:
      return text(codePoints(contents, 2))
    case TAG.universalString:
      return text(codePoints(contents, 4))
    default:
      return { kind: 'not-text' }
  }
}

function text(decoded: string | undefined): AttributeText {
  return decoded === undefined ? { kind: 'malformed' } : { kind: 'text', text: decoded }
}

function utf8(octets: Uint8Array): string | undefined {
  try {
    return UTF8.decode(octets)
  } catch {
    return undefined
  }
}

const HIGHEST_CODE_POINT = 0x10ffff

function codePoints(octets: Uint8Array, width: 2 | 4): string | undefined {
  if (octets.length % width !== 0) return undefined
  const parts: string[] = []
  for (let at = 0; at < octets.length; at += width) {
    const point = octets.subarray(at, at + width).reduce((sum, octet) => sum * 256 + octet, 0)
    if (point > HIGHEST_CODE_POINT) return undefined
    parts.push(String.fromCodePoint(point))
  }
  return parts.join('')
}
