/**
 * May we dial this address? Strangers choose it, by MX, policy and report records, and could point us at ourselves or
 * at machines behind us (architecture, decision 8).
 *
 * Judges the very address that is dialled next. IPv4 addresses hidden in IPv6 forms are judged too, every layer by
 * itself: an exception for a NAT64 prefix does not open loopback behind it. Pure; knows neither names nor sockets.
 */
import { addressBytes, type Cidr, cidrContains } from './cidr.ts'
import {
  GLOBAL_UNICAST,
  IPV4_MAPPED,
  NAT64_LOCAL,
  NAT64_WELL_KNOWN,
  SIX_TO_FOUR,
  SPECIAL_RANGES,
  type SpecialRange,
  TEREDO,
} from './special-ranges.ts'

export type AddressJudgement =
  | { readonly kind: 'allowed' }
  | { readonly kind: 'refused'; readonly reason: RefusalReason }

export type RefusalReason =
  | SpecialRange
  | 'not-global-unicast'
  | 'not-an-address'
  /** `fe80::1%eth0` names an interface of ours. */
  | 'zone-index'
  /** One of our own listeners: dialling it would be a loop. No exception opens it. */
  | 'own-listener'

export interface Listener {
  /** An address, or a wildcard: `0.0.0.0`, `::`. */
  readonly address: string
  readonly port: number
}

export interface AddressRules {
  /** Networks that may be dialled although they are special (`egress.smtp_networks`, `egress.https_networks`). */
  readonly exceptions: readonly Cidr[]
  /** Wildcards stand for loopback only; `expandWildcards` adds the addresses of the machine. */
  readonly ownListeners: readonly Listener[]
  /** The port about to be dialled. */
  readonly port: number
}

export function judgeAddress(address: string, rules: AddressRules): AddressJudgement {
  const bytes = addressBytes(address)
  if (bytes === undefined) return { kind: 'refused', reason: address.includes('%') ? 'zone-index' : 'not-an-address' }
  for (const layer of layersOf(bytes)) {
    const reason = refusal(layer, rules)
    if (reason !== undefined) return { kind: 'refused', reason }
  }
  return { kind: 'allowed' }
}

/** A wildcard listener is reached at every address of the machine: add them, as `os.networkInterfaces()` lists them. */
export function expandWildcards(
  listeners: readonly Listener[],
  machineAddresses: readonly string[],
): readonly Listener[] {
  return listeners.flatMap((listener) => {
    const bytes = addressBytes(listener.address)
    if (bytes === undefined || !isWildcard(bytes)) return [listener]
    // A socket on `::` takes IPv4 connections as well; one on `0.0.0.0` takes no IPv6.
    const reached = machineAddresses.filter((address) => bytes.length === 16 || !address.includes(':'))
    return [listener, ...reached.map((address) => ({ address, port: listener.port }))]
  })
}

function refusal(
  bytes: readonly number[],
  { exceptions, ownListeners, port }: AddressRules,
): RefusalReason | undefined {
  if (ownListeners.some((listener) => listener.port === port && reaches(bytes, listener))) return 'own-listener'
  if (exceptions.some((network) => cidrContains(network, bytes))) return undefined
  // The translator's prefix lies outside global unicast, and is judged by what it carries.
  if (cidrContains(NAT64_WELL_KNOWN, bytes)) return undefined
  const special = SPECIAL_RANGES.find(({ network }) => cidrContains(network, bytes))
  if (special !== undefined) return special.range
  return bytes.length === 16 && !cidrContains(GLOBAL_UNICAST, bytes) ? 'not-global-unicast' : undefined
}

/** The address itself and every IPv4 address that it carries; a mapped address is only notation for its inner one. */
function layersOf(bytes: readonly number[]): readonly (readonly number[])[] {
  if (bytes.length === 4) return [bytes]
  if (cidrContains(IPV4_MAPPED, bytes)) return [bytes.slice(12)]
  return [bytes, ...carriedIpv4(bytes)]
}

function carriedIpv4(bytes: readonly number[]): readonly (readonly number[])[] {
  if (cidrContains(NAT64_WELL_KNOWN, bytes)) return [bytes.slice(12)]
  if (cidrContains(NAT64_LOCAL, bytes)) return [localNat64Ipv4(bytes)]
  if (cidrContains(SIX_TO_FOUR, bytes)) return [bytes.slice(2, 6)]
  // RFC 4380 §4: the server as it is, the client's address with all bits inverted.
  if (cidrContains(TEREDO, bytes)) return [bytes.slice(4, 8), bytes.slice(12).map((byte) => byte ^ 0xff)]
  return []
}

// RFC 6052 §2.2: under a /96 the address fills the last four octets, under a /48 it surrounds the zero octet 8 and
// the rest is zero.
function localNat64Ipv4(bytes: readonly number[]): readonly number[] {
  const last = bytes.slice(12)
  return last.some((byte) => byte !== 0) ? last : [...bytes.slice(6, 8), ...bytes.slice(9, 11)]
}

function reaches(bytes: readonly number[], listener: Listener): boolean {
  const own = addressBytes(listener.address)
  if (own === undefined) return false
  const [plain = own] = layersOf(own)
  if (isWildcard(plain)) return isLocal(bytes)
  return plain.length === bytes.length && plain.every((byte, index) => byte === bytes[index])
}

/** Loopback, and the wildcards themselves, which systems connect to loopback. */
function isLocal(bytes: readonly number[]): boolean {
  if (bytes.length === 4) return bytes[0] === 127 || isWildcard(bytes)
  return bytes.slice(0, 15).every((byte) => byte === 0) && (bytes[15] === 0 || bytes[15] === 1)
}

function isWildcard(bytes: readonly number[]): boolean {
  return bytes.every((byte) => byte === 0)
}
