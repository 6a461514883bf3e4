/**
 * Text that may stand in a message we compose, whoever wrote it (RFC 5322 §2.2, RFC 2045 §6.7). Pure.
 *
 * Peer text and addresses pass through here and come out as printable text on one line, so neither a header
 * field nor a boundary can be injected; what is left is folded or encoded.
 */
const NOT_ASCII_PRINTABLE = /[^\x20-\x7e]+/gu
/** Besides letters, marks, numbers, punctuation and symbols nothing shows; of what is left, some would turn a line around. */
const NOT_PRINTABLE = /[^\x20\p{L}\p{M}\p{N}\p{P}\p{S}]+/gu

/** Printable ASCII on one line, at most `limit` octets; everything else becomes a question mark. */
export function printable(text: string, limit: number): string {
  return flattened(text, limit, NOT_ASCII_PRINTABLE)
}

/** The same, and what is written in other scripts stays (RFC 6532 §3.2); at most `limit` UTF-16 units. */
export function printableUtf8(text: string, limit: number): string {
  return flattened(text, limit, NOT_PRINTABLE)
}

function flattened(text: string, limit: number, refused: RegExp): string {
  // Cut first: a peer's 64 KiB need not be scanned to show 500 octets.
  const flat = text
    .slice(0, limit * 2)
    .replace(/\s+/g, ' ')
    .replace(refused, '?')
    .trim()
  return flat.length <= limit && text.length <= limit * 2
    ? flat
    : `${flat
        .slice(0, Math.max(0, limit - 4))
        .toWellFormed()
        .trimEnd()} ...`
}

export function isAscii(text: string): boolean {
  return /^\p{ASCII}*$/u.test(text)
}

/** An address as it is, but never with a control character: white space inside quotes counts and stays. */
export function singleLine(address: string): string {
  return address.replace(/[\p{Cc}\u2028\u2029]/gu, '?')
}

/** A field whose body must not be folded, for its white space counts. */
export function field(name: string, body: string): string {
  return `${name}: ${body}\r\n`
}

/** RFC 5322 §2.1.1 recommends 78; a word that is longer stays whole. */
const FOLD_AT = 76

/** Breaks at spaces so that lines stay short; never makes a line of white space only (RFC 5322 §3.2.2). */
export function foldField(name: string, body: string): string {
  return `${wrap(`${name}: ${body}`, FOLD_AT).join('\r\n ')}\r\n`
}

/** Splits at spaces into lines of at most `width` octets, as far as words allow. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ').filter((part) => part !== '')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}

/** RFC 6533 §3, utf-8-addr-xtext: a UTF-8 address in seven bits, for fields that must stay ASCII. */
export function utf8AddressInAscii(address: string): string {
  return Array.from(address, (char) => (isQchar(char) ? char : embedded(char))).join('')
}

/** RFC 6533 §3, utf-8-addr-unitext: the same where UTF-8 may stand. */
export function utf8Address(address: string): string {
  return Array.from(address, (char) => (isQchar(char) || isUtf8Printable(char) ? char : embedded(char))).join('')
}

/** Raw UTF-8 of a text that is in one of these forms already, in seven bits. */
export function asciiForm(address: string): string {
  return Array.from(address, (char) => (isAscii(char) ? char : embedded(char))).join('')
}

function isQchar(char: string): boolean {
  return /[!-~]/.test(char) && !'+=\\'.includes(char)
}

function isUtf8Printable(char: string): boolean {
  return !isAscii(char) && /[\p{L}\p{M}\p{N}\p{P}\p{S}]/u.test(char)
}

/** EmbeddedUnicodeChar. */
function embedded(char: string): string {
  return `\\x{${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(2, '0')}}`
}

const QP_LINE = 76

/** Quoted-printable of text that already has CRLF line ends (RFC 2045 §6.7). */
export function quotedPrintable(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1').split('\r\n').map(quotedPrintableLine).join('\r\n')
}

function quotedPrintableLine(line: string): string {
  const tokens = Array.from(line, (char, at) => {
    const code = char.charCodeAt(0)
    const plain = code >= 0x21 && code <= 0x7e && char !== '='
    const inner = (char === ' ' || char === '\t') && at < line.length - 1
    return plain || inner ? char : `=${code.toString(16).toUpperCase().padStart(2, '0')}`
  })
  let out = ''
  let width = 0
  for (const token of tokens) {
    if (width + token.length > QP_LINE - 1) {
      out += '=\r\n'
      width = 0
    }
    out += token
    width += token.length
  }
  return out
}
