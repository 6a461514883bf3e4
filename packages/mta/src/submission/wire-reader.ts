/**
 * Octets from a client, cut into command lines and message content. RFC 5321 §2.3.8: only CRLF ends a line;
 * §4.1.1.4: only CRLF "." CRLF ends content; §4.5.2: the dot in front of another character of a line goes away.
 *
 * Nothing else is a line end or the end of content, wherever the network cuts its segments. Content is passed on
 * as slices of what was received, never copied here. Knows no commands, no replies, no sockets.
 */

/** What the reader does after a command line. `content`: the next octet is content. `stop`: the rest is dropped. */
export type LineVerdict = 'continue' | 'content' | 'stop'

export type LineFault = 'line-too-long' | 'bare-line-feed' | 'control-character'

/** The consumer. A promise makes the reader wait; nothing is read ahead of it. */
export interface WireTarget {
  /** A line without its CRLF. `more`: the client sent something behind it without waiting for the reply. */
  commandLine(line: Buffer, more: boolean): LineVerdict | Promise<LineVerdict>
  faultyLine(fault: LineFault): LineVerdict
  /** The length that the line being received may have; `start` is what arrived of it. */
  lineOctetsMax(start: Buffer): number
  content(slice: Buffer): void | Promise<void>
  endOfContent(): LineVerdict | Promise<LineVerdict>
}

const CR = 0x0d
const LF = 0x0a
const DOT = 0x2e
const CRLF_DOT = Buffer.from('\r\n.')
const HELD_CR = Buffer.from('\r')
const NO_OCTETS = Buffer.alloc(0)

/** Pipelined lines taken in one go before other sessions get their turn. */
const LINES_PER_TURN_MAX = 100

/** How much of CRLF "." CRLF the last octets of content were. */
type Seen = 'nothing' | 'cr' | 'crlf' | 'crlf-dot' | 'crlf-dot-cr'

export class WireReader {
  readonly #target: WireTarget
  #mode: 'command' | 'skip-line' | 'content' | 'stopped' = 'command'
  #partial: Buffer[] = []
  #partialOctets = 0
  #seen: Seen = 'nothing'
  #linesThisTurn = 0

  constructor(target: WireTarget) {
    this.#target = target
  }

  /** A command line has begun and not ended. */
  get insideLine(): boolean {
    return this.#partialOctets > 0 || this.#mode === 'skip-line'
  }

  /** `queued`: more octets wait behind this chunk. */
  feed(chunk: Buffer, queued: boolean): void | Promise<void> {
    this.#linesThisTurn = 0
    return this.#take(chunk, queued)
  }

  stop(): void {
    this.#mode = 'stopped'
    this.#partial = []
    this.#partialOctets = 0
  }

  #take(chunk: Buffer, queued: boolean): void | Promise<void> {
    let rest = chunk
    while (rest.length > 0 && this.#mode !== 'stopped') {
      const step = this.#mode === 'content' ? this.#takeContent(rest) : this.#takeLine(rest, queued)
      if (step.wait !== undefined) return step.wait.then(() => this.#take(step.rest, queued))
      rest = step.rest
    }
  }

