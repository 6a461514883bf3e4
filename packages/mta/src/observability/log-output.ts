/**
 * Log lines on their way to a file descriptor: one write at a time, never waited for by those who log.
 *
 * A reader that is gone, a disk that is full, a pipe that nobody empties: each costs lines, never mail. What waits
 * is bounded, what is lost is counted, and writing is tried again with the next lines, except after EPIPE, which
 * no later write can cure.
 */
import { constants, fstatSync, openSync, writeSync, write as writeTo } from 'node:fs'

export interface LogOutput {
  write(line: string): void
  /** What still waits is written when this returns, as far as the descriptor takes it. */
  flush(): void
  /** Lines lost since the last call, once writing works again. */
  takeLost(): number
}

/** Some 50,000 lines: minutes of a busy relay, and nothing against its memory. */
const WAITING_CHARS_MAX = 16 * 1024 * 1024
/**
 * Lines gather for so long before they go: a write is a job for another thread, twenty times what a line costs, and a
 * busy relay has hundreds of lines in this time. Nobody who reads a log sees it.
 */
const GATHER_MS = 10
/** One write: enough to be cheap, small enough that little is in doubt when it fails. */
const WRITE_CHARS_MAX = 256 * 1024
/** After a write that failed, or that was put off (EAGAIN); doubled each time. */
const RETRY_MS = 5
const RETRY_MS_MAX = 200
/** At the end: a reader that does not read must not keep a relay alive that has stopped. */
const FLUSH_MS_MAX = 2_000

export function openLogOutput(fd: number): LogOutput {
  return new DescriptorOutput(notBlocking(fd))
}

/**
 * A pipe that nobody empties would hold a thread of Node, and in the end the program, for ever. Opened anew, it can
 * say EAGAIN to us without saying it to whoever shares the descriptor. Linux only; others keep what they have.
 */
function notBlocking(fd: number): number {
  try {
    if (!fstatSync(fd).isFIFO()) return fd
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK)
  } catch {
    return fd
  }
}

class DescriptorOutput implements LogOutput {
  readonly #fd: number
  #waiting: string[] = []
  #waitingChars = 0
  /** What is being written, and behind it. */
  #current: Buffer | undefined
  #inFlight = false
  #gathering: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined
  #retryMs = RETRY_MS
  #gone = false
  #works = true
  #lost = 0

  constructor(fd: number) {
    this.#fd = fd
  }

  write(line: string): void {
    if (this.#gone) return
    if (this.#waitingChars + line.length > WAITING_CHARS_MAX) {
      this.#lost += 1
      return
    }
    this.#waiting.push(line)
    this.#waitingChars += line.length
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined
      this.#writeNext()
    }, GATHER_MS)
  }

  takeLost(): number {
    if (!this.#works) return 0
    const lost = this.#lost
    this.#lost = 0
    return lost
  }

  flush(): void {
    const giveUpAt = performance.now() + FLUSH_MS_MAX
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    // What is in flight is with the operating system already; the loop of events waits for it.
    let current = this.#inFlight ? undefined : this.#current
    while (!this.#gone) {
      current ??= this.#takeWaiting()
      if (current === undefined) return
      try {
        current = remaining(current, writeSync(this.#fd, current))
      } catch (error) {
        if (codeOf(error) !== 'EAGAIN' || performance.now() > giveUpAt) return
        sleepSync(RETRY_MS)
      }
    }
  }

  #writeNext(): void {
    if (this.#inFlight || this.#retry !== undefined || this.#gone) return
    this.#current ??= this.#takeWaiting()
    const current = this.#current
    if (current === undefined) return
    this.#inFlight = true
    writeTo(this.#fd, current, (error, written) => {
      this.#inFlight = false
      if (error === null) this.#wrote(current, written)
      else this.#failed(error)
    })
  }

  #wrote(current: Buffer, written: number): void {
    this.#works = true
    this.#retryMs = RETRY_MS
    this.#current = remaining(current, written)
    this.#writeNext()
  }

  #failed(error: unknown): void {
    const code = codeOf(error)
    if (code === 'EPIPE' || code === 'EBADF') {
      this.#gone = true
      this.#waiting = []
      this.#current = undefined
      return
    }
    if (code !== 'EAGAIN') this.#works = false
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      this.#writeNext()
    }, this.#retryMs).unref()
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MS_MAX)
  }

  #takeWaiting(): Buffer | undefined {
    if (this.#waiting.length === 0) return undefined
    let chars = 0
    let count = 0
    for (const line of this.#waiting) {
      if (chars > 0 && chars + line.length > WRITE_CHARS_MAX) break
      chars += line.length
      count += 1
    }
    this.#waitingChars -= chars
    return Buffer.from(this.#waiting.splice(0, count).join(''))
  }
}

function remaining(bytes: Buffer, written: number): Buffer | undefined {
  return written < bytes.length ? bytes.subarray(written) : undefined
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
