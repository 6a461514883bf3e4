/**
 * Octets that no message may carry: bare CR, bare LF (RFC 5321 §2.3.8), NUL and lines over 998 octets
 * (RFC 5322 §2.1.1, §2.3), whatever the chunks.
 *
 * Found by searching a one-character-per-octet string, which is several times faster than a loop over octets
 * and than searching the Buffer. Pure but for its own state.
 */

export type LineProblem = 'bare-carriage-return' | 'bare-line-feed' | 'nul-octet' | 'line-too-long'

/** RFC 5322 §2.1.1, without the CRLF. */
const LINE_OCTETS_MAX = 998
const CR = 0x0d

export class LineScanner {
  #afterCr = false
  #lineOctets = 0

  /** The first problem in this chunk; after one, later chunks need not be shown. */
  scan(chunk: Buffer): LineProblem | undefined {
    if (chunk.includes(0)) return 'nul-octet'
    return this.#scanLines(chunk.toString('latin1'))
  }

  #scanLines(text: string): LineProblem | undefined {
    let start = 0
    if (this.#afterCr && text !== '') {
      if (text[0] !== '\n') return 'bare-carriage-return'
      this.#afterCr = false
      this.#lineOctets = 0
      start = 1
    }
    for (let lf = text.indexOf('\n', start); lf !== -1; lf = text.indexOf('\n', start)) {
      if (lf === start || text.charCodeAt(lf - 1) !== CR) return 'bare-line-feed'
      if (text.indexOf('\r', start) !== lf - 1) return 'bare-carriage-return'
      if (this.#lineOctets + lf - 1 - start > LINE_OCTETS_MAX) return 'line-too-long'
      this.#lineOctets = 0
      start = lf + 1
    }
    return this.#scanTail(text, start)
  }

  #scanTail(text: string, start: number): LineProblem | undefined {
    const cr = text.indexOf('\r', start)
    if (cr !== -1 && cr < text.length - 1) return 'bare-carriage-return'
    this.#afterCr = cr !== -1
    this.#lineOctets += text.length - start - (this.#afterCr ? 1 : 0)
    return this.#lineOctets > LINE_OCTETS_MAX ? 'line-too-long' : undefined
  }
}
