/**
 * One connection of Postfix: requests in, replies out in the same order. Reading stops while enough is under way or while
 * the peer does not read what it asked for.
 *
 * Owns its socket. Nothing that a peer sends makes it grow: one chunk is kept, and `requestsAtOnceMax` answers.
 */
import type { Socket } from 'node:net'
import { type Answer, answerOf, type SocketmapAnswers } from './answers.ts'
import type { SocketmapAnswerKind, SocketmapEvent } from './events.ts'
import { type NetstringError, NetstringReader } from './netstring.ts'
import { REQUEST_OCTETS_MAX } from './query.ts'

export interface ConnectionLimits {
  /** Answers under way; Postfix asks one at a time. */
  readonly requestsAtOnceMax: number
  /** From the first octet of a request to its last. */
  readonly requestMsMax: number
  /** Without any request. Postfix ends its connections after 10 s (socketmap_max_idle). */
  readonly idleMsMax: number
  /** Postfix ends them after 100 s (socketmap_max_ttl); others may keep one for longer, but not for ever. */
  readonly connectionMsMax: number
  /** For the last replies to leave, once no more requests are taken. */
  readonly endMsMax: number
}

export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = {
  requestsAtOnceMax: 64,
  requestMsMax: 10_000,
  idleMsMax: 300_000,
  connectionMsMax: 3_600_000,
  endMsMax: 100_000,
}

/** Written at once; a reply has 100 to some thousand octets. */
const READY_OCTETS_MAX = 64 * 1024
/** Counts are told after this many answers, or this long after the first. */
const COUNTED_MAX = 1_000
const COUNTED_MS_MAX = 1_000

interface ConnectionOptions {
  readonly socket: Socket
  readonly peer: string
  readonly answers: SocketmapAnswers
  readonly emit: (event: SocketmapEvent) => void
  readonly limits: ConnectionLimits
}

/** An answer that is under way or waits for those before it. */
interface Pending {
  answer: Answer | undefined
}

const MALFORMED = answerOf({ kind: 'permanent', because: 'malformed-request' })

export class SocketmapConnection {
  readonly #options: ConnectionOptions
  readonly #reader = new NetstringReader({ octetsMax: REQUEST_OCTETS_MAX })
  readonly #pending: Pending[] = []
  #counts: Partial<Record<SocketmapAnswerKind, number>> = {}
  #counted = 0
  /** Replies that are ready, to leave in one write. */
  #ready: Buffer[] = []
  #readyOctets = 0
  #isFull = false
  #isPaused = false
  #silentHalves = 0
  /** No more requests are taken: the peer has ended, spoken nonsense, or we stop. */
  #isEnding = false
  #requestTimer: NodeJS.Timeout | undefined
  #endTimer: NodeJS.Timeout | undefined
  #countTimer: NodeJS.Timeout | undefined
  readonly #idleTimer: NodeJS.Timeout
  readonly #lifeTimer: NodeJS.Timeout

  constructor(options: ConnectionOptions) {
    this.#options = options
    const { socket, limits } = options
    this.#lifeTimer = setTimeout(() => this.finish(), limits.connectionMsMax).unref()
    this.#idleTimer = setTimeout(() => this.#lookForSilence(), limits.idleMsMax / 2).unref()
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('end', () => this.finish())
    socket.on('drain', () => {
      this.#isFull = false
      this.#proceed()
    })
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.#closed())
  }

  /** Answers what was asked, and ends. */
  finish(): void {
    this.#takeNoMore()
    this.#proceed()
  }

  destroy(): void {
    this.#options.socket.destroy()
  }

