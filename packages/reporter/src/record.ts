/**
 * The TLSRPT record at `_smtp._tls.<policy domain>` (RFC 8460 §3): where reports about a domain go.
 *
 * Takes what DNS answered and returns the record, or the exact reason why there is none. URIs that are well-formed and
 * of no use to us are named with their reasons and cost nobody else the report (RPT-11). Pure.
 */
import {
  type DomainName,
  type DomainNameError,
  err,
  type OwnerName,
  ok,
  ownerName,
  type Result,
} from '@hermetic/policy'
import { isRuaUri, parseRua, placeOf, type Rua, type RuaError } from './rua.ts'

export interface TlsrptRecord {
  /** Where reports can be sent, in the order of the record, each once. */
  readonly targets: readonly Rua[]
  /** The first `IGNORED_MAX` of them. */
  readonly ignored: readonly IgnoredRua[]
}

export interface IgnoredRua {
  readonly uri: string
  /** `repeated`: another way to write a place that is in the list already. */
  readonly error: RuaError | { readonly kind: 'too-many' | 'repeated' }
}

export type TlsrptRecordError =
  /** Nothing that is a TLSRPT record: the domain wants no reports. */
  | { readonly kind: 'no-record' }
  | { readonly kind: 'several-records'; readonly count: number }
  | { readonly kind: 'not-ascii' }
  | { readonly kind: 'malformed-field'; readonly field: string }
  | { readonly kind: 'malformed-uri'; readonly uri: string }
  | { readonly kind: 'missing-rua' }

/** RPT-12: a record must not multiply what we send. */
export const RUA_MAX = 10
/** A record has room for thousands of URIs; a log has not. */
export const IGNORED_MAX = 10

/** What keeps a record when there are several: literally this (RFC 8460 §3). */
const PREFIX = 'v=TLSRPTv1;'
/** The grammar lets white space stand before the delimiter, so a lone record may be written that way. */
const VERSION = /^v=TLSRPTv1[\t ]*(?:;|$)/
const VISIBLE_ASCII = /^[\t\x20-\x7e]*$/
const EXTENSION_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/
const EXTENSION_VALUE = /^[\x21-\x3a\x3c\x3e-\x7e]+$/

/** Fails only when the name becomes too long: then nobody can have published one. */
export function tlsrptRecordName(policyDomain: DomainName): Result<OwnerName, DomainNameError> {
  return ownerName(['_smtp', '_tls'], policyDomain)
}

/** Picks the one TLSRPT record out of a TXT answer; each TXT record is its list of character-strings. */
export function selectTlsrptRecord(
  txtRecords: readonly (readonly string[])[],
): Result<TlsrptRecord, TlsrptRecordError> {
  const texts = txtRecords.map((strings) => strings.join(''))
  const [only, ...others] = texts.length === 1 ? texts : texts.filter((text) => text.startsWith(PREFIX))
  if (only === undefined) return err({ kind: 'no-record' })
  if (others.length > 0) return err({ kind: 'several-records', count: others.length + 1 })
  return parseTlsrptRecord(only)
}

export function parseTlsrptRecord(text: string): Result<TlsrptRecord, TlsrptRecordError> {
  if (!VERSION.test(text)) return err({ kind: 'no-record' })
  if (!VISIBLE_ASCII.test(text)) return err({ kind: 'not-ascii' })
  const uris = new Set<string>()
  for (const field of fieldsOf(text)) {
    const equals = field.indexOf('=')
    const [name, value] = equals < 0 ? [field, ''] : [field.slice(0, equals), field.slice(equals + 1)]
    if (name === 'rua') {
      // RPT-10: repeated lists are one list.
      for (const uri of listOf(value)) {
        if (!isRuaUri(uri)) return err({ kind: 'malformed-uri', uri })
        uris.add(uri)
      }
    } else if (!EXTENSION_NAME.test(name) || !EXTENSION_VALUE.test(value)) {
      return err({ kind: 'malformed-field', field })
    }
  }
  return uris.size === 0 ? err({ kind: 'missing-rua' }) : ok(sortOut(uris))
}

/** The fields behind the version. Only spaces and tabs are left of all white space, so `trim` removes just those. */
function fieldsOf(text: string): readonly string[] {
  const [, ...pieces] = text.split(';').map((piece) => piece.trimStart())
  const last = pieces.pop()
  const fields = pieces.map((piece) => piece.trimEnd())
  // One closing delimiter is allowed. Behind a last field without one, the grammar allows no white space.
  return last === undefined || last === '' ? fields : [...fields, last]
}

/** RFC 8460 §3: white space may stand around a comma, and not at the ends of the list. */
function listOf(value: string): readonly string[] {
  const pieces = value.split(',')
  return pieces.map((piece, at) => {
    const started = at === 0 ? piece : piece.trimStart()
    return at === pieces.length - 1 ? started : started.trimEnd()
  })
}

function sortOut(uris: ReadonlySet<string>): TlsrptRecord {
  const targets: Rua[] = []
  const ignored: IgnoredRua[] = []
  const places = new Set<string>()
  for (const uri of uris) {
    const rua = parseRua(uri)
    if (!rua.ok) ignored.push({ uri, error: rua.error })
    else if (places.has(placeOf(rua.value))) ignored.push({ uri, error: { kind: 'repeated' } })
    else if (targets.length < RUA_MAX) targets.push(rua.value)
    else ignored.push({ uri, error: { kind: 'too-many' } })
    if (rua.ok) places.add(placeOf(rua.value))
  }
  return { targets, ignored: ignored.slice(0, IGNORED_MAX) }
}
