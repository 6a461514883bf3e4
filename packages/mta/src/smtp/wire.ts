/**
 * One SMTP byte stream, clear or TLS: writes what it is given, cuts what comes back into replies, and gives each
 * reply to whoever expects it, by count (RFC 2920 §3.1). It always reads, also while it writes (EXT-16).
 *
 * A reply that nobody expects ends the session (421: the peer said why; any other: it does not speak SMTP), and so
 * do a fault in a reply, a loss, and a reply that is not whole when its time is over. Time is measured from the
 * moment in which the peer owed that reply next. It ends with QUIT wherever the peer could take one (SMTP-14).
 */
import type { Socket } from 'node:net'
import { err, ok, type Result } from '@hermetic/policy'
import { withEnhancedStatus } from './enhanced-reply.ts'
import type { SmtpPhase } from './phase.ts'
import type { SmtpReply } from './reply.ts'
import { ReplyParser } from './reply-parser.ts'
import type { SessionProblem } from './session-problem.ts'

export interface Expectation {
  phase: SmtpPhase
  timeoutMs: number
  take(reply: SmtpReply): void
  lost(problem: SessionProblem): void
}

/** While one of these is owed, the peer would read a QUIT as something else, or must not see one yet. */
const SPEECHLESS: ReadonlySet<SmtpPhase> = new Set(['greeting', 'starttls', 'auth', 'data', 'content', 'quit'])
const STARTTLS = Buffer.from('STARTTLS\r\n')
const QUIT = Buffer.from('QUIT\r\n')
/** For a QUIT and what is left in the socket; then the connection is closed whatever the peer does. */
const FAREWELL_MS = 2000

