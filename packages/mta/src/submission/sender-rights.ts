/**
 * Which addresses an account may use, in the reverse-path and as an author: RFC 6409 §6.1 (SUB-14). An account without a
 * list may use any; the null reverse-path is always allowed (RFC 6409 §3.2). Pure.
 */
import { type DomainName, parseDomainName } from '@hermetic/policy'
import { formatAddress, formatDomain, type MailAddress } from '../smtp/mail-address.ts'
import { parseMailbox } from './address.ts'

export type SenderRight =
  | { readonly kind: 'domain'; readonly domain: DomainName }
  /** Every domain below this one, not itself. */
  | { readonly kind: 'below'; readonly suffix: string }
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'local-part'; readonly before: string; readonly after: string; readonly domain: string }

/** What is said about patterns that are none. */
export const SENDER_PATTERNS = 'an address, @domain, @*.domain or an address with one * before the @'

/** `user@example.com`, `bounce+*@example.com`, `@example.com` or `@*.example.com`; undefined when it is none of them. */
export function parseSenderRight(pattern: string): SenderRight | undefined {
  if (pattern.startsWith('@')) {
    const below = pattern.startsWith('@*.')
    const domain = parseDomainName(pattern.slice(below ? 3 : 1))
    if (!domain.ok) return undefined
    return below ? { kind: 'below', suffix: `.${domain.value}` } : { kind: 'domain', domain: domain.value }
  }
  const address = parseMailbox(pattern)
  if (!address.ok) return undefined
  const { localPart, domain } = address.value
  if (!localPart.includes('*')) return { kind: 'address', address: formatAddress(address.value) }
  const [before = '', after = '', ...more] = localPart.split('*')
  if (more.length > 0 || localPart.startsWith('"')) return undefined
  return { kind: 'local-part', before, after, domain: formatDomain(domain) }
}

export function maySendAs(address: MailAddress, rights: readonly SenderRight[]): boolean {
  return rights.some((right) => covers(right, address))
}

function covers(right: SenderRight, address: MailAddress): boolean {
  const { localPart, domain } = address
  switch (right.kind) {
    case 'address':
      return right.address === formatAddress(address)
    case 'domain':
      return domain.kind === 'name' && domain.name === right.domain
    case 'below':
      return domain.kind === 'name' && domain.name.endsWith(right.suffix)
    case 'local-part':
      return right.domain === formatDomain(domain) && fits(localPart, right)
  }
}

function fits(localPart: string, { before, after }: { readonly before: string; readonly after: string }): boolean {
  return localPart.length >= before.length + after.length && localPart.startsWith(before) && localPart.endsWith(after)
}
