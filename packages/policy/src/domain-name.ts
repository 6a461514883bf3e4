/**
 * Domain names in the one form that the rest of the project uses: A-labels, lower case, no trailing dot.
 *
 * `DomainName` is a hostname (RFC 1123 §2.1: letters, digits, hyphen). `OwnerName` also allows what only names of
 * DNS records have: underscores (`_mta-sts.example.com`, RFC 8552) and slashes (reverse zones, RFC 2317). Names that a resolver could take
 * for an IP address are neither. Knows no DNS and no mail address syntax. Pure.
 */
import { domainToASCII } from 'node:url'
import { err, invariant, ok, type Result } from './result.ts'

declare const ownerBrand: unique symbol
declare const hostBrand: unique symbol

/** The name of a DNS record. */
export type OwnerName = string & { readonly [ownerBrand]: true }

/** The name of a host or of a mail domain. */
export type DomainName = OwnerName & { readonly [hostBrand]: true }

export type DomainNameError =
  | { readonly kind: 'empty' }
  | { readonly kind: 'empty-label' }
  | { readonly kind: 'label-too-long' }
  | { readonly kind: 'name-too-long' }
  | { readonly kind: 'forbidden-character' }
  /** A label that begins or ends with a hyphen. */
  | { readonly kind: 'hyphen-at-edge' }
  /** `192.0.2.1`, `0x7f.1`: something that software takes for an IP address. */
  | { readonly kind: 'address-like' }
  /** Not ASCII, and UTS 46 gives no A-label form. */
  | { readonly kind: 'not-idna' }

/** RFC 1035 §2.3.4, less the length octets and the root label. */
const MAX_NAME_LENGTH = 253
/** RFC 1035 §2.3.4. */
const MAX_LABEL_LENGTH = 63

const ASCII = /^[\0-\x7f]*$/
const HOST_CHARACTERS = /^[a-z0-9.-]+$/
const OWNER_CHARACTERS = /^[a-z0-9._/-]+$/
// What a U-label can hold (RFC 5892 §2, wide): letters, marks, digits, hyphen, middle dot and the two joiners.
// The converter below parses URL hosts, so everything with a meaning in a URL must be gone before it.
const UNICODE_CHARACTERS = /^(?:[\p{L}\p{M}\p{N}.\u00b7-]|\u200c|\u200d)+$/u
// RFC 1123 §2.1: the last label of a hostname is never numeric; URL parsers and inet_aton(3) read hexadecimal too.
const ADDRESS_LIKE = /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/

/** Reads a hostname or mail domain written with A-labels, U-labels or both. */
export function parseDomainName(text: string): Result<DomainName, DomainNameError> {
  if (text.length > MAX_NAME_LENGTH) return err({ kind: 'name-too-long' })
  if (ASCII.test(text)) return parseHostname(text)
  const ascii = toAsciiLabels(text)
  return ascii.ok ? parseHostname(ascii.value) : ascii
}

/** Reads a hostname as DNS carries it: ASCII only. */
export function parseHostname(text: string): Result<DomainName, DomainNameError> {
  const lower = text.toLowerCase()
  const problem = nameProblem(lower, HOST_CHARACTERS)
  return problem === undefined ? ok(lower as DomainName) : err({ kind: problem })
}

/** Reads the name of a DNS record, ASCII only; a hostname is one too. */
export function parseOwnerName(text: string): Result<OwnerName, DomainNameError> {
  const lower = text.toLowerCase()
  const problem = nameProblem(lower, OWNER_CHARACTERS)
  return problem === undefined ? ok(lower as OwnerName) : err({ kind: problem })
}

/** `ownerName(['_mta-sts'], 'example.com')`; fails only when the name becomes too long. */
export function ownerName(
  prefixLabels: readonly [string, ...string[]],
  domain: DomainName,
): Result<OwnerName, DomainNameError> {
  invariant(
    prefixLabels.every((label) => label.length > 0 && !label.includes('.')),
    'prefix labels are labels',
  )
  return parseOwnerName([...prefixLabels, domain].join('.'))
}

export function labels(name: OwnerName): readonly string[] {
  return name.split('.')
}

/** Strictly below: a name is not its own subdomain. */
export function isSubdomainOf(name: OwnerName, ancestor: OwnerName): boolean {
  return name.endsWith(`.${ancestor}`)
}

function toAsciiLabels(text: string): Result<string, DomainNameError> {
  if (!UNICODE_CHARACTERS.test(text)) return err({ kind: 'forbidden-character' })
  if (text.split('.').includes('')) return err({ kind: 'empty-label' })
  const ascii = domainToASCII(text)
  // Compatibility characters may turn into dots or into an IPv4 address: then the labels are not the writer's.
  if (ascii === '' || ascii.split('.').length !== text.split('.').length) return err({ kind: 'not-idna' })
  return ok(ascii)
}

function nameProblem(name: string, characters: RegExp): DomainNameError['kind'] | undefined {
  if (name === '') return 'empty'
  if (name.length > MAX_NAME_LENGTH) return 'name-too-long'
  if (!characters.test(name)) return 'forbidden-character'
  for (const label of name.split('.')) {
    if (label === '') return 'empty-label'
    if (label.length > MAX_LABEL_LENGTH) return 'label-too-long'
    if (label.startsWith('-') || label.endsWith('-')) return 'hyphen-at-edge'
  }
  return ADDRESS_LIKE.test(name) ? 'address-like' : undefined
}
