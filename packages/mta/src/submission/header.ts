/**
 * The header section of a message as a list of fields: RFC 5322 §2.2, tolerant of the obsolete forms of §4.5.
 * Offsets are octets, so that what is kept is kept byte for byte (RFC 5321 §4.4). Pure.
 */

export interface HeaderField {
  /** Lower case. */
  readonly name: string
  /** Octets of the whole field in the header, its last CRLF included. */
  readonly start: number
  readonly end: number
  /** Everything behind the colon up to the last CRLF, folding included; one character per octet. */
  readonly body: string
}

export interface ParsedHeader {
  readonly fields: readonly HeaderField[]
  /** A line is neither a field nor the continuation of one. */
  readonly malformed: boolean
}

// RFC 5322 §2.2 names; §4.5.8 allows white space in front of the colon.
const FIELD_START = /^([\x21-\x39\x3b-\x7e]+)[ \t]*:/

/** `header` is the section without the empty line that ends it; line ends are CRLF. */
export function parseHeader(header: Buffer): ParsedHeader {
  const text = header.toString('latin1')
  const fields: HeaderField[] = []
  let malformed = false
  let at = 0
  while (at < text.length) {
    const end = fieldEnd(text, at)
    const line = text.slice(at, end)
    const [start, name] = FIELD_START.exec(line) ?? []
    if (start === undefined || name === undefined) malformed = true
    else fields.push({ name: name.toLowerCase(), start: at, end, body: line.slice(start.length).replace(/\r\n$/, '') })
    at = end
  }
  return { fields, malformed }
}

/** Behind the CRLF that is not followed by white space. */
function fieldEnd(text: string, from: number): number {
  let at = from
  for (;;) {
    const crlf = text.indexOf('\r\n', at)
    if (crlf === -1) return text.length
    at = crlf + 2
    const next = text[at]
    if (next !== ' ' && next !== '\t') return at
  }
}

/** RFC 5322 §2.2.3. */
export function unfold(body: string): string {
  return body.replace(/\r\n(?=[ \t])/g, '').trim()
}
