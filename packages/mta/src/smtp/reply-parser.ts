/**
 * Bytes from a peer to SMTP replies (RFC 5321 §4.2), whatever the chunks. Knows no socket and no time.
 *
 * Strict in what decides: three digits, the first 2–5, one code per reply (SMTP-10, SMTP-11). Lenient in what does
 * not: a code without text, any character but a digit after the code, and a bare LF as line end. The last is safe
 * here and only here: a reply is never relayed, and what a peer may inject before TLS is refused by `client.ts`.
 * After a fault the parser is dead: what follows has no meaning.
 */
import type { SmtpReply } from './reply.ts'

/** Conformance SMTP-11. */
export const REPLY_LINES_MAX = 512
export const REPLY_OCTETS_MAX = 64 * 1024
/** Eight times what RFC 5321 §4.5.3.1.5 allows, for peers that explain themselves at length. */
export const REPLY_LINE_OCTETS_MAX = 4096

export type ReplyFault = 'malformed-reply' | 'reply-code-out-of-range' | 'reply-codes-differ' | 'reply-too-long'

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const HYPHEN = 0x2d
const ZERO = 0x30
const EMPTY = Buffer.alloc(0)

/** Control characters, line and paragraph separators, and the overrides that turn text around when quoted. */
const UNQUOTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu

export class ReplyParser {
  #rest: Buffer = EMPTY
  #lines: string[] = []
  #code = 0
  #octets = 0
  #fault: ReplyFault | undefined

  /** Bytes of an unfinished reply are waiting for more. */
  get unfinished(): boolean {
    return this.#rest.length > 0 || this.#lines.length > 0
  }

  get fault(): ReplyFault | undefined {
    return this.#fault
  }

  /** The replies that this chunk completes; those before a fault still count. */
  push(chunk: Buffer): readonly SmtpReply[] {
    const replies: SmtpReply[] = []
    if (this.#fault !== undefined) return replies
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let start = 0
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
      const reply = this.#line(bytes.subarray(start, end))
      if (this.#fault !== undefined) return replies
      if (reply !== undefined) replies.push(reply)
      start = end + 1
    }
    this.#rest = start === bytes.length ? EMPTY : bytes.subarray(start)
    if (this.#rest.length > REPLY_LINE_OCTETS_MAX) this.#fault = 'reply-too-long'
    return replies
  }

  #line(bytes: Buffer): SmtpReply | undefined {
    const length = bytes.at(-1) === CR ? bytes.length - 1 : bytes.length
    this.#octets += bytes.length + 1
    if (length > REPLY_LINE_OCTETS_MAX || this.#octets > REPLY_OCTETS_MAX || this.#lines.length >= REPLY_LINES_MAX) {
      return this.#fail('reply-too-long')
    }
    const code = codeOf(bytes, length)
    if (code === undefined) return this.#fail('malformed-reply')
    if (code < 200 || code > 599) return this.#fail('reply-code-out-of-range')
    if (this.#lines.length > 0 && code !== this.#code) return this.#fail('reply-codes-differ')
    const separator = length > 3 ? bytes[3] : SPACE
    const textFrom = separator === SPACE || separator === HYPHEN ? 4 : 3
    this.#code = code
    this.#lines.push(length > textFrom ? quotable(bytes.toString('utf8', textFrom, length)) : '')
    if (separator === HYPHEN) return undefined
    const reply: SmtpReply = { code, lines: this.#lines }
    this.#lines = []
    this.#octets = 0
    return reply
  }

  #fail(fault: ReplyFault): undefined {
    this.#fault = fault
    return undefined
  }
}

function codeOf(bytes: Buffer, length: number): number | undefined {
  if (length < 3) return undefined
  const [first, second, third] = [digit(bytes[0]), digit(bytes[1]), digit(bytes[2])]
  if (first === undefined || second === undefined || third === undefined) return undefined
  // Four digits are no code; anything else after three is text whose space was forgotten.
  if (length > 3 && digit(bytes[3]) !== undefined) return undefined
  return first * 100 + second * 10 + third
}

function digit(byte: number | undefined): number | undefined {
  const value = (byte ?? 0) - ZERO
  return value >= 0 && value <= 9 ? value : undefined
}

/** Text of a peer as it may stand on one line of a log or a DSN. */
function quotable(text: string): string {
  return text.replace(UNQUOTABLE, (character) => (character === '\t' ? ' ' : '?')).trimEnd()
}
