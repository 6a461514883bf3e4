/**
 * Which reverse-paths an account may use: RFC 6409 §6.1 (SUB-14). An account without a list may use any; the null
 * reverse-path is always allowed (RFC 6409 §3.2). Pure.
 */
import { type DomainName, parseDomainName } from '@hermetic/policy'
import { formatAddress, type MailAddress } from '../smtp/mail-address.ts'
import { parseMailbox } from './address.ts'

export type SenderRight =
  | { readonly kind: 'domain'; readonly domain: DomainName }
  | { readonly kind: 'address'; readonly address: string }

/** `@example.com` or `user@example.com`; undefined when it is neither. */
export function parseSenderRight(pattern: string): SenderRight | undefined {
  if (pattern.startsWith('@')) {
    const domain = parseDomainName(pattern.slice(1))
    return domain.ok ? { kind: 'domain', domain: domain.value } : undefined
  }
  const address = parseMailbox(pattern)
  return address.ok ? { kind: 'address', address: formatAddress(address.value) } : undefined
}

export function maySendAs(address: MailAddress, rights: readonly SenderRight[]): boolean {
  const text = formatAddress(address)
  return rights.some((right) =>
    right.kind === 'address'
      ? right.address === text
      : address.domain.kind === 'name' && address.domain.name === right.domain,
  )
}
