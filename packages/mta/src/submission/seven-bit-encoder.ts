/**
 * A message in eight bits becomes one in seven, part by part and line by line (RFC 2045 §6, RFC 6152 §3): bodies that are
 * labelled 8bit or binary turn into quoted-printable, everything else stays octet by octet. For paths with hosts that
 * take seven bits only, and before the message is signed (RFC 6376 §5.3).
 *
 * Left alone are messages that are no MIME, that carry a signature of somebody else, and parts that are signed or
 * encrypted: what they promise is about these very octets. No encoding is put into another. Works on lines that
 * end with CRLF; keeps at most one header and one line.
 */
import { quotedPrintable } from '../bounce/header-text.ts'
import { type PartHeader, partHeader } from './part-header.ts'

/** A part header beyond this is nothing that mail programs write: what follows is left as it is. */
const HEADER_OCTETS_MAX = 64 * 1024
/** RFC 2046 sets no limit; nobody nests deeper. */
const NESTED_MAX = 32
const CRLF = '\r\n'
/** RFC 6376, RFC 8617: a signature that was there before us. */
const SIGNATURES = ['dkim-signature', 'arc-message-signature', 'arc-seal'] as const

type Mode =
  | 'header'
  /** Octet by octet; delimiters are looked for. */
  | 'as-is'
  | 'encode'
  /** Nothing is looked for any more. */
  | 'rest'

export class SevenBitEncoder {
  #mode: Mode = 'header'
  #isTop = true
  #header = ''
  /** Delimiters of the parts that are open, the innermost last. */
  readonly #delimiters: string[] = []
  #line = ''
  #out: string[] = []

  /** What is ready of the message, in pieces of whole lines. */
  push(slice: Buffer): Buffer {
    if (this.#mode === 'rest') return slice
    const lines = (this.#line + slice.toString('latin1')).split(CRLF)
    this.#line = lines.pop() ?? ''
    for (const line of lines) this.#take(line, CRLF)
    return this.#ready()
  }

  /** What is left when the message is over. */
  finish(): Buffer {
    if (this.#line !== '') this.#take(this.#line, '')
    this.#line = ''
    this.#endOfHeader()
    return this.#ready()
  }

  #ready(): Buffer {
    if (this.#mode === 'rest') {
      this.#out.push(this.#line)
      this.#line = ''
    }
    const ready = Buffer.from(this.#out.join(''), 'latin1')
    this.#out = []
    return ready
  }

  #take(line: string, end: string): void {
    if (this.#mode === 'rest') this.#out.push(line, end)
    else if (this.#isDelimiter(line)) this.#out.push(line, end)
    else if (this.#mode === 'header') this.#takeHeader(line, end)
    else this.#out.push(this.#mode === 'encode' ? encoded(line) : line, end)
  }

  #takeHeader(line: string, end: string): void {
    if (line === '') {
      this.#endOfHeader()
      this.#out.push(line, end)
    } else if (this.#header.length + line.length > HEADER_OCTETS_MAX) {
      this.#out.push(this.#header, line, end)
      this.#header = ''
      this.#mode = this.#asIs()
    } else this.#header += line + end
  }

  #endOfHeader(): void {
    if (this.#mode !== 'header') return
    const octets = Buffer.from(this.#header, 'latin1')
    this.#header = ''
    const header = partHeader(octets)
    const isMime = !this.#isTop || header.names.has('mime-version')
    this.#isTop = false
    this.#mode = isMime && !isSigned(header) ? this.#modeBelow(header) : this.#asIs()
    this.#out.push(this.#mode === 'encode' ? relabelled(octets, header) : octets.toString('latin1'))
  }

  /** A message in a message begins with its header at once. */
  #modeBelow({ body, eightBit }: PartHeader): Mode {
    switch (body.kind) {
      case 'parts':
        if (this.#delimiters.length >= NESTED_MAX) return 'rest'
        this.#delimiters.push(`--${body.boundary}`)
        return 'as-is'
      case 'message':
        return 'header'
      case 'sealed':
        return this.#asIs()
      case 'leaf':
        return eightBit === undefined ? 'as-is' : 'encode'
    }
  }

  #asIs(): Mode {
    return this.#delimiters.length === 0 ? 'rest' : 'as-is'
  }

  /** RFC 2046 §5.1.1: a delimiter ends every part inside; white space behind it means nothing. */
  #isDelimiter(line: string): boolean {
    if (!line.startsWith('--')) return false
    const bare = line.trimEnd()
    const at = this.#delimiters.findLastIndex((delimiter) => bare === delimiter || bare === `${delimiter}--`)
    if (at === -1) return false
    // A part that is all header.
    this.#out.push(this.#header)
    this.#header = ''
    const ended = bare !== this.#delimiters[at]
    this.#delimiters.length = ended ? at : at + 1
    this.#mode = ended ? 'as-is' : 'header'
    return true
  }
}

function isSigned({ names }: PartHeader): boolean {
  return SIGNATURES.some((name) => names.has(name))
}

function encoded(line: string): string {
  return quotedPrintable(Buffer.from(line, 'latin1'))
}

/** In the place of the old label. What holds parts keeps its own: 8bit allows what is inside now (RFC 2045 §6.4). */
function relabelled(header: Buffer, { eightBit }: PartHeader): string {
  const text = header.toString('latin1')
  if (eightBit === undefined) return text
  return `${text.slice(0, eightBit.start)}Content-Transfer-Encoding: quoted-printable${CRLF}${text.slice(eightBit.end)}`
}
