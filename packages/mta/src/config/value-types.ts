/**
 * The kinds of values that settings have. Pure.
 *
 * Addresses, networks and names are checked here in the strict forms that the rest of the relay uses, so
 * that nothing behind the configuration reads them a second way.
 */
import { isIP, isIPv4, SocketAddress } from 'node:net'
import { addressBytes, err, ok, parseCidr, parseDomainName, type Result } from '@hermetic/policy'
import { parseRoles, ROLES, type Role } from '../nodes/role.ts'
import { type MailAddress, type MailDomain, parseLiteral } from '../smtp/mail-address.ts'
import { parseMailbox } from '../submission/address.ts'
import { formatDuration, formatSize, parseDuration, parseSize } from './quantity.ts'
import { Secret } from './secret.ts'
import { nameOf, quote, textType, type ValueProblem, type ValueType } from './value-type.ts'

/** A network in canonical form: no host bits, RFC 4291 / RFC 5952 text. */
export type Cidr = string & { readonly __brand: 'Cidr' }

/** Where to listen or connect: an IP address and a port. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

interface Bounds {
  readonly min: number
  readonly max: number
}

export function integer({ min, max }: Bounds): ValueType<number> {
  const write = `a whole number from ${min} to ${max}`
  return {
    name: 'number',
    toml: 'integer',
    parse(input) {
      if (typeof input !== 'number') return err({ wrong: `is ${nameOf(input)}, not a number`, write })
      if (!Number.isSafeInteger(input) || input < min || input > max) {
        return err({ wrong: `is out of range: ${input}`, write })
      }
      return ok(input)
    },
  }
}

export const port: ValueType<number> = { ...integer({ min: 1, max: 65_535 }), name: 'port number' }

/** 0 asks the system for a free port. */
export const listenPort: ValueType<number> = { ...integer({ min: 0, max: 65_535 }), name: 'port number' }

export const boolean: ValueType<boolean> = {
  name: 'true or false',
  toml: 'boolean',
  parse(input) {
    if (typeof input === 'boolean') return ok(input)
    return err({ wrong: `is ${nameOf(input)}, not true or false`, write: 'true or false, without quotes' })
  },
}

export function choice<const T extends string>(...words: readonly [T, ...T[]]): ValueType<T> {
  const listed = words.map((word) => `"${word}"`).join(' or ')
  return textType(listed, listed, (text) => {
    const word = words.find((known) => known === text)
    return word === undefined ? err({ wrong: `cannot be ${quote(text)}`, write: listed }) : ok(word)
  })
}

export function duration({ min, max }: Bounds): ValueType<number> {
  const write = `a whole number with ms, s, m, h or d, from "${formatDuration(min)}" to "${formatDuration(max)}"`
  return textType('duration', write, (text) => bounded(parseDuration(text), { min, max, write, text }))
}

export function size({ min, max }: Bounds): ValueType<number> {
  const write = `a whole number with B, KiB, MiB, GiB or TiB, from "${formatSize(min)}" to "${formatSize(max)}"`
  return textType('size', write, (text) => bounded(parseSize(text), { min, max, write, text }))
}

function bounded(
  parsed: { readonly ok: true; readonly value: number } | { readonly ok: false },
  { min, max, write, text }: Bounds & { readonly write: string; readonly text: string },
): Result<number, ValueProblem> | undefined {
  if (!parsed.ok) return undefined
  const { value } = parsed
  return value >= min && value <= max ? ok(value) : err({ wrong: `is out of range: ${quote(text)}`, write })
}

export const ipAddress: ValueType<string> = textType(
  'IP address',
  'an IPv4 or IPv6 address, e.g. "127.0.0.1" or "::1"',
  (text) => found(canonicalAddress(text)),
)

function found<T>(value: T | undefined): Result<T, ValueProblem> | undefined {
  return value === undefined ? undefined : ok(value)
}

/** As the system writes it, RFC 5952 for IPv6. */
function canonicalAddress(text: string): string | undefined {
  if (isIP(text) === 0 || text.includes('%')) return undefined
  return new SocketAddress({ address: text, family: isIPv4(text) ? 'ipv4' : 'ipv6' }).address
}

