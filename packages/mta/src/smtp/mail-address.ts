/**
 * Envelope addresses as values (RFC 5321 §4.1.2, RFC 6531 §3.3). Parsing is in `submission/address.ts`.
 *
 * An address is kept as it is to be sent: the local part in minimal quoting with its case preserved
 * (RFC 5321 §2.4), the domain in A-labels and lower case, or an address literal with its brackets.
 */
import { isIPv4, isIPv6 } from 'node:net'
import type { DomainName } from '@hermetic/policy'

export interface MailAddress {
  /** As on the wire, quoted only when it must be; may hold UTF-8 (RFC 6531). */
  readonly localPart: string
  readonly domain: MailDomain
}

export type MailDomain =
  | { readonly kind: 'name'; readonly name: DomainName }
  | { readonly kind: 'literal'; readonly family: 4 | 6; readonly address: string }

/** RFC 5321 §4.1.1.2: `nullReversePath` is `<>`. */
export type ReversePath = MailAddress | NullReversePath
export type NullReversePath = 'nullReversePath'
export const nullReversePath: NullReversePath = 'nullReversePath'

export function formatDomain(domain: MailDomain): string {
  if (domain.kind === 'name') return domain.name
  return domain.family === 4 ? `[${domain.address}]` : `[IPv6:${domain.address}]`
}

/** `local@domain`, without angle brackets. */
export function formatAddress(address: MailAddress): string {
  return `${address.localPart}@${formatDomain(address.domain)}`
}

/** `local@domain`, or the empty string for the null reverse-path. */
export function formatReversePath(path: ReversePath): string {
  return path === nullReversePath ? '' : formatAddress(path)
}

/** An address literal with its brackets (RFC 5321 §4.1.3), IPv4 or `IPv6:` form; undefined when it is neither. */
export function parseLiteral(text: string): MailDomain | undefined {
  if (!text.startsWith('[') || !text.endsWith(']')) return undefined
  const inner = text.slice(1, -1)
  if (isIPv4(inner)) return { kind: 'literal', family: 4, address: inner }
  const v6 = /^IPv6:(.+)$/i.exec(inner)?.[1]
  // A zone index names an interface of ours, never a destination.
  if (v6 === undefined || v6.includes('%') || !isIPv6(v6)) return undefined
  return { kind: 'literal', family: 6, address: v6.toLowerCase() }
}
