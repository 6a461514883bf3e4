/**
 * Under which names TLSA records are looked for: the candidate base domains of one destination, in order (RFC 7672
 * §2.2.2 and §2.2.3). Pure.
 *
 * Both are ends of the alias chain: names in its middle are never candidates. What is asked, and what an error means,
 * is the business of `source.ts`.
 */
import { type DomainName, type OwnerName, parseHostname } from '../domain-name.ts'

export interface AddressStatus {
  /** The name whose addresses were asked for. */
  readonly name: DomainName
  /** Where they were found: the name itself, or the end of its alias chain. */
  readonly canonicalName: OwnerName
  /** The addresses and every alias before them were validated. */
  readonly secure: boolean
  /** Whether the first alias alone was validated; undefined while nobody asked. */
  readonly firstAliasSecure?: boolean
}

export type BaseDomains =
  | { readonly kind: 'candidates'; readonly names: readonly [DomainName] | readonly [DomainName, DomainName] }
  /** The zone of the name itself is not signed: nothing below it can be. */
  | { readonly kind: 'insecure' }
  /** The chain ends insecure; whether it began so decides, and only a CNAME query tells (RFC 7672 §2.1.3). */
  | { readonly kind: 'ask-first-alias' }

export function candidateBaseDomains({ name, canonicalName, secure, firstAliasSecure }: AddressStatus): BaseDomains {
  const isAlias = canonicalName !== name
  if (secure) {
    const expanded = isAlias ? serverName(canonicalName) : undefined
    return { kind: 'candidates', names: expanded === undefined ? [name] : [expanded, name] }
  }
  if (!isAlias) return { kind: 'insecure' }
  if (firstAliasSecure === undefined) return { kind: 'ask-first-alias' }
  return firstAliasSecure ? { kind: 'candidates', names: [name] } : { kind: 'insecure' }
}

/** A name with an underscore is no server name for TLS and in no certificate (RFC 6066 §3, RFC 9525 §2). */
function serverName(name: OwnerName): DomainName | undefined {
  const hostname = parseHostname(name)
  return hostname.ok ? hostname.value : undefined
}