export class Wire {
  readonly #socket: Socket
  readonly #onEnd: (problem: SessionProblem | undefined) => void
  readonly #parser = new ReplyParser()
  #expected: Expectation[] = []
  #since = 0
  #timer: NodeJS.Timeout | undefined
  #timerDue = 0
  #ended = false
  #problem: SessionProblem | undefined
  #silent = false
  #enhanced = false
  #reworded: (reply: SmtpReply) => SmtpReply = (reply) => reply
  #drained: ((alive: boolean) => void) | undefined
  readonly #listeners = {
    data: (bytes: Buffer) => this.#data(bytes),
    end: () => this.#lost('EOF'),
    close: () => this.#lost(codeOf(this.#socket.errored) ?? 'EOF'),
    error: (error: Error) => this.#lost(codeOf(error) ?? 'UNKNOWN'),
    drain: () => this.#settleDrained(true),
  }

  constructor(socket: Socket, onEnd: (problem: SessionProblem | undefined) => void) {
    this.#socket = socket
    this.#onEnd = onEnd
    for (const [event, listener] of Object.entries(this.#listeners)) socket.on(event, listener)
    if (socket.destroyed) queueMicrotask(() => this.#listeners.close())
    else socket.resume()
  }

  get alive(): boolean {
    return !this.#ended
  }

  /** More came than was asked for, or half of it. */
  get unreadBytes(): boolean {
    return this.#parser.unfinished || this.#socket.readableLength > 0
  }

  /** RFC 2034: set by what the EHLO in force offered. */
  readEnhancedStatus(offered: boolean): void {
    this.#enhanced = offered
  }

  /** From here on replies are handed on, and told, as this makes them. */
  rewordReplies(reworded: (reply: SmtpReply) => SmtpReply): void {
    this.#reworded = reworded
  }

  cork(): void {
    this.#socket.cork()
  }

  uncork(): void {
    this.#socket.uncork()
  }

  /** False: wait for `drained` before the next. */
  write(bytes: Buffer): boolean {
    return this.#ended || this.#socket.write(bytes)
  }

  /** True when what was written is on its way; false when the session ended instead. */
  drained(): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false)
    if (!this.#socket.writableNeedDrain) return Promise.resolve(true)
    return new Promise((resolve) => {
      this.#drained = resolve
    })
  }

  expect(expectation: Expectation): void {
    if (this.#ended) return
    this.#expected.push(expectation)
    if (this.#expected.length === 1) this.#startClock()
  }

  /** Progress, or another phase: the time of the reply that is owed next starts again. */
  refresh(): void {
    this.#startClock()
  }

  /** One command and its reply, when nothing else is under way. */
  command(line: string, phase: SmtpPhase, timeoutMs: number): Promise<Result<SmtpReply, SessionProblem>> {
    this.write(Buffer.from(line))
    return this.reply(phase, timeoutMs)
  }

  reply(phase: SmtpPhase, timeoutMs: number): Promise<Result<SmtpReply, SessionProblem>> {
    return new Promise((resolve) => {
      const take = (reply: SmtpReply): void => resolve(ok(reply))
      this.#expectOrLose({ phase, timeoutMs, take, lost: (problem) => resolve(err(problem)) })
    })
  }

  /** Ends the session for this reason, with a QUIT when the peer can still hear one. */
  fail(problem: SessionProblem): void {
    this.#finish(problem, !this.#expected.some(({ phase }) => SPEECHLESS.has(phase)))
  }

  /** Ends it at once. */
  destroy(problem: SessionProblem): void {
    this.#end(problem)
    this.#socket.destroy()
  }

  /** After a 220 nothing may follow in clear but the ClientHello, not even a QUIT (RFC 3207 §4, TLS-02). */
  startTls(timeoutMs: number): Promise<Result<SmtpReply, SessionProblem>> {
    this.write(STARTTLS)
    return new Promise((resolve) => {
      const take = (reply: SmtpReply): void => {
        this.#silent = reply.code === 220
        resolve(ok(reply))
      }
      this.#expectOrLose({ phase: 'starttls', timeoutMs, take, lost: (problem) => resolve(err(problem)) })
    })
  }

  /** QUIT, and the close once it is answered: what else the peer may have to say then is not looked at. */
  quit(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.write(QUIT)
      const take = (): void => {
        this.#end(undefined)
        this.#closeSoon()
        resolve()
      }
      this.#expectOrLose({ phase: 'quit', timeoutMs, take, lost: () => resolve() })
    })
  }

  /** Gives up the socket for a TLS handshake; nothing of it is listened to any more. */
  detach(): Socket {
    this.#ended = true
    clearTimeout(this.#timer)
    for (const [event, listener] of Object.entries(this.#listeners)) this.#socket.off(event, listener)
    this.#socket.pause()
    return this.#socket
  }

  /** For callers that do not know whether the session still lives. */
  #expectOrLose(expectation: Expectation): void {
    if (this.#ended) expectation.lost(this.#problem ?? { kind: 'stopped' })
    else this.expect(expectation)
  }

  #data(bytes: Buffer): void {
    if (this.#ended) return
    const replies = this.#parser.push(bytes)
    // What is more than was asked for came before its command could: nothing of this chunk can be trusted.
    const unasked = replies[this.#expected.length]
    if (unasked !== undefined && unasked.code !== 421) {
      this.#violation('unsolicited-reply')
      return
    }
    this.#socket.cork()
    for (const reply of replies) this.#give(this.#reworded(this.#enhanced ? withEnhancedStatus(reply) : reply))
    this.#socket.uncork()
    const { fault } = this.#parser
    if (fault !== undefined) this.#violation(fault)
  }

  #give(reply: SmtpReply): void {
    if (this.#ended) return
    const next = this.#expected[0]
    if (next === undefined) {
      // Only 421 comes unasked and means something.
      this.fail({ kind: 'reply', phase: 'mail', reply })
      return
    }
    const { phase } = next
    this.#expected.shift()
    next.take(reply)
    if (this.#ended) return
    if (this.#expected.length > 0) this.#startClock()
    // Whoever says 421 reads on until it closes, unless it reads content (RFC 5321 §3.8).
    if (reply.code === 421) this.#finish({ kind: 'reply', phase, reply }, phase !== 'content')
  }

  #violation(detail: string): void {
    this.fail({ kind: 'protocol-violation', phase: this.#phase, detail })
  }

  /** What the peer owes; between transactions the next MAIL is what cannot happen. */
  get #phase(): SmtpPhase {
    return this.#expected[0]?.phase ?? 'mail'
  }

  #lost(code: string): void {
    if (!this.#ended) this.destroy({ kind: 'connection-lost', phase: this.#phase, code })
  }

  #end(problem: SessionProblem | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#problem = problem
    clearTimeout(this.#timer)
    this.#settleDrained(false)
    const lost = this.#expected
    this.#expected = []
    for (const expectation of lost) expectation.lost(problem ?? { kind: 'stopped' })
    this.#onEnd(problem)
  }

  #settleDrained(alive: boolean): void {
    const resolve = this.#drained
    this.#drained = undefined
    resolve?.(alive)
  }

  #finish(problem: SessionProblem, hears: boolean): void {
    this.#end(problem)
    if (!hears || this.#silent || !this.#socket.writable) {
      this.#socket.destroy()
      return
    }
    this.#socket.write(QUIT)
    this.#closeSoon()
  }

  #closeSoon(): void {
    const timer = setTimeout(() => this.#socket.destroy(), FAREWELL_MS)
    this.#socket.once('close', () => clearTimeout(timer))
    this.#socket.destroySoon()
  }

  /**
   * One timer for the whole connection. It is set again only when it would ring too late; when it rings early it is
   * set for the rest. A storm of short steps so costs no timer at all.
   */
  #startClock(): void {
    this.#since = performance.now()
    const timeoutMs = this.#expected[0]?.timeoutMs
    if (timeoutMs === undefined || (this.#timer !== undefined && this.#timerDue <= this.#since + timeoutMs)) return
    this.#setTimer(timeoutMs)
  }

  #setTimer(delayMs: number): void {
    clearTimeout(this.#timer)
    this.#timerDue = performance.now() + delayMs
    this.#timer = setTimeout(() => this.#ring(), delayMs)
  }

  #ring(): void {
    this.#timer = undefined
    const owed = this.#expected[0]
    if (owed === undefined) return
    const leftMs = this.#since + owed.timeoutMs - performance.now()
    if (leftMs > 0) this.#setTimer(Math.ceil(leftMs))
    else this.fail({ kind: 'timeout', phase: owed.phase })
  }
}

function codeOf(error: Error | null): string | undefined {
  return error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
