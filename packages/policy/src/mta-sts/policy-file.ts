/**
 * The policy document that a policy host serves (RFC 8461 §3.2).
 *
 * Takes bytes and returns the policy or the exact reason why they are none: a document is adopted whole or not at
 * all. The lines are kept as published, for reports (RFC 8460 §4.4) and for the cache, which stores the document and
 * not our reading of it. How the bytes were fetched, and how long the policy counts, is not known here. Pure.
 */
import { err, ok, type Result } from '../result.ts'
import { type MxPattern, parseMxPattern } from './mx-match.ts'
import { stripLeading, stripTrailing } from './white-space.ts'

export type StsMode = 'enforce' | 'testing' | 'none'

export interface StsPolicy {
  readonly mode: StsMode
  /** Never empty unless the mode is `none`. */
  readonly mx: readonly MxPattern[]
  /** Counted from the fetch; never more than `MAX_AGE_SECONDS`, whatever was published. */
  readonly maxAgeSeconds: number
  /** As published, without line terminators. */
  readonly lines: readonly string[]
}

/** `line` counts from 1. */
export type PolicyFileError =
  | { readonly kind: 'byte-order-mark' }
  | { readonly kind: 'not-utf8' }
  | { readonly kind: 'control-character'; readonly line: number }
  | { readonly kind: 'malformed-line'; readonly line: number }
  | { readonly kind: 'missing-field'; readonly field: 'version' | 'mode' | 'max_age' | 'mx' }
  | { readonly kind: 'invalid-version'; readonly value: string }
  | { readonly kind: 'invalid-mode'; readonly value: string }
  | { readonly kind: 'invalid-max-age'; readonly value: string }
  | { readonly kind: 'invalid-mx'; readonly value: string }

/** RFC 8461 §3.2: about one year. Larger values are cut, not refused (erratum 7282). */
export const MAX_AGE_SECONDS = 31_557_600

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const BYTE_ORDER_MARK = '\ufeff'
// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these are looked for; the tab is white space here
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/
/** RFC 8461 §3.2, sts-policy-ext-name; the names that we know have the same form. */
const FIELD_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/
const MAX_AGE = /^[0-9]{1,10}$/

export function parsePolicyFile(bytes: Uint8Array): Result<StsPolicy, PolicyFileError> {
  const text = decodeUtf8(bytes)
  if (text === undefined) return err({ kind: 'not-utf8' })
  if (text.startsWith(BYTE_ORDER_MARK)) return err({ kind: 'byte-order-mark' })
  const lines = linesOf(text)
  const fields = readFields(lines)
  return fields.ok ? readPolicy(fields.value, lines) : fields
}

/** The document again; `parsePolicyFile` reads it back as the same policy. */
export function printPolicyFile({ lines }: Pick<StsPolicy, 'lines'>): string {
  return lines.map((line) => `${line}\n`).join('')
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes)
  } catch {
    return undefined
  }
}

/** The prose of RFC 8461 §3.2 says CRLF, the grammar also LF (erratum 6253); empty lines at the end are forgiven. */
function linesOf(text: string): readonly string[] {
  const lines = text.split(/\r?\n/)
  while (lines.at(-1) === '') lines.pop()
  return lines
}

interface Fields {
  readonly version: string | undefined
  readonly mode: string | undefined
  readonly maxAge: string | undefined
  readonly mx: readonly string[]
}

/** RFC 8461 §3.2: unknown fields are ignored, and of repeated ones, `mx` excepted, all but the first. */
function readFields(lines: readonly string[]): Result<Fields, PolicyFileError> {
  const first = new Map<string, string>()
  const mx: string[] = []
  for (const [index, text] of lines.entries()) {
    const line = index + 1
    if (CONTROL.test(text)) return err({ kind: 'control-character', line })
    const field = splitField(text)
    if (field === undefined) return err({ kind: 'malformed-line', line })
    if (field.name === 'mx') mx.push(field.value)
    else if (!first.has(field.name)) first.set(field.name, field.value)
  }
  return ok({ version: first.get('version'), mode: first.get('mode'), maxAge: first.get('max_age'), mx })
}

const KNOWN: ReadonlySet<string> = new Set(['version', 'mode', 'max_age', 'mx'])

function splitField(line: string): { readonly name: string; readonly value: string } | undefined {
  const colon = line.indexOf(':')
  const name = line.slice(0, Math.max(colon, 0))
  if (!FIELD_NAME.test(name)) return undefined
  const value = stripTrailing(stripLeading(line.slice(colon + 1)))
  // Extension values are visible characters with single or more spaces inside; known fields judge their own.
  if (!KNOWN.has(name) && (value === '' || value.includes('\t'))) return undefined
  return { name, value }
}

function readPolicy(fields: Fields, lines: readonly string[]): Result<StsPolicy, PolicyFileError> {
  const { version, mode, maxAge } = fields
  if (version === undefined) return err({ kind: 'missing-field', field: 'version' })
  if (version !== 'STSv1') return err({ kind: 'invalid-version', value: version })
  if (mode === undefined) return err({ kind: 'missing-field', field: 'mode' })
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none') return err({ kind: 'invalid-mode', value: mode })
  if (maxAge === undefined) return err({ kind: 'missing-field', field: 'max_age' })
  if (!MAX_AGE.test(maxAge)) return err({ kind: 'invalid-max-age', value: maxAge })
  const mx: MxPattern[] = []
  for (const value of fields.mx) {
    const pattern = parseMxPattern(value)
    if (pattern === undefined) return err({ kind: 'invalid-mx', value })
    mx.push(pattern)
  }
  if (mx.length === 0 && mode !== 'none') return err({ kind: 'missing-field', field: 'mx' })
  return ok({ mode, mx, maxAgeSeconds: Math.min(Number(maxAge), MAX_AGE_SECONDS), lines })
}
