/**
 * The PROXY protocol, versions 1 and 2 (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt): what a proxy that is
 * trusted says of the client behind it, before anything else on the connection. Pure.
 *
 * A header that leaves open what it means is refused: the address in it decides who may relay.
 */
import { isIPv4, isIPv6 } from 'node:net'

export type ProxyHeader =
  /** Not all of it is here yet. */
  | { readonly kind: 'incomplete' }
  /** `octets` long. `client`: undefined when the connection is the proxy's own (LOCAL, UNKNOWN), as health checks are. */
  | { readonly kind: 'header'; readonly octets: number; readonly client: string | undefined }
  | { readonly kind: 'malformed' }

const INCOMPLETE: ProxyHeader = { kind: 'incomplete' }
const MALFORMED: ProxyHeader = { kind: 'malformed' }

/** §2.1: the longest line, with its CRLF. */
const LINE_OCTETS_MAX = 107
const LINE_START = Buffer.from('PROXY ')
/** §2.2: twelve octets that begin no other protocol. */
const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const FIXED_OCTETS = 16
/** Addresses and what else a proxy may tell, certificates of clients included. */
export const PROXY_HEADER_OCTETS_MAX = FIXED_OCTETS + 4096

const V1 = /^PROXY (TCP4|TCP6) ([0-9a-fA-F.:]+) ([0-9a-fA-F.:]+) (\d{1,5}) (\d{1,5})$/
const V1_UNKNOWN = /^PROXY UNKNOWN(?: [\x21-\x7e ]*)?$/

/** `start`: what has arrived so far. */
export function readProxyHeader(start: Buffer): ProxyHeader {
  if (begins(start, LINE_START)) return readLine(start)
  return begins(start, SIGNATURE) ? readBinary(start) : MALFORMED
}

/** As far as both go. */
function begins(start: Buffer, wanted: Buffer): boolean {
  const common = Math.min(start.length, wanted.length)
  return start.subarray(0, common).equals(wanted.subarray(0, common))
}

function readLine(start: Buffer): ProxyHeader {
  const end = start.indexOf('\r\n')
  if (end === -1) return start.length < LINE_OCTETS_MAX ? INCOMPLETE : MALFORMED
  if (end + 2 > LINE_OCTETS_MAX) return MALFORMED
  const line = start.toString('latin1', 0, end)
  if (V1_UNKNOWN.test(line)) return { kind: 'header', octets: end + 2, client: undefined }
  const [, family, client = '', server = '', ...ports] = V1.exec(line) ?? []
  const isAddress = family === 'TCP4' ? isIPv4 : isIPv6
  if (family === undefined || !isAddress(client) || !isAddress(server)) return MALFORMED
  if (!ports.every(isPort)) return MALFORMED
  return { kind: 'header', octets: end + 2, client: client.toLowerCase() }
}

function isPort(digits: string): boolean {
  return Number(digits) <= 65_535 && String(Number(digits)) === digits
}

function readBinary(start: Buffer): ProxyHeader {
  if (start.length < FIXED_OCTETS) return INCOMPLETE
  const version = start.readUInt8(12) >> 4
  const command = start.readUInt8(12) & 0x0f
  const octets = FIXED_OCTETS + start.readUInt16BE(14)
  if (version !== 2 || command > 1 || octets > PROXY_HEADER_OCTETS_MAX) return MALFORMED
  if (start.length < octets) return INCOMPLETE
  if (command === 0) return { kind: 'header', octets, client: undefined }
  const client = binaryClient(start.readUInt8(13), start.subarray(FIXED_OCTETS, octets))
  return client === 'malformed' ? MALFORMED : { kind: 'header', octets, client }
}

/** `family`: address family and transport (§2.2). Undefined: one that names no address on the Internet. */
function binaryClient(family: number, addresses: Buffer): string | undefined | 'malformed' {
  switch (family) {
    case 0x00:
    case 0x31:
      return undefined
    case 0x11:
      return addresses.length < 12 ? 'malformed' : addresses.subarray(0, 4).join('.')
    case 0x21:
      return addresses.length < 36 ? 'malformed' : ipv6Text(addresses.subarray(0, 16))
    default:
      return 'malformed'
  }
}

/** RFC 5952 by way of the URL parser. */
function ipv6Text(octets: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => octets.readUInt16BE(2 * index).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}
