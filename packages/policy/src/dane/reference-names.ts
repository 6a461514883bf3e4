/**
 * The names of which a certificate under a DANE-TA record must carry one (RFC 7672 §3.2.2). Pure.
 *
 * How a certificate carries a name is decided in `authenticate.ts`; for DANE-EE no name counts (RFC 7672 §3.1.1).
 */
import { type DomainName, type OwnerName, parseHostname } from '../domain-name.ts'

/** How the sender came to a host. */
export type HostOrigin =
  /** The MX RRset of the next-hop domain names it. */
  | {
      readonly kind: 'mx'
      readonly nextHop: DomainName
      /** After CNAMEs. */
      readonly expandedNextHop: OwnerName
      /** The MX RRset and every CNAME that leads to it were validated. */
      readonly secure: boolean
    }
  /** The next-hop domain has no MX records and stands for itself; `secure`: that there are none was validated. */
  | { readonly kind: 'implicit-mx'; readonly nextHop: DomainName; readonly secure: boolean }
  /** The operator names it: nothing in between could be forged. */
  | { readonly kind: 'route' }

export interface ReferenceQuestion {
  readonly origin: HostOrigin
  /** The name whose addresses were asked for. */
  readonly name: DomainName
  readonly baseDomain: DomainName
}

/** The base domain comes first. */
export function referenceNames({
  origin,
  name,
  baseDomain,
}: ReferenceQuestion): readonly [DomainName, ...DomainName[]] {
  const others = origin.kind === 'mx' && origin.secure ? nextHopNames(origin) : [name]
  return [baseDomain, ...new Set(others.filter((other) => other !== baseDomain))]
}

/**
 * An insecure MX, and everything that is no MX, adds the unexpanded name only: whoever owns it pointed it to the base
 * domain by a secure alias. Spec question, RFC 7672 §3.2.2: behind an insecure MX "the MX hostname is the only reference
 * identifier", while the base domain must be one "in all DANE-TA(2) cases"; where an alias makes them differ, both count.
 */
function nextHopNames({ nextHop, expandedNextHop }: HostOrigin & { readonly kind: 'mx' }): readonly DomainName[] {
  const expanded = parseHostname(expandedNextHop)
  return expanded.ok ? [nextHop, expanded.value] : [nextHop]
}
