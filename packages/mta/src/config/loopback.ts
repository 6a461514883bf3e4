/** Whether only programs on this machine can reach an address (RFC 6890 §2.2). Pure. */
import ipaddr from 'ipaddr.js'

/** `address` is an IP address; an IPv4 one may be mapped into IPv6. */
export function isLoopback(address: string): boolean {
  return ipaddr.process(address).range() === 'loopback'
}

/** All addresses of a family, or of both. */
export function isUnspecified(address: string): boolean {
  return ipaddr.process(address).range() === 'unspecified'
}
