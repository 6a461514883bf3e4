/**
 * Whose keys sign a message: those of the From domain, else of the nearest domain above it that signs for what is below
 * (RFC 6376 §3.10; aligned as RFC 7489 §3.1.1 wants it), else those of the domain that the login names. Pure.
 */
import type { DomainName } from '@hermetic/policy'
import type { MailAddress } from '../smtp/mail-address.ts'
import type { HeaderField } from '../submission/header.ts'
import { authors } from './author.ts'
import type { Canonicalization } from './canonicalization.ts'
import type { SigningKey } from './signing-key.ts'

/** One `[[dkim]]`. */
export interface SigningIdentity {
  readonly domain: DomainName
  readonly selector: string
  /** Also for mail from domains below. */
  readonly subdomains: boolean
  readonly header: Canonicalization
  readonly body: Canonicalization
  readonly key: SigningKey
}

export type UnsignedReason =
  /** No key for the domain in From. */
  | 'no-key'
  /** From names mailboxes of domains with different keys. */
  | 'several-domains'
  /** From is not there once, or is no address with a domain. */
  | 'unreadable-from'
  /** The account may not send as the address in From: nobody signs for a neighbour's domain. */
  | 'not-permitted'

export type Signatories =
  | { readonly kind: 'sign'; readonly identities: readonly [SigningIdentity, ...SigningIdentity[]] }
  | { readonly kind: 'unsigned'; readonly reason: UnsignedReason }

export type IdentitiesOf = (domain: DomainName) => readonly SigningIdentity[]

export function identitiesByDomain(identities: readonly SigningIdentity[]): IdentitiesOf {
  const byDomain = new Map<string, SigningIdentity[]>()
  for (const identity of identities) {
    const known = byDomain.get(identity.domain)
    if (known === undefined) byDomain.set(identity.domain, [identity])
    else known.push(identity)
  }
  return (domain) => {
    const own = byDomain.get(domain)
    if (own !== undefined) return own
    for (let dot = domain.indexOf('.'); dot !== -1; dot = domain.indexOf('.', dot + 1)) {
      const above = byDomain.get(domain.slice(dot + 1))
      if (above !== undefined) return above.filter(({ subdomains }) => subdomains)
    }
    return []
  }
}

/** What is known of who submitted the message. */
export interface Sender {
  readonly mayAuthor: (address: MailAddress) => boolean
  readonly fallbackDomain?: DomainName | undefined
}

export function signatories(
  header: readonly HeaderField[],
  identitiesOf: IdentitiesOf,
  { mayAuthor, fallbackDomain }: Sender,
): Signatories {
  const [from, ...more] = header.filter(({ name }) => name === 'from')
  const named = from === undefined || more.length > 0 ? undefined : authors(from.body)
  if (named === undefined) return { kind: 'unsigned', reason: 'unreadable-from' }
  const choices = named.map(({ domain }) => (domain.kind === 'name' ? identitiesOf(domain.name) : []))
  const several = choices.some((other) => other[0] !== choices[0]?.[0])
  const fallback = fallbackDomain === undefined ? [] : identitiesOf(fallbackDomain)
  const own = several ? [] : (choices[0] ?? [])
  const [first, ...rest] = own.length > 0 ? own : fallback
  if (first === undefined) return { kind: 'unsigned', reason: several ? 'several-domains' : 'no-key' }
  if (!named.every(mayAuthor)) return { kind: 'unsigned', reason: 'not-permitted' }
  return { kind: 'sign', identities: [first, ...rest] }
}
