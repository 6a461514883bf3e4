/**
 * In which order the addresses of a host are dialled: families in turn (RFC 8305 §4), and at every further attempt on a
 * message the other family first, so that a host that takes connections over one family and mail only over the other
 * gets the mail. Within a family the resolver's order stays. Pure.
 */
import { isIPv6 } from 'node:net'

export type Family = 4 | 6

export function familyOf(address: string): Family {
  return isIPv6(address) ? 6 : 4
}

/** `attempts`: completed ones. RFC 6724 §2.1: IPv6 is the one to begin with. */
export function firstFamily(attempts: number): Family {
  return attempts % 2 === 0 ? 6 : 4
}

export function dialOrder(addresses: readonly string[], first: Family): readonly string[] {
  const preferred = addresses.filter((address) => familyOf(address) === first)
  const others = addresses.filter((address) => familyOf(address) !== first)
  const longest = Math.max(preferred.length, others.length)
  return Array.from({ length: longest }, (_, index) => [
    ...preferred.slice(index, index + 1),
    ...others.slice(index, index + 1),
  ]).flat()
}