export const network: ValueType<Cidr> = textType(
  'network',
  'an address with a prefix length, e.g. "192.0.2.0/24" or "2001:db8::/32"',
  (text) => {
    const [, address = '', length] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? []
    const parsed = length === undefined ? undefined : parseCidr(text)
    if (parsed === undefined) return undefined
    if (parsed.ok) return ok(`${canonicalAddress(address)}/${Number(length)}` as Cidr)
    if (parsed.error.kind !== 'host-bits-set') return undefined
    const base = `${baseAddress(address, Number(length))}/${Number(length)}`
    return err({ wrong: `has address bits behind its prefix: ${quote(text)}`, write: `"${base}"` })
  },
)

/** The first address of the network that an address is in. */
function baseAddress(address: string, prefixLength: number): string | undefined {
  const bytes = (addressBytes(address) ?? []).map((byte, index) => {
    const bits = Math.min(8, Math.max(0, prefixLength - index * 8))
    return byte & (0xff00 >> bits)
  })
  if (bytes.length === 4) return bytes.join('.')
  const groups = bytes.flatMap((byte, index) => (index % 2 === 0 ? [(byte << 8) | (bytes[index + 1] ?? 0)] : []))
  return canonicalAddress(groups.map((group) => group.toString(16)).join(':'))
}

/** `192.0.2.1:53`, `[2001:db8::1]:53`. */
export const endpoint: ValueType<Endpoint> = textType(
  'address with port',
  'an IP address and a port, e.g. "127.0.0.1:9125" or "[::1]:9125"',
  (text) => found(parseEndpoint(text)),
)

/** As `endpoint`; the port may be left out. */
export function endpointWithDefault(defaultPort: number): ValueType<Endpoint> {
  return textType(
    'address, with port or without',
    `an IP address, and a port when it is not ${defaultPort}, e.g. "192.0.2.1" or "[2001:db8::1]:5353"`,
    (text) => {
      const address = canonicalAddress(text)
      return found(address === undefined ? parseEndpoint(text) : { address, port: defaultPort })
    },
  )
}

function parseEndpoint(text: string): Endpoint | undefined {
  const [, v6, v4, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text) ?? []
  const address = canonicalAddress(v6 ?? v4 ?? '')
  if (address === undefined || (v6 !== undefined && isIPv4(v6)) || Number(digits) > 65_535) return undefined
  return { address, port: Number(digits) }
}

/** RFC 5321 §4.1.4: our own name is a full name or an address literal. */
export const ownName: ValueType<MailDomain> = textType(
  'full host name or address literal',
  'the name that your address has in DNS, e.g. "relay.example.com", or an address in brackets, e.g. "[192.0.2.1]"',
  (text) => {
    const literal = parseLiteral(text)
    if (literal !== undefined) return ok(literal)
    const name = parseDomainName(text)
    if (!name.ok) return undefined
    if (name.value.includes('.')) return ok({ kind: 'name', name: name.value })
    return err({
      wrong: `is not a full name: ${quote(text)} has no domain`,
      write: `the name with its domain, e.g. "${name.value}.example.com"`,
    })
  },
)

export const mailbox: ValueType<MailAddress> = textType(
  'mail address',
  'a mailbox with its domain, e.g. "postmaster@example.com"',
  (text) => {
    const address = parseMailbox(text)
    return address.ok ? address : undefined
  },
)

/** A path; `load.ts` makes it absolute. */
export const path: ValueType<string> = textType('path', 'a file or directory name', (text) =>
  text === '' || text.includes('\0') ? undefined : ok(text),
)

export function matching(name: string, write: string, pattern: RegExp): ValueType<string> {
  return textType(name, write, (text) => (pattern.test(text) ? ok(text) : undefined))
}

export const roles: ValueType<readonly Role[]> = textType(
  'roles',
  `one or more of ${ROLES.join(', ')}, with commas between them`,
  (text) => {
    const parsed = parseRoles(text)
    return parsed.ok ? parsed : undefined
  },
)

/** Wraps what the inner type accepts, and keeps the value out of messages too. */
export function secret(name: string, write: string, accepts: (text: string) => boolean): ValueType<Secret> {
  return {
    name,
    toml: 'string',
    secret: true,
    parse(input) {
      if (typeof input !== 'string') return err({ wrong: `is ${nameOf(input)}, not a string`, write })
      return accepts(input) ? ok(new Secret(input)) : err({ wrong: `is not a ${name}`, write })
    },
  }
}
