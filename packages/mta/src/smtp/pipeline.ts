/**
 * The transactions of one connection in their order: one speaks at a time, from its MAIL to its final dot.
 *
 * With PIPELINING the next one speaks as soon as the dot of the last is written, so that both leave together; without
 * it only when the last is over (SMTP-08). No RSET after a finished transaction, one before MAIL after an open one.
 */
import type { Capabilities } from './capabilities.ts'
import { type Chunking, Exchange, type Turn } from './exchange.ts'
import { prepareTransaction } from './prepared-transaction.ts'
import type { SessionProblem } from './session-problem.ts'
import type { SmtpTimeouts } from './timeouts.ts'
import type { Transaction, TransactionResult } from './transaction.ts'
import type { Wire } from './wire.ts'

export interface PipelineOptions {
  readonly timeouts: SmtpTimeouts
  /** Use BDAT where it is offered. */
  readonly chunking: boolean
}

export class Pipeline {
  readonly #wire: Wire
  readonly #offered: Capabilities
  readonly #timeouts: SmtpTimeouts
  readonly #waiting: Exchange[] = []
  /** Begun and not over: at most the one whose dot is out, and the one that speaks. */
  readonly #begun: Exchange[] = []
  #speaking = false
  #open = false
  #stopping = false
  #transactions = 0
  #chunking: Chunking
  /** This side has logged in. */
  authenticated = false

  constructor(wire: Wire, offered: Capabilities, { timeouts, chunking }: PipelineOptions) {
    this.#wire = wire
    this.#offered = offered
    this.#timeouts = timeouts
    this.#chunking = offered.chunking && chunking ? 'untried' : 'off'
  }

  get idle(): boolean {
    return this.#begun.length === 0 && this.#waiting.length === 0
  }

  get transactions(): number {
    return this.#transactions
  }

  submit(transaction: Transaction): Promise<TransactionResult> {
    const chunking = this.#chunking !== 'off'
    const framing = chunking ? 'chunk' : 'dot'
    const prepared = prepareTransaction(transaction, this.#offered, { framing, authenticated: this.authenticated })
    if (!prepared.ok) return Promise.resolve({ kind: 'not-sent', because: prepared.error })
    return new Promise((resolve) => {
      const exchange: Exchange = new Exchange(
        {
          transaction,
          prepared: prepared.value,
          timeouts: this.#timeouts,
          pipelining: this.#offered.pipelining,
          chunking,
          resolve,
        },
        this.#wire,
        this.#turnOf(() => exchange),
      )
      this.#waiting.push(exchange)
      this.#next()
    })
  }

  #turnOf(exchange: () => Exchange): Turn {
    const chunking = (): Chunking => this.#chunking
    return {
      get chunking() {
        return chunking()
      },
      tookChunk: (works) => {
        this.#chunking = works ? 'works' : 'off'
      },
      dotSent: (chunked) => this.#dotSent(chunked),
      over: (open) => this.#over(exchange(), open),
    }
  }

  /** No dot leaves any more; one that has left is waited for, then the session ends. */
  stop(): void {
    this.#stopping = true
    for (const exchange of this.#waiting.splice(0)) exchange.broken({ kind: 'stopped' })
    if (!this.#begun.some((exchange) => exchange.awaitsFinalReply)) this.#wire.fail({ kind: 'stopped' })
    // One whose commands left behind such a dot will not get its 354: nobody has to wait to know that.
    for (const exchange of this.#begun) if (!exchange.awaitsFinalReply) exchange.broken({ kind: 'stopped' })
  }

  /** The session is over. */
  broken(problem: SessionProblem): void {
    for (const exchange of [...this.#begun.splice(0), ...this.#waiting.splice(0)]) exchange.broken(problem)
  }

  #next(): void {
    if (this.#speaking || this.#stopping) return
    const exchange = this.#waiting.shift()
    if (exchange === undefined) return
    this.#speaking = true
    this.#transactions += 1
    this.#begun.push(exchange)
    const reset = this.#open
    this.#open = false
    exchange.start(reset)
  }

  #dotSent(chunked: boolean): void {
    // The first BDAT may have to be said again as DATA.
    if (!this.#offered.pipelining || (chunked && this.#chunking === 'untried')) return
    this.#speaking = false
    // RFC 3030 §2: should the chunk fail, only RSET leads on.
    this.#open = chunked
    this.#next()
  }

  #over(exchange: Exchange, open: boolean): void {
    const last = this.#begun.pop()
    if (last === exchange) {
      this.#speaking = false
      this.#open = open
    } else if (last !== undefined) {
      // The answer was to the dot of the one before; the last one speaks on.
      this.#begun[0] = last
    }
    // The next one has not seen its 354 yet, so that nothing of it is lost with the session.
    if (this.#stopping) this.#wire.fail({ kind: 'stopped' })
    else this.#next()
  }
}
