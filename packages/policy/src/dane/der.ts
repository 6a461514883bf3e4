/**
 * Distinguished Encoding Rules (X.690 §10, §11), as far as certificates need them (RFC 5280 §4, appendix A).
 *
 * Strict and bounded: only definite, shortest lengths, one-octet tags, and a limit on the elements of one value.
 * Nothing here recurses, so depth costs nothing; what is malformed is `undefined`, and who asked says what that
 * means. Elements are windows into the bytes they were read from, not copies. Pure.
 */

export interface DerElement {
  /** Identifier octet: class, constructed bit and number. */
  readonly tag: number
  readonly contents: Uint8Array
  /** Identifier, length and contents. */
  readonly encoded: Uint8Array
}

/** Universal tags (X.680 §8.4), with the constructed bit where DER demands it. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/** `[number]`: primitive, or constructed around other elements. */
export function contextTag(number: number, form: 'primitive' | 'constructed'): number {
  return 0x80 | number | (form === 'constructed' ? 0x20 : 0)
}

/** Certificates on the web have some dozen names and at most a few hundred; more is somebody trying us. */
export const MAX_ELEMENTS = 2000
/** X.690 §8.1.3.5; four octets are more than any certificate that TLS can carry (RFC 8446 §4.4.2: 2^24-1). */
const MAX_LENGTH_OCTETS = 4
const HIGH_TAG_NUMBER = 0x1f

/** All of `bytes` as one element. */
export function derElement(bytes: Uint8Array): DerElement | undefined {
  const element = elementAt(bytes, 0)
  return element?.encoded.length === bytes.length ? element : undefined
}

/** All of `bytes` as elements one after the other. */
export function derElements(bytes: Uint8Array): readonly DerElement[] | undefined {
  const elements: DerElement[] = []
  for (let at = 0; at < bytes.length; ) {
    const element = elementAt(bytes, at)
    if (element === undefined || elements.length === MAX_ELEMENTS) return undefined
    elements.push(element)
    at += element.encoded.length
  }
  return elements
}

/** The elements inside an element of this tag. */
export function derChildren(element: DerElement | undefined, tag: number): readonly DerElement[] | undefined {
  return element?.tag === tag ? derElements(element.contents) : undefined
}

function elementAt(bytes: Uint8Array, at: number): DerElement | undefined {
  const tag = bytes[at]
  const header = lengthAt(bytes, at + 1)
  if (tag === undefined || (tag & HIGH_TAG_NUMBER) === HIGH_TAG_NUMBER || header === undefined) return undefined
  const end = header.contentsAt + header.length
  if (end > bytes.length) return undefined
  return { tag, contents: bytes.subarray(header.contentsAt, end), encoded: bytes.subarray(at, end) }
}

/** X.690 §10.1: definite, and in as few octets as possible. */
function lengthAt(bytes: Uint8Array, at: number): { readonly length: number; readonly contentsAt: number } | undefined {
  const first = bytes[at]
  if (first === undefined) return undefined
  if (first < 0x80) return { length: first, contentsAt: at + 1 }
  const octets = first & 0x7f
  const contentsAt = at + 1 + octets
  if (octets === 0 || octets > MAX_LENGTH_OCTETS || contentsAt > bytes.length || bytes[at + 1] === 0) return undefined
  const length = bytes.subarray(at + 1, contentsAt).reduce((sum, octet) => sum * 256 + octet, 0)
  return length < 0x80 ? undefined : { length, contentsAt }
}

/** X.690 §11.1: TRUE is all ones. */
export function derBoolean(element: DerElement): boolean | undefined {
  const [value, ...more] = element.contents
  if (element.tag !== TAG.boolean || more.length > 0) return undefined
  return value === 0xff ? true : value === 0 ? false : undefined
}

/** A shortest two's complement (X.690 §8.3.2), as its octets: serial numbers are too long for anything else. */
export function derInteger({ tag, contents }: DerElement): Uint8Array | undefined {
  const [first, second = 0] = contents
  if (tag !== TAG.integer || first === undefined) return undefined
  const padded = contents.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))
  return padded ? undefined : contents
}

/** An integer from 0 that fits four octets. */
export function derSmallInteger(element: DerElement): number | undefined {
  const octets = derInteger(element)
  if (octets === undefined || octets.length > 4 || (octets[0] ?? 0) >= 0x80) return undefined
  return octets.reduce((sum, octet) => sum * 256 + octet, 0)
}

/** The contents in hexadecimal: identifiers are only ever compared. */
export function derObjectIdentifier({ tag, contents }: DerElement): string | undefined {
  const last = contents.at(-1)
  if (tag !== TAG.objectIdentifier || last === undefined || last >= 0x80) return undefined
  return Buffer.from(contents.buffer, contents.byteOffset, contents.length).toString('hex')
}

export interface DerBits {
  readonly unusedBits: number
  readonly octets: Uint8Array
}

/** X.690 §11.2: unused bits are zero. */
export function derBitString({ tag, contents }: DerElement): DerBits | undefined {
  const [unusedBits] = contents
  if (tag !== TAG.bitString || unusedBits === undefined || unusedBits > 7) return undefined
  const octets = contents.subarray(1)
  const last = octets.at(-1)
  if (last === undefined) return unusedBits === 0 ? { unusedBits, octets } : undefined
  return (last & ((1 << unusedBits) - 1)) === 0 ? { unusedBits, octets } : undefined
}

const UTC_TIME = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
const GENERALIZED_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/

/** RFC 5280 §4.1.2.5: Greenwich, with seconds, without fractions; UTC milliseconds. */
export function derTime({ tag, contents }: DerElement): number | undefined {
  if (contents.length > 'YYYYMMDDHHMMSSZ'.length) return undefined
  const text = String.fromCharCode(...contents)
  const match =
    tag === TAG.utcTime ? UTC_TIME.exec(text) : tag === TAG.generalizedTime ? GENERALIZED_TIME.exec(text) : null
  if (match === null) return undefined
  const [written = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0] = match.slice(1).map(Number)
  // RFC 5280 §4.1.2.5.1: two digits mean 1950 to 2049.
  const year = tag === TAG.generalizedTime ? written : written + (written < 50 ? 2000 : 1900)
  const time = new Date(0)
  time.setUTCFullYear(year, month - 1, day)
  time.setUTCHours(hours, minutes, seconds)
  // 31 February or 25 o'clock came out as another moment.
  const asWritten = time.getUTCMonth() === month - 1 && time.getUTCDate() === day
  return asWritten && hours < 24 && minutes < 60 && seconds < 60 ? time.getTime() : undefined
}