  #takeLine(chunk: Buffer, queued: boolean): Step {
    const lf = chunk.indexOf(LF)
    if (lf === -1) {
      this.#keepPartial(chunk)
      return { rest: NO_OCTETS }
    }
    const rest = chunk.subarray(lf + 1)
    const previous = lf > 0 ? chunk[lf - 1] : this.#lastPartialOctet()
    const skipped = this.#mode === 'skip-line'
    const line = this.#joinPartial(chunk.subarray(0, lf))
    if (previous !== CR) return this.#apply(this.#target.faultyLine('bare-line-feed'), rest)
    this.#mode = 'command'
    const body = line.subarray(0, line.length - 1)
    if (skipped || body.length > this.#target.lineOctetsMax(body)) {
      return this.#apply(this.#target.faultyLine('line-too-long'), rest)
    }
    if (hasControl(body)) return this.#apply(this.#target.faultyLine('control-character'), rest)
    return this.#apply(this.#target.commandLine(body, rest.length > 0 || queued), rest)
  }

  #apply(verdict: LineVerdict | Promise<LineVerdict>, rest: Buffer): Step {
    if (typeof verdict !== 'string') return { rest, wait: verdict.then((settled) => this.#enter(settled)) }
    this.#enter(verdict)
    this.#linesThisTurn += 1
    if (this.#linesThisTurn < LINES_PER_TURN_MAX || rest.length === 0) return { rest }
    this.#linesThisTurn = 0
    return { rest, wait: new Promise((resolve) => setImmediate(resolve)) }
  }

  #enter(verdict: LineVerdict): void {
    if (this.#mode === 'stopped') return
    if (verdict === 'stop') {
      this.stop()
      return
    }
    this.#mode = verdict === 'content' ? 'content' : 'command'
    // The CRLF of the DATA line counts as the one in front of a first dot (RFC 5321 §4.1.1.4).
    this.#seen = 'crlf'
  }

  #keepPartial(chunk: Buffer): void {
    if (this.#mode === 'skip-line') {
      // Only the last octet matters: is it the CR of the CRLF that ends the line?
      this.#partial = [chunk.subarray(chunk.length - 1)]
      this.#partialOctets = 1
      return
    }
    this.#partial.push(chunk)
    this.#partialOctets += chunk.length
    const start = this.#partial[0] ?? chunk
    if (this.#partialOctets <= this.#target.lineOctetsMax(start) + 1) return
    this.#mode = 'skip-line'
    this.#partial = [chunk.subarray(chunk.length - 1)]
    this.#partialOctets = 1
  }

  #joinPartial(end: Buffer): Buffer {
    if (this.#partialOctets === 0) return end
    const line = Buffer.concat([...this.#partial, end])
    this.#partial = []
    this.#partialOctets = 0
    return line
  }

  #lastPartialOctet(): number | undefined {
    return this.#partial.at(-1)?.at(-1)
  }

  /** One step of progress: every case either consumes octets or moves to a state that will. */
  #takeContent(chunk: Buffer): Step {
    switch (this.#seen) {
      case 'nothing':
        return this.#takeUntilDot(chunk)
      case 'cr':
        if (chunk[0] !== LF) return this.#nowSeen('nothing', chunk)
        return { ...this.#nowSeen('crlf', chunk.subarray(1)), ...waiting(this.#target.content(chunk.subarray(0, 1))) }
      case 'crlf':
        return chunk[0] === DOT ? this.#nowSeen('crlf-dot', chunk.subarray(1)) : this.#nowSeen('nothing', chunk)
      case 'crlf-dot':
        // The dot was held back. In front of anything but CR LF it was stuffing and is dropped.
        return chunk[0] === CR ? this.#nowSeen('crlf-dot-cr', chunk.subarray(1)) : this.#nowSeen('nothing', chunk)
      case 'crlf-dot-cr':
        if (chunk[0] === LF) return this.#apply(this.#target.endOfContent(), chunk.subarray(1))
        return { ...this.#nowSeen('cr', chunk), ...waiting(this.#target.content(HELD_CR)) }
    }
  }

  #takeUntilDot(chunk: Buffer): Step {
    const found = chunk.indexOf(CRLF_DOT)
    if (found === -1) {
      const last = chunk[chunk.length - 1]
      this.#seen = last === CR ? 'cr' : last === LF && chunk[chunk.length - 2] === CR ? 'crlf' : 'nothing'
      return { rest: NO_OCTETS, ...waiting(this.#target.content(chunk)) }
    }
    // This CRLF is content in any case; what the dot means shows in the octets behind it.
    this.#seen = 'crlf-dot'
    return { rest: chunk.subarray(found + 3), ...waiting(this.#target.content(chunk.subarray(0, found + 2))) }
  }

  #nowSeen(seen: Seen, rest: Buffer): Step {
    this.#seen = seen
    return { rest }
  }
}

interface Step {
  readonly rest: Buffer
  readonly wait?: Promise<void>
}

function waiting(pending: void | Promise<void>): { readonly wait?: Promise<void> } {
  return pending instanceof Promise ? { wait: pending } : {}
}

/** RFC 5321 §2.3.8: CR only in front of LF; NUL never. */
function hasControl(line: Buffer): boolean {
  return line.indexOf(CR) !== -1 || line.indexOf(0) !== -1
}
