/**
 * Which reference identifier a certificate carries as a DNS-ID (RFC 7672 §3.2.3, RFC 9525 §6.3).
 *
 * Only dNSName entries count, a common name never does (DANE-76). `*` stands for one label, as the whole first one, of
 * a name with at least two more: `*.com` is nobody's. No other wildcard (DANE-77, DANE-78). Pure.
 */
import type { DomainName } from '../domain-name.ts'
import type { GeneralName } from './general-name.ts'

/** Letters, digits, hyphens within: anything else in a certificate is no hostname and matches none. */
const HOSTNAME =
  /^(?:\*\.(?=[^.]+\.))?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i

/** The first reference name that one of the entries matches. */
export function carriedName(
  referenceNames: readonly DomainName[],
  subjectAltName: readonly GeneralName[],
): DomainName | undefined {
  const presented = new Set(subjectAltName.flatMap((entry) => (entry.kind === 'dns' ? presentedName(entry.name) : [])))
  return referenceNames.find((name) => presented.has(name) || presented.has(`*${name.slice(name.indexOf('.'))}`))
}

function presentedName(name: string): readonly string[] {
  return HOSTNAME.test(name) ? [name.toLowerCase()] : []
}
