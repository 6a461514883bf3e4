/**
 * Our own name when none is configured (RFC 5321 §4.1.4): the system's name if that is a full one, else an
 * address literal. Pure; the facts come from `readHostFacts`.
 */
import { hostname, networkInterfaces } from 'node:os'
import { parseDomainName } from '@hermetic/policy'
import type { MailDomain } from '../smtp/mail-address.ts'

export interface HostFacts {
  readonly systemName: string
  /** Addresses of interfaces that are not loopback, in the system's order. */
  readonly addresses: readonly { readonly family: 4 | 6; readonly address: string }[]
}

/** Names that are full in form only: RFC 6762 §3, RFC 6761 §6.3, and what installers write. */
const NOT_PUBLIC = /(?:^|\.)(?:local|localdomain|localhost|internal|lan|home\.arpa)$/

export function defaultOwnName({ systemName, addresses }: HostFacts): MailDomain {
  const name = parseDomainName(systemName)
  if (name.ok && name.value.includes('.') && !NOT_PUBLIC.test(name.value)) return { kind: 'name', name: name.value }
  const [first] = [...addresses].sort((left, right) => left.family - right.family)
  return { kind: 'literal', ...(first ?? { family: 4, address: '127.0.0.1' }) }
}

export function readHostFacts(): HostFacts {
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal, address, scopeid }) => !internal && !address.includes('%') && (scopeid ?? 0) === 0)
    .map(({ family, address }) => ({ family: family === 'IPv6' ? (6 as const) : (4 as const), address }))
  return { systemName: hostname(), addresses }
}
