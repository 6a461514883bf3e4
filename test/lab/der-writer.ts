/**
 * Distinguished Encoding Rules, the writing half: for certificates that are wrong in one chosen way, which no
 * certificate library writes. The reader under test has no part in it.
 */

export type Der = Uint8Array

export function tlv(tag: number, ...contents: readonly Uint8Array[]): Der {
  const body = Buffer.concat(contents)
  return Buffer.concat([Buffer.from([tag]), lengthOctets(body.length), body])
}

function lengthOctets(length: number): Uint8Array {
  if (length < 0x80) return Buffer.from([length])
  const hex = length.toString(16)
  const octets = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return Buffer.concat([Buffer.from([0x80 | octets.length]), octets])
}

export function sequence(...elements: readonly Der[]): Der {
  return tlv(0x30, ...elements)
}

export function set(...elements: readonly Der[]): Der {
  return tlv(0x31, ...elements)
}

export function boolean(value: boolean): Der {
  return tlv(0x01, Buffer.from([value ? 0xff : 0]))
}

export function integer(value: number | bigint): Der {
  const hex = value.toString(16)
  const octets = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  // A leading one would be a sign.
  return tlv(0x02, (octets[0] ?? 0) >= 0x80 ? Buffer.from([0]) : Buffer.alloc(0), octets)
}

export function octetString(contents: Uint8Array): Der {
  return tlv(0x04, contents)
}

export function bitString(octets: Uint8Array, unusedBits = 0): Der {
  return tlv(0x03, Buffer.from([unusedBits]), octets)
}

/** `1.2.840.113549`. */
export function objectIdentifier(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return tlv(0x06, ...[first * 40 + second, ...rest].map(base128))
}

function base128(arc: number): Uint8Array {
  const octets = [arc % 128]
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) octets.unshift(0x80 | (rest % 128))
  return Buffer.from(octets)
}

export function utf8String(text: string): Der {
  return tlv(0x0c, Buffer.from(text, 'utf8'))
}

export function printableString(text: string): Der {
  return tlv(0x13, Buffer.from(text, 'latin1'))
}

export function ia5String(text: string): Der {
  return tlv(0x16, Buffer.from(text, 'latin1'))
}

/** RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime before 1950 and from 2050. */
export function time(at: number): Der {
  const digits = new Date(at).toISOString().replace(/[-:T]|\.\d+/g, '')
  const year = Number(digits.slice(0, 4))
  return year >= 1950 && year < 2050 ? tlv(0x17, Buffer.from(digits.slice(2))) : tlv(0x18, Buffer.from(digits))
}

/** `[number] EXPLICIT`, or `[number]` around the parts of something constructed. */
export function tagged(number: number, ...contents: readonly Der[]): Der {
  return tlv(0xa0 | number, ...contents)
}

/** `[number] IMPLICIT` of something primitive. */
export function taggedPrimitive(number: number, contents: Uint8Array): Der {
  return tlv(0x80 | number, contents)
}
