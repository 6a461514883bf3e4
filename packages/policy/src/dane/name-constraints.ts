/**
 * Name constraints of a CA (RFC 5280 §4.2.1.10), and which names break them.
 *
 * DNS names, IP addresses and directory names are compared. A constraint on another form cannot be applied here, so a
 * name of that form below it is refused, as the section demands. Pure.
 */
import { contextTag, type DerElement, derChildren, TAG } from './der.ts'
import { type DistinguishedName, isWithin } from './distinguished-name.ts'
import { type GeneralName, readGeneralName } from './general-name.ts'

export interface NameConstraints {
  readonly permitted: readonly GeneralName[]
  readonly excluded: readonly GeneralName[]
}

export type NameConstraintBreach = 'name-not-permitted' | 'name-excluded' | 'name-constraint-unsupported'

/** The names of one certificate that constraints of those above it govern (RFC 5280 §6.1.3 b and c). */
export interface GovernedNames {
  readonly subject: DistinguishedName
  readonly subjectAltName: readonly GeneralName[]
}

/** Real CAs have some dozen subtrees, certificates some hundred names; each pair costs a peer nothing and us time. */
const MAX_COMPARISONS = 100_000

const PERMITTED = contextTag(0, 'constructed')
const EXCLUDED = contextTag(1, 'constructed')

export function readNameConstraints(value: DerElement): NameConstraints | undefined {
  const parts = derChildren(value, TAG.sequence)
  // RFC 5280 §4.2.1.10: one of the two at least.
  if (!parts?.length || parts.some(({ tag }, at) => tag !== EXCLUDED && (tag !== PERMITTED || at > 0))) return undefined
  if (parts.length > 2 || (parts.length === 2 && parts[0]?.tag !== PERMITTED)) return undefined
  const permitted = subtreesOf(parts.find(({ tag }) => tag === PERMITTED))
  const excluded = subtreesOf(parts.find(({ tag }) => tag === EXCLUDED))
  return permitted && excluded && { permitted, excluded }
}

function subtreesOf(part: DerElement | undefined): readonly GeneralName[] | undefined {
  if (part === undefined) return []
  const bases = derChildren(part, part.tag)?.map(baseOf)
  return bases?.length && bases.every((base) => base !== undefined) ? bases : undefined
}

/** RFC 5280 §4.2.1.10: minimum is zero, which DER leaves out, and maximum absent: so the base is all there is. */
function baseOf(subtree: DerElement): GeneralName | undefined {
  const [element, surplus] = derChildren(subtree, TAG.sequence) ?? []
  const base = element === undefined || surplus !== undefined ? undefined : readGeneralName(element)
  if (base?.kind === 'dns' && base.name !== '' && !DNS_NAME.test(base.name)) return undefined
  if (base?.kind === 'ip' && !isAddressRange(base.octets)) return undefined
  return base
}

/** Letters of any case, and the underscore that names of hosts do not have but certificates do. No leading dot. */
const DNS_NAME = /^(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}$/i

/** An address and a mask of leading ones. */
function isAddressRange(octets: Uint8Array): boolean {
  if (octets.length !== 8 && octets.length !== 32) return false
  const mask = [...octets.subarray(octets.length / 2)].map((octet) => octet.toString(2).padStart(8, '0')).join('')
  return /^1*0*$/.test(mask)
}

export function nameConstraintBreach(
  { permitted, excluded }: NameConstraints,
  { subject, subjectAltName }: GovernedNames,
): NameConstraintBreach | undefined {
  const names: readonly GeneralName[] = [
    ...(subject.rdns.length > 0 ? [{ kind: 'directory' as const, name: subject }] : []),
    ...(subject.emailAddress === 'present' ? [{ kind: 'email' as const }] : []),
    ...subjectAltName,
  ]
  const bases = [...permitted, ...excluded]
  if (subject.emailAddress === 'malformed') return 'name-constraint-unsupported'
  if (names.length * bases.length > MAX_COMPARISONS) return 'name-constraint-unsupported'
  if (names.some((name) => bases.some((base) => cannotCompare(name, base)))) return 'name-constraint-unsupported'
  if (names.some((name) => excluded.some((base) => touches(name, base)))) return 'name-excluded'
  return names.every((name) => isPermitted(name, permitted)) ? undefined : 'name-not-permitted'
}

function cannotCompare(name: GeneralName, base: GeneralName): boolean {
  // RFC 8398 §6: an otherName may be a mail address, which constraints on rfc822Name govern.
  if (name.kind === 'other' && base.kind === 'email') return true
  if (name.kind !== base.kind) return false
  if (name.kind === 'dns') return !DNS_NAME.test(withoutWildcard(name.name))
  if (name.kind === 'ip') return name.octets.length !== 4 && name.octets.length !== 16
  return name.kind !== 'directory'
}

/** RFC 5280 §4.2.1.10: forms that no permitted subtree names are free. */
function isPermitted(name: GeneralName, permitted: readonly GeneralName[]): boolean {
  const sameForm = permitted.filter(({ kind }) => kind === name.kind)
  return sameForm.length === 0 || sameForm.some((base) => contains(base, name))
}

function contains(base: GeneralName, name: GeneralName): boolean {
  if (base.kind === 'dns' && name.kind === 'dns') return isDnsWithin(name.name, base.name)
  if (base.kind === 'ip' && name.kind === 'ip') return isAddressWithin(name.octets, base.octets)
  return base.kind === 'directory' && name.kind === 'directory' && isWithin(name.name, base.name)
}

/** Whether anything that the name stands for is in the excluded subtree: a wildcard stands for more than itself. */
function touches(name: GeneralName, base: GeneralName): boolean {
  if (contains(base, name)) return true
  return name.kind === 'dns' && base.kind === 'dns' && wildcardCovers(name.name, base.name)
}

function wildcardCovers(name: string, base: string): boolean {
  if (!name.startsWith('*.')) return false
  const firstDot = base.indexOf('.')
  return firstDot > 0 && base.slice(firstDot).toLowerCase() === name.slice(1).toLowerCase()
}

function withoutWildcard(name: string): string {
  return name.startsWith('*.') ? name.slice(2) : name
}

function isDnsWithin(name: string, base: string): boolean {
  const [lower, root] = [name.toLowerCase(), base.toLowerCase()]
  return root === '' || lower === root || lower.endsWith(`.${root}`)
}

function isAddressWithin(address: Uint8Array, range: Uint8Array): boolean {
  if (range.length !== address.length * 2) return false
  return address.every((octet, at) => {
    const mask = range[address.length + at] ?? 0
    return (octet & mask) === ((range[at] ?? 0) & mask)
  })
}
