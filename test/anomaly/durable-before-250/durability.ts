/**
 * Was every 250 written after the sync that covers its message (SMTP-52)? Pure: a trace and what was submitted in,
 * findings out; no finding is the proof.
 *
 * Inline content: every mark of the message is in a write to the store's log, a commit frame follows it (or holds
 * it), a sync of that file begins after both have ended and ends before the 250 begins. File content: written,
 * synced, renamed, directory synced (and its parent when it was made just now), and only then the envelope, with
 * commit frame and sync as above.
 *
 * The log is that of SQLite, or the append-only file of Redis, in which a transaction is whole where its EXEC is.
 */
import { dirname } from 'node:path'
import type { Span, TracedCall } from './strace-log.ts'

export interface Submitted {
  /** The port of the client's end: each message has a connection of its own. */
  readonly clientPort: number
  /** Texts that occur nowhere else, spread over the whole content; of each pair one may be cut by a page's end. */
  readonly marks: readonly (readonly [string, string])[]
  readonly content: 'inline' | 'file'
}

export interface Finding {
  readonly clientPort: number
  readonly problem:
    | 'no-250'
    | 'bytes-not-written'
    | 'bytes-not-synced'
    | 'no-commit-frame-synced'
    | 'file-not-synced-before-rename'
    | 'file-not-renamed'
    | 'directory-not-synced'
    | 'parent-directory-not-synced'
    | 'envelope-not-synced-after-file'
}

type Write = Extract<TracedCall, { kind: 'write' }>
type Rename = Extract<TracedCall, { kind: 'rename' }>

/** `logName` is how the store's log is called: `spool.db-wal`, `appendonly.aof.1.incr.aof`. */
export function durabilityFindings(
  calls: readonly TracedCall[],
  submitted: readonly Submitted[],
  logName: string,
): readonly Finding[] {
  const trace = new Trace(calls, logName)
  return submitted.flatMap((message) => {
    const problem = trace.problemOf(message)
    return problem === undefined ? [] : [{ clientPort: message.clientPort, problem }]
  })
}

class Trace {
  readonly #calls: readonly TracedCall[]
  readonly #writes: readonly Write[]
  readonly #logWrites: readonly Write[]
  readonly #fileWrites: readonly Write[]
  readonly #commitFrames: readonly Write[]

  constructor(calls: readonly TracedCall[], logName: string) {
    this.#calls = calls
    this.#writes = calls.filter((call): call is Write => call.kind === 'write')
    this.#logWrites = this.#writes.filter(({ target }) => target.endsWith(`/${logName}`))
    this.#fileWrites = this.#writes.filter(({ target }) => target.includes('/content/'))
    this.#commitFrames = this.#logWrites.filter(logName.endsWith('.aof') ? endsTransaction : isCommitFrame)
  }

  problemOf(message: Submitted): Finding['problem'] | undefined {
    const reply = this.#acceptanceOf(message.clientPort)
    if (reply === undefined) return 'no-250'
    return message.content === 'inline' ? this.#inlineProblem(message, reply) : this.#fileProblem(message, reply)
  }

