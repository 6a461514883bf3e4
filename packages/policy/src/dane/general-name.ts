/**
 * GeneralName (RFC 5280 §4.2.1.6): the alternatives that we compare with something, and the mere presence of the
 * others. Pure.
 */
import { contextTag, type DerElement, derChildren, derElements } from './der.ts'
import { type DistinguishedName, readDistinguishedName } from './distinguished-name.ts'

export type GeneralName =
  /** As written, one character per octet: not yet known to be a hostname. */
  | { readonly kind: 'dns'; readonly name: string }
  /** The octets: 4 or 16 in a certificate's name, twice that in a constraint (RFC 5280 §4.2.1.10). */
  | { readonly kind: 'ip'; readonly octets: Uint8Array }
  | { readonly kind: 'directory'; readonly name: DistinguishedName }
  | { readonly kind: UncomparedName }

/** Alternatives that mean nothing to SMTP. */
export type UncomparedName = 'other' | 'email' | 'x400' | 'edi-party' | 'uri' | 'registered-id'

const ASCII = /^[\0-\x7f]*$/
const DNS = contextTag(2, 'primitive')
const DIRECTORY = contextTag(4, 'constructed')
const IP = contextTag(7, 'primitive')

const UNCOMPARED: ReadonlyMap<number, UncomparedName> = new Map([
  [contextTag(0, 'constructed'), 'other'],
  [contextTag(1, 'primitive'), 'email'],
  [contextTag(3, 'constructed'), 'x400'],
  [contextTag(5, 'constructed'), 'edi-party'],
  [contextTag(6, 'primitive'), 'uri'],
  [contextTag(8, 'primitive'), 'registered-id'],
])

/** GeneralNames: one at least. `sequence` is the element around them. */
export function readGeneralNames(sequence: DerElement): readonly GeneralName[] | undefined {
  const names = derElements(sequence.contents)?.map(readGeneralName)
  return names?.length && names.every((name) => name !== undefined) ? names : undefined
}

export function readGeneralName(element: DerElement): GeneralName | undefined {
  const { tag, contents } = element
  if (tag === DNS) {
    const name = Buffer.from(contents).toString('latin1')
    return ASCII.test(name) ? { kind: 'dns', name } : undefined
  }
  if (tag === IP) return { kind: 'ip', octets: contents }
  if (tag === DIRECTORY) {
    // Explicit, for Name is a CHOICE (X.680 §31.2.7).
    const [inner, surplus] = derChildren(element, DIRECTORY) ?? []
    const name = inner === undefined || surplus !== undefined ? undefined : readDistinguishedName(inner)
    return name && { kind: 'directory', name }
  }
  const kind = UNCOMPARED.get(tag)
  return kind && { kind }
}