  #takeNoMore(): void {
    this.#isEnding = true
    this.#endTimer ??= setTimeout(() => this.destroy(), this.#options.limits.endMsMax).unref()
  }

  #take(chunk: Buffer): void {
    if (this.#isEnding) return
    this.#reader.feed(chunk)
    this.#silentHalves = 0
    this.#proceed()
  }

  /** Half a limit at a time: to wind a clock for every request would cost as much as to answer it. */
  #lookForSilence(): void {
    this.#silentHalves += 1
    if (this.#silentHalves >= 2) this.finish()
    else this.#idleTimer.refresh()
  }

  /** Reads, answers and writes as much as may be now. */
  #proceed(): void {
    const { socket } = this.#options
    if (socket.destroyed) return
    let isMore = true
    while (isMore) {
      this.#takeReady()
      isMore = this.#pull()
      this.#write()
      isMore &&= !this.#isFull
    }
    const isBusy = this.#isBusy()
    const isPaused = isBusy && !this.#isEnding
    if (isPaused !== this.#isPaused) {
      this.#isPaused = isPaused
      if (isPaused) socket.pause()
      else socket.resume()
    }
    if (this.#reader.hasRest || this.#requestTimer !== undefined) this.#watchRequest(isBusy)
    const isDone = this.#isEnding && this.#pending.length === 0 && !this.#isFull
    if (isDone && !socket.writableEnded) socket.end(() => socket.destroy())
  }

  #isBusy(): boolean {
    return this.#isFull || this.#pending.length >= this.#options.limits.requestsAtOnceMax
  }

  /** True when more could be pulled once the ready replies are written. What was asked before the end is still answered. */
  #pull(): boolean {
    while (!this.#isBusy()) {
      if (this.#readyOctets >= READY_OCTETS_MAX) return true
      const next = this.#reader.next()
      if (!next.ok) this.#refuse(next.error)
      if (!next.ok || next.value === undefined) return false
      if (this.#requestTimer !== undefined) this.#stopRequestTimer()
      const answer = this.#options.answers.answer(next.value)
      if (answer instanceof Promise) this.#wait(answer)
      else this.#sayInTurn(answer)
    }
    return false
  }

  #sayInTurn(answer: Answer): void {
    if (this.#pending.length === 0) this.#say(answer)
    else this.#pending.push({ answer })
  }

  #wait(answer: Promise<Answer>): void {
    const pending: Pending = { answer: undefined }
    this.#pending.push(pending)
    void answer.then((known) => {
      pending.answer = known
      if (this.#pending[0] === pending) this.#proceed()
    })
  }

  #refuse({ kind: because }: NetstringError): void {
    if (this.#isEnding) return
    this.#takeNoMore()
    const { peer, emit } = this.#options
    emit({ event: 'socketmap-connection-refused', peer, because })
    this.#sayInTurn(MALFORMED)
  }

  /** Replies leave in the order of their requests. */
  #takeReady(): void {
    for (let first = this.#pending[0]; first?.answer !== undefined; first = this.#pending[0]) {
      this.#pending.shift()
      this.#say(first.answer)
    }
  }

  #write(): void {
    if (this.#ready.length === 0) return
    const [only] = this.#ready
    const replies = this.#ready.length === 1 && only !== undefined ? only : Buffer.concat(this.#ready)
    this.#ready = []
    this.#readyOctets = 0
    this.#isFull = !this.#options.socket.write(replies)
  }

  #say({ kind, wire }: Answer): void {
    this.#ready.push(wire)
    this.#readyOctets += wire.length
    this.#counts[kind] = (this.#counts[kind] ?? 0) + 1
    this.#counted += 1
    if (this.#counted >= COUNTED_MAX) this.#tellCounts()
    else this.#countTimer ??= setTimeout(() => this.#tellCounts(), COUNTED_MS_MAX).unref()
  }

  #tellCounts(): void {
    clearTimeout(this.#countTimer)
    this.#countTimer = undefined
    if (this.#counted === 0) return
    this.#options.emit({ event: 'socketmap-answered', counts: this.#counts })
    this.#counts = {}
    this.#counted = 0
  }

  /** Runs while a request has begun, is not whole, and it is the peer that we wait for. */
  #watchRequest(isBusy: boolean): void {
    const waits = this.#reader.hasRest && !isBusy && !this.#isEnding
    if (!waits) {
      this.#stopRequestTimer()
      return
    }
    this.#requestTimer ??= setTimeout(() => {
      const { peer, emit } = this.#options
      emit({ event: 'socketmap-connection-refused', peer, because: 'request-too-slow' })
      this.finish()
    }, this.#options.limits.requestMsMax).unref()
  }

  #stopRequestTimer(): void {
    clearTimeout(this.#requestTimer)
    this.#requestTimer = undefined
  }

  #closed(): void {
    for (const timer of [this.#lifeTimer, this.#idleTimer, this.#requestTimer, this.#endTimer]) clearTimeout(timer)
    this.#isEnding = true
    this.#tellCounts()
  }
}
