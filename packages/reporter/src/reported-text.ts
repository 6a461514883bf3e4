/**
 * What may stand in a report of what others wrote: addresses in one form, names and codes cleaned and cut, text that
 * every JSON reader takes (RFC 7493 §2.1, RFC 8460 §4.4). Pure.
 */
import { addressBytes, type Cidr, cidrContains, invariant, parseCidr } from '@hermetic/policy'

/** RFC 5321 §4.5.3.1.2: as long as a domain may be. */
const HELO_OCTETS_MAX = 255
/** RPT-37. */
const REASON_OCTETS_MAX = 200

/** RPT-70: addresses that mean something in our own network only. */
const INTERNAL: readonly Cidr[] = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'],
  ...['::/127', 'fc00::/7', 'fe80::/10', 'fec0::/10'],
].map((text) => {
  const network = parseCidr(text)
  invariant(network.ok, `a network: ${text}`)
  return network.value
})

/** Dotted quad or RFC 5952, an IPv4-mapped one as IPv4 (RPT-32); undefined for what is not to be told or no address. */
export function reportedAddress(text: string): string | undefined {
  const bytes = addressBytes(text)
  if (bytes === undefined) return undefined
  const plain = isMapped(bytes) ? bytes.slice(12) : bytes
  if (INTERNAL.some((network) => cidrContains(network, plain))) return undefined
  return plain.length === 4 ? plain.join('.') : compressed(plain)
}

/** The name in a greeting or an EHLO reply, as one word of printable ASCII (RPT-34). */
export function reportedHelo(text: string): string | undefined {
  return oneWord(text, HELO_OCTETS_MAX)
}

export function reportedReason(text: string): string | undefined {
  return oneWord(text, REASON_OCTETS_MAX)
}

/** RFC 7493 §2.1: neither half surrogates nor noncharacters. */
export function interchangeable(text: string): string {
  return text.toWellFormed().replace(/\p{Noncharacter_Code_Point}/gu, '\ufffd')
}

function oneWord(text: string, limit: number): string | undefined {
  // Cut first: what a peer sends beyond the limit is not even looked at.
  const word = text.slice(0, limit).replace(/[^\x21-\x7e]/g, '?')
  return word === '' ? undefined : word
}

function isMapped(bytes: readonly number[]): boolean {
  return bytes.length === 16 && bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255
}

/** RFC 5952 §4: lower case, no leading zeros, the first of the longest runs of two or more zero groups as `::`. */
function compressed(bytes: readonly number[]): string {
  const groups = Array.from({ length: 8 }, (_, at) => ((bytes[at * 2] ?? 0) << 8) | (bytes[at * 2 + 1] ?? 0))
  let best = { at: 0, length: 1 }
  for (let at = 0; at < groups.length; at += 1) {
    let length = 0
    while (groups[at + length] === 0) length += 1
    if (length > best.length) best = { at, length }
  }
  const hex = groups.map((group) => group.toString(16))
  if (best.length < 2) return hex.join(':')
  return `${hex.slice(0, best.at).join(':')}::${hex.slice(best.at + best.length).join(':')}`
}