  /** The first 250 that follows a 354 on the connection: the reply to the final dot. */
  #acceptanceOf(clientPort: number): Span | undefined {
    const peer = new RegExp(`->.*:${clientPort}\\]$`)
    const replies = this.#writes.filter(({ target }) => peer.test(target))
    // Replies to a pipelined group leave together, and 354 is the last of them (RFC 2920 §3.1).
    const goAhead = replies.findIndex(({ bytes }) => /^354 /m.test(bytes.toString('latin1')))
    if (goAhead < 0) return undefined
    return replies.slice(goAhead + 1).find(({ bytes }) => bytes.toString('latin1').startsWith('250 '))?.span
  }

  #inlineProblem(message: Submitted, reply: Span): Finding['problem'] | undefined {
    for (const pair of message.marks) {
      const holders = this.#logWrites.filter(({ bytes }) => holds(bytes, pair))
      const problem = this.#loggedProblem(holders, { reply })
      if (problem !== undefined) return problem
    }
    return undefined
  }

  /** At least one of the writes must be followed by a commit frame and a sync, all before the 250. */
  #loggedProblem(
    holders: readonly Write[],
    until: { readonly reply: Span },
  ): 'bytes-not-written' | 'bytes-not-synced' | 'no-commit-frame-synced' | undefined {
    if (holders.length === 0) return 'bytes-not-written'
    let problem: 'bytes-not-synced' | 'no-commit-frame-synced' = 'bytes-not-synced'
    for (const holder of holders) {
      const syncs = this.#syncsOf(holder.target).filter(
        (sync) => sync.start > holder.span.end && sync.end < until.reply.start,
      )
      if (syncs.length > 0) problem = 'no-commit-frame-synced'
      if (syncs.some((sync) => this.#commitsBefore(holder, sync))) return undefined
    }
    return problem
  }

  #commitsBefore(holder: Write, sync: Span): boolean {
    return this.#commitFrames.some(
      (write) => write.target === holder.target && isNotBefore(write, holder) && write.span.end < sync.start,
    )
  }

  #fileProblem(message: Submitted, reply: Span): Finding['problem'] | undefined {
    const writes = message.marks.map((pair) => this.#fileWrites.find(({ bytes }) => holds(bytes, pair)))
    const written = writes.filter((write) => write !== undefined)
    const path = written[0]?.target
    if (path === undefined || written.length < writes.length || written.some(({ target }) => target !== path)) {
      return 'bytes-not-written'
    }
    const rename = this.#calls.find((call): call is Rename => call.kind === 'rename' && call.from === path)
    if (rename === undefined || rename.span.end >= reply.start) return 'file-not-renamed'
    const lastWrite = Math.max(...written.map(({ span }) => span.end))
    if (!this.#syncedWithin(path, { after: lastWrite, before: rename.span.start }))
      return 'file-not-synced-before-rename'
    return this.#nameProblem(rename, reply)
  }

  #nameProblem(rename: Rename, reply: Span): Finding['problem'] | undefined {
    const directory = dirname(rename.to)
    const named = this.#syncsOf(directory).find(({ start, end }) => start > rename.span.end && end < reply.start)
    if (named === undefined) return 'directory-not-synced'
    const made = this.#calls.find((call) => call.kind === 'mkdir' && call.path === directory)
    if (made !== undefined && !this.#syncedWithin(dirname(directory), { after: made.span.end, before: reply.start })) {
      return 'parent-directory-not-synced'
    }
    const id = rename.to.slice(directory.length + 1)
    const envelopes = this.#logWrites.filter(
      ({ bytes, span }) => span.start > named.end && bytes.includes(id, 0, 'latin1'),
    )
    return this.#loggedProblem(envelopes, { reply }) === undefined ? undefined : 'envelope-not-synced-after-file'
  }

  #syncedWithin(target: string, between: { readonly after: number; readonly before: number }): boolean {
    return this.#syncsOf(target).some(({ start, end }) => start > between.after && end < between.before)
  }

  #syncsOf(target: string): readonly Span[] {
    return this.#calls.flatMap((call) => (call.kind === 'sync' && call.target === target ? [call.span] : []))
  }
}

/** SQLite file format §4.1: a frame is a header of 24 octets and a page. */
const FRAME_HEADER_BYTES = 24
const COMMIT_SIZE_AT = 4

/** The header of a commit frame says how large the database is afterwards; in other frames that is zero. */
function isCommitFrame({ bytes, offset }: Write): boolean {
  return offset !== undefined && bytes.length === FRAME_HEADER_BYTES && bytes.readUInt32BE(COMMIT_SIZE_AT) > 0
}

/** A log that is only appended to is written in order, without offsets. */
function isNotBefore(write: Write, holder: Write): boolean {
  if (write.offset === undefined) return write.span.start >= holder.span.start
  return write.offset >= (holder.offset ?? 0) - FRAME_HEADER_BYTES
}

/**
 * What Redis writes at once may end within a transaction; the rest of it comes with the next write. Behind its last
 * transaction commands may stand that are none.
 */
function endsTransaction({ bytes }: Write): boolean {
  return bytes.lastIndexOf(EXEC) > bytes.lastIndexOf(MULTI)
}

const MULTI = '\r\nMULTI\r\n'
const EXEC = '\r\nEXEC\r\n'

function holds(bytes: Buffer, pair: readonly [string, string]): boolean {
  return pair.some((mark) => bytes.includes(mark, 0, 'latin1'))
}
