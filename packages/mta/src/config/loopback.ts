/** Whether only programs on this machine can reach an address (RFC 6890 §2.2). Pure. */
import { addressBytes } from '@hermetic/policy'

/** RFC 4291 §2.5.5.2: what stands in front of an IPv4 address that is mapped into IPv6. */
const MAPPED = '0,0,0,0,0,0,0,0,0,0,255,255'
const IPV6_LOOPBACK = '0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1'

/** `address` is an IP address; an IPv4 one may be mapped into IPv6. */
export function isLoopback(address: string): boolean {
  const bytes = unmappedBytes(address)
  return bytes.length === 4 ? bytes[0] === 127 : bytes.join() === IPV6_LOOPBACK
}

/** All addresses of a family, or of both. */
export function isUnspecified(address: string): boolean {
  return unmappedBytes(address).every((byte) => byte === 0)
}

function unmappedBytes(address: string): readonly number[] {
  const bytes = addressBytes(address)
  if (bytes === undefined) throw new Error(`not an IP address: ${address}`)
  return bytes.length === 16 && bytes.slice(0, 12).join() === MAPPED ? bytes.slice(12) : bytes
}
