/**
 * The IANA special-purpose address registries (RFC 6890 and successors, as of 2026), multicast, and what is no
 * global unicast at all. Anycast services that are reachable (AS112, AMT, PCP) are listed too: no mail host lives there.
 * Data only; `address-guard.ts` reads it. First match counts.
 */
import { invariant } from '../result.ts'
import { type Cidr, parseCidr } from './cidr.ts'

export type SpecialRange = (typeof TABLE)[number][1]

const TABLE = [
  ['0.0.0.0/8', 'this-network'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'shared'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'protocol-assignments'],
  ['192.0.2.0/24', 'documentation'],
  ['192.31.196.0/24', 'as112'],
  ['192.52.193.0/24', 'amt'],
  ['192.88.99.0/24', '6to4-relay'],
  ['192.168.0.0/16', 'private'],
  ['192.175.48.0/24', 'as112'],
  ['198.18.0.0/15', 'benchmarking'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['255.255.255.255/32', 'broadcast'],
  ['240.0.0.0/4', 'reserved'],

  ['::/128', 'unspecified'],
  ['::1/128', 'loopback'],
  ['::/96', 'ipv4-compatible'],
  ['64:ff9b:1::/48', 'nat64-local'],
  ['100::/64', 'discard'],
  ['100:0:0:1::/64', 'dummy'],
  ['2001::/32', 'teredo'],
  ['2001:2::/48', 'benchmarking'],
  ['2001:3::/32', 'amt'],
  ['2001:4:112::/48', 'as112'],
  ['2001:10::/28', 'orchid'],
  ['2001:20::/28', 'orchid'],
  ['2001:30::/28', 'drone-remote-id'],
  ['2001::/23', 'protocol-assignments'],
  ['2001:db8::/32', 'documentation'],
  ['2620:4f:8000::/48', 'as112'],
  ['3fff::/20', 'documentation'],
  ['5f00::/16', 'segment-routing'],
  ['fc00::/7', 'unique-local'],
  ['fe80::/10', 'link-local'],
  ['fec0::/10', 'site-local'],
  ['ff00::/8', 'multicast'],
] as const

export const SPECIAL_RANGES: readonly { readonly network: Cidr; readonly range: SpecialRange }[] = TABLE.map(
  ([text, range]) => ({ network: network(text), range }),
)

/** RFC 4291 §2.4: what is delegated as global unicast today. */
export const GLOBAL_UNICAST: Cidr = network('2000::/3')
export const IPV4_MAPPED: Cidr = network('::ffff:0:0/96')
/** RFC 6052 §2.1. */
export const NAT64_WELL_KNOWN: Cidr = network('64:ff9b::/96')
/** RFC 8215. */
export const NAT64_LOCAL: Cidr = network('64:ff9b:1::/48')
/** RFC 3056. */
export const SIX_TO_FOUR: Cidr = network('2002::/16')
/** RFC 4380. */
export const TEREDO: Cidr = network('2001::/32')

function network(text: string): Cidr {
  const parsed = parseCidr(text)
  invariant(parsed.ok, `range ${text}`)
  return parsed.value
}
