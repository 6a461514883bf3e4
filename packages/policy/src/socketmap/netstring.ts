/**
 * Netstrings, in which Postfix wraps each request and reply of a socketmap: `6:policy,` (cr.yp.to/proto/netstrings.txt).
 *
 * The reader takes bytes as they come and gives whole strings back one at a time, so that whoever pulls decides how many are
 * under way. What is kept is bounded by one string and one chunk. Knows no sockets and no clock.
 */
import { err, ok, type Result } from '../result.ts'

export type NetstringError =
  /** Something else than digits and a colon, or a leading zero. */
  | { readonly kind: 'bad-length' }
  | { readonly kind: 'too-long' }
  /** No comma behind the string. */
  | { readonly kind: 'bad-terminator' }

const COLON = 0x3a
const COMMA = 0x2c
const ZERO = 0x30
const NINE = 0x39
const NOTHING = Buffer.alloc(0)

export function netstring(text: string): Buffer {
  const octets = Buffer.from(text, 'utf8')
  return Buffer.concat([Buffer.from(`${octets.length}:`, 'latin1'), octets, Buffer.of(COMMA)])
}

export class NetstringReader {
  readonly #octetsMax: number
  readonly #digitsMax: number
  #rest: Buffer = NOTHING

  constructor({ octetsMax }: { readonly octetsMax: number }) {
    this.#octetsMax = octetsMax
    this.#digitsMax = String(octetsMax).length
  }

  /** A string has begun and is not whole, or was not pulled yet. */
  get hasRest(): boolean {
    return this.#rest.length > 0
  }

  feed(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
  }

  /** Undefined: not whole yet. After an error nothing more can be read: nobody knows where the next string begins. */
  next(): Result<Buffer | undefined, NetstringError> {
    const head = this.#head()
    if (!head.ok) return head
    if (head.value === undefined) return ok(undefined)
    const { start, length } = head.value
    const end = start + length
    const terminator = this.#rest[end]
    if (terminator === undefined) return ok(undefined)
    if (terminator !== COMMA) return err({ kind: 'bad-terminator' })
    const string = this.#rest.subarray(start, end)
    this.#rest = this.#rest.subarray(end + 1)
    return ok(string)
  }

  /** Where the string begins and how long it says it is. */
  #head(): Result<{ readonly start: number; readonly length: number } | undefined, NetstringError> {
    let length = 0
    for (let index = 0; index <= this.#digitsMax; index++) {
      const octet = this.#rest[index]
      if (octet === undefined) return ok(undefined)
      if (octet === COLON && index > 0) return ok({ start: index + 1, length })
      if (octet < ZERO || octet > NINE || (index > 0 && length === 0)) return err({ kind: 'bad-length' })
      length = length * 10 + (octet - ZERO)
      if (length > this.#octetsMax) return err({ kind: 'too-long' })
    }
    return err({ kind: 'too-long' })
  }
}
