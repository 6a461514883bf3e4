/**
 * Lists of networks as the settings name them: addresses and CIDR prefixes. Pure.
 */
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'

export type NetworkList = (address: string) => boolean

const CIDR = /^([^/]+)(?:\/(\d{1,3}))?$/

/** `undefined` when the text is neither an address nor a prefix. */
export function parseNetwork(
  text: string,
): { readonly address: string; readonly family: 4 | 6; readonly bits: number } | undefined {
  const [, address, bits] = CIDR.exec(text) ?? []
  if (address === undefined || isIP(address) === 0 || address.includes('%')) return undefined
  const family = isIPv4(address) ? 4 : 6
  const width = family === 4 ? 32 : 128
  const length = bits === undefined ? width : Number(bits)
  return length > width ? undefined : { address, family, bits: length }
}

/** Every entry must be one that `parseNetwork` reads; the settings check that with a line number. */
export function networkList(entries: readonly string[]): NetworkList {
  const list = new BlockList()
  for (const entry of entries) {
    const network = parseNetwork(entry)
    if (network === undefined) throw new Error(`not a network: ${entry}`)
    list.addSubnet(network.address, network.bits, network.family === 4 ? 'ipv4' : 'ipv6')
  }
  return (address) => {
    const plain = unmapped(address)
    return isIP(plain) !== 0 && list.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')
  }
}

/** A dual-stack socket shows IPv4 peers as `::ffff:192.0.2.1` (RFC 4291 §2.5.5.2). */
export function unmapped(address: string): string {
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  return v4 ?? address
}
