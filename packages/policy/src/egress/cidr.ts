/** Networks in CIDR notation (RFC 4632, RFC 4291 §2.3), strictly written. Pure. */
import { isIPv4, isIPv6 } from 'node:net'
import { err, ok, type Result } from '../result.ts'

export interface Cidr {
  readonly family: 4 | 6
  /** Network order; the bits after the prefix are zero. */
  readonly bytes: readonly number[]
  readonly prefixLength: number
}

export type CidrError =
  | { readonly kind: 'not-an-address' }
  | { readonly kind: 'prefix-length' }
  /** `10.0.0.1/8`: more often a mistake than a wish. */
  | { readonly kind: 'host-bits-set' }

/** `192.0.2.0/24`, `2001:db8::/32`, or one address. */
export function parseCidr(text: string): Result<Cidr, CidrError> {
  const [address = '', length, ...rest] = text.split('/')
  const bytes = addressBytes(address)
  if (bytes === undefined || rest.length > 0) return err({ kind: 'not-an-address' })
  const bits = bytes.length * 8
  const prefixLength = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN
  if (!(prefixLength <= bits)) return err({ kind: 'prefix-length' })
  if (bytes.some((byte, index) => (byte & ~mask(prefixLength, index)) !== 0)) return err({ kind: 'host-bits-set' })
  return ok({ family: bytes.length === 4 ? 4 : 6, bytes, prefixLength })
}

/**
 * The bytes of an address in text form, 4 or 16; undefined for zone indices and for what only inet_aton(3) reads.
 * Own code, because ipaddr.js 2.5.0 reads `::8.8.8.8` as `::ffff:8.8.8.8`, which is not what the system dials.
 */
export function addressBytes(text: string): readonly number[] | undefined {
  if (isIPv4(text)) return text.split('.').map(Number)
  if (!isIPv6(text) || text.includes('%')) return undefined
  const [head = '', tail] = text.split('::')
  const before = groupBytes(head)
  if (tail === undefined) return before
  const after = groupBytes(tail)
  return [...before, ...new Array<number>(16 - before.length - after.length).fill(0), ...after]
}

/** Colon-separated groups of a valid IPv6 address; the last may be a dotted quad. */
function groupBytes(text: string): readonly number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

export function cidrContains(cidr: Cidr, bytes: readonly number[]): boolean {
  if (cidr.bytes.length !== bytes.length) return false
  return cidr.bytes.every((byte, index) => ((byte ^ (bytes[index] ?? 0)) & mask(cidr.prefixLength, index)) === 0)
}

function mask(prefixLength: number, index: number): number {
  const bits = Math.min(8, Math.max(0, prefixLength - index * 8))
  return (0xff << (8 - bits)) & 0xff
}
