/**
 * The MTA-STS TXT record at `_mta-sts.<policy domain>` (RFC 8461 §3.1).
 *
 * Takes what DNS answered and returns the record, or the exact reason why there is none. What that reason means for
 * a policy that is already cached is decided in `freshness.ts`, never here. Pure.
 */
import { err, ok, type Result } from '../result.ts'
import { stripLeading, stripTrailing } from './white-space.ts'

export interface StsRecord {
  /** Compared for equality only; ids have no order. */
  readonly id: string
}

export type StsRecordError =
  /** Nothing that is an STS record: the domain publishes no policy. */
  | { readonly kind: 'no-record' }
  | { readonly kind: 'several-records'; readonly count: number }
  | { readonly kind: 'not-ascii' }
  | { readonly kind: 'malformed-field'; readonly field: string }
  | { readonly kind: 'missing-id' }
  | { readonly kind: 'invalid-id'; readonly id: string }

/** What keeps a record when there are several: literally this (RFC 8461 §3.1, erratum 6285). */
const PREFIX = 'v=STSv1;'
/** The grammar lets white space stand before the delimiter, so a lone record may be written that way. */
const VERSION = /^v=STSv1[\t ]*(?:;|$)/
const VISIBLE_ASCII = /^[\t\x20-\x7e]*$/
const ID = /^[A-Za-z0-9]{1,32}$/
const EXTENSION_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/
const EXTENSION_VALUE = /^[\x21-\x3a\x3c\x3e-\x7e]+$/

/** Picks the one STS record out of a TXT answer; each TXT record is its list of character-strings. */
export function selectStsRecord(txtRecords: readonly (readonly string[])[]): Result<StsRecord, StsRecordError> {
  const texts = txtRecords.map((strings) => strings.join(''))
  const [only, ...others] = texts.length === 1 ? texts : texts.filter((text) => text.startsWith(PREFIX))
  if (only === undefined) return err({ kind: 'no-record' })
  if (others.length > 0) return err({ kind: 'several-records', count: others.length + 1 })
  return parseStsRecord(only)
}

export function parseStsRecord(text: string): Result<StsRecord, StsRecordError> {
  if (!VERSION.test(text)) return err({ kind: 'no-record' })
  if (!VISIBLE_ASCII.test(text)) return err({ kind: 'not-ascii' })

  let id: string | undefined
  for (const field of fieldsOf(text)) {
    const [name, value] = splitAtEquals(field)
    if (name === 'id') {
      // RFC 8461 §3.2: of a repeated field, all but the first are ignored.
      id ??= value
    } else if (!EXTENSION_NAME.test(name) || !EXTENSION_VALUE.test(value)) {
      return err({ kind: 'malformed-field', field })
    }
  }

  if (id === undefined) return err({ kind: 'missing-id' })
  return ID.test(id) ? ok({ id }) : err({ kind: 'invalid-id', id })
}

/** The fields behind the version, without the white space that belongs to the delimiters. */
function fieldsOf(text: string): readonly string[] {
  const [, ...pieces] = text.split(';').map(stripLeading)
  const last = pieces.pop()
  const fields = pieces.map(stripTrailing)
  // One closing delimiter is allowed. Behind a last field without one, the grammar allows no white space.
  return last === undefined || last === '' ? fields : [...fields, last]
}

function splitAtEquals(field: string): readonly [name: string, value: string] {
  const at = field.indexOf('=')
  return at < 0 ? [field, ''] : [field.slice(0, at), field.slice(at + 1)]
}
