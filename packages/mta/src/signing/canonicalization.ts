/**
 * The two canonical forms of RFC 6376 §3.4 that a signature is made over. Line ends are CRLF; intake has refused
 * or repaired all others. Pure but for the hash that a body is fed into as it arrives, piece by piece: however
 * large it is, nothing of it is kept.
 */
import { createHash } from 'node:crypto'

export type Canonicalization = 'relaxed' | 'simple'

/** `field` has one character for each octet and ends with CRLF, and so does the answer (§3.4.1, §3.4.2). */
export function canonicalField(field: string, form: Canonicalization): string {
  if (form === 'simple') return field
  const colon = field.indexOf(':')
  const name = field.slice(0, colon).replace(/[ \t]+$/, '')
  const value = field.slice(colon + 1).replace(/[ \t\r\n]+/g, ' ')
  return `${name.toLowerCase()}:${value.trim()}\r\n`
}

const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20

/** Even, so that each piece of it begins with CR. */
const LINE_ENDS = Buffer.from('\r\n'.repeat(8 * 1024))

/** SHA-256 of the canonical body (§3.7). Lines at the end count only when something follows them. */
export class BodyHash {
  readonly #form: Canonicalization
  readonly #hash = createHash('sha256')
  /** White space that is one space or nothing, as the next octet will show. */
  #heldSpace = false
  /** Octets of line ends that are not hashed yet. */
  #heldLineEnds = 0
  #hasText = false

  constructor(form: Canonicalization) {
    this.#form = form
  }

  update(octets: Buffer): void {
    const canonical = this.#form === 'simple' ? octets : this.#reduced(octets)
    let end = canonical.length
    while (end > 0 && isLineEnd(canonical[end - 1])) end -= 1
    if (end > 0) {
      this.#releaseLineEnds()
      this.#hash.update(canonical.subarray(0, end))
      this.#hasText = true
    }
    this.#heldLineEnds += canonical.length - end
  }

  /** In base64, once. A body without text is one line end in the simple form and nothing in the relaxed one. */
  digest(): string {
    if (this.#hasText || this.#form === 'simple') this.#hash.update('\r\n')
    return this.#hash.digest('base64')
  }

  #releaseLineEnds(): void {
    while (this.#heldLineEnds > 0) {
      const piece = LINE_ENDS.subarray(0, this.#heldLineEnds)
      this.#hash.update(piece)
      this.#heldLineEnds -= piece.length
    }
  }

  /** §3.4.4: runs of white space become one space, and none is left at the end of a line. */
  #reduced(octets: Buffer): Buffer {
    const first = this.#heldSpace ? 0 : firstToReduce(octets)
    if (first === undefined) return octets
    const reduced = Buffer.allocUnsafe(octets.length + 1)
    octets.copy(reduced, 0, 0, first)
    let length = first
    let held = this.#heldSpace
    for (let at = first; at < octets.length; at += 1) {
      const octet = octets[at] ?? 0
      if (octet === SPACE || octet === TAB) {
        held = true
        continue
      }
      if (held && octet !== CR) reduced[length++] = SPACE
      held = false
      reduced[length++] = octet
    }
    this.#heldSpace = held
    return reduced.subarray(0, length)
  }
}

function isLineEnd(octet: number | undefined): boolean {
  return octet === LF || octet === CR
}

/** Most text is canonical as it is: single spaces inside of lines. */
function firstToReduce(octets: Buffer): number | undefined {
  // Encoded bodies have none at all, which is found four times as fast.
  const space = octets.indexOf(SPACE)
  const tab = octets.indexOf(TAB)
  if (space === -1) return tab === -1 ? undefined : tab
  for (let at = tab === -1 ? space : Math.min(space, tab); at < octets.length; at += 1) {
    const octet = octets[at]
    if (octet === TAB) return at
    if (octet !== SPACE) continue
    const next = octets[at + 1]
    if (next === undefined || next === SPACE || next === TAB || next === CR) return at
  }
  return undefined
}
