/**
 * What the header of a message or of one MIME part says about the body below it (RFC 2045 §5, §6, RFC 2046 §5.1), as far
 * as a change of its transfer encoding has to know. Pure.
 */
import { type HeaderField, parseHeader, unfold } from './header.ts'

export type PartBody =
  /** Parts follow, with this delimiter between them. */
  | { readonly kind: 'parts'; readonly boundary: string }
  /** A message follows, with a header of its own. */
  | { readonly kind: 'message' }
  /** To be left as it is: signed, encrypted, or in pieces. */
  | { readonly kind: 'sealed' }
  | { readonly kind: 'leaf' }

export interface PartHeader {
  readonly body: PartBody
  /** The field that says 8bit or binary; undefined: nothing is to be encoded. */
  readonly eightBit: HeaderField | undefined
  readonly names: ReadonlySet<string>
}

const EIGHT_BIT = /^(?:8bit|binary)$/i
/** RFC 1847, RFC 8551 §3, RFC 2046 §5.2.2: a change of any octet would break what they promise. */
const SEALED = /^(?:multipart\/(?:signed|encrypted)|application\/(?:x-)?pkcs7-|message\/(?:partial|external-body))/i

/** `header`: the fields with their CRLFs, without the empty line. */
export function partHeader(header: Buffer): PartHeader {
  const { fields } = parseHeader(header)
  const type = fieldValue(fields, 'content-type')
  const encoding = fields.find(({ name }) => name === 'content-transfer-encoding')
  const eightBit = encoding !== undefined && EIGHT_BIT.test(withoutComments(encoding.body)) ? encoding : undefined
  return { body: bodyOf(type), eightBit, names: new Set(fields.map(({ name }) => name)) }
}

function bodyOf(type: string): PartBody {
  if (SEALED.test(type)) return { kind: 'sealed' }
  if (/^message\/rfc822\b/i.test(type)) return { kind: 'message' }
  if (!/^multipart\//i.test(type)) return { kind: 'leaf' }
  const boundary = boundaryOf(type)
  return boundary === undefined ? { kind: 'sealed' } : { kind: 'parts', boundary }
}

const BOUNDARY = /;[ \t]*boundary[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"()<>@,:\\/[\]?=]+))/i

/** RFC 2046 §5.1.1: 1 to 70 characters. */
function boundaryOf(type: string): string | undefined {
  const [, quoted, token] = BOUNDARY.exec(type) ?? []
  const boundary = quoted?.replace(/\\(.)/g, '$1') ?? token
  return boundary !== undefined && boundary.length > 0 && boundary.length <= 70 ? boundary : undefined
}

function fieldValue(fields: readonly HeaderField[], wanted: string): string {
  return unfold(fields.find(({ name }) => name === wanted)?.body ?? '')
}

function withoutComments(body: string): string {
  return unfold(body)
    .replace(/\([^()]*\)/g, '')
    .trim()
}
