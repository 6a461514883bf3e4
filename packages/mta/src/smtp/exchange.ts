/**
 * One transaction on the wire, from MAIL to the reply to its final dot (RFC 5321 §3.3).
 *
 * With PIPELINING its commands leave as one group with DATA last (RFC 2920 §3.1), without it one at a time. What the
 * answers mean is in `transaction-answers.ts`; whose turn it is to speak, in `pipeline.ts`.
 */
import { assertNever } from '@hermetic/policy'
import { sendChunks } from './chunk-sender.ts'
import { sendContent } from './content-sender.ts'
import type { SmtpPhase } from './phase.ts'
import { contentOf, type PreparedContent, type PreparedTransaction } from './prepared-transaction.ts'
import type { SmtpReply } from './reply.ts'
import type { SessionProblem } from './session-problem.ts'
import type { SmtpTimeouts } from './timeouts.ts'
import type { Transaction, TransactionResult } from './transaction.ts'
import {
  afterData,
  isIntermediate,
  isPositive,
  isRefusal,
  leavesTransactionOpen,
  openPhase,
  recipientResults,
  saysTooManyRecipients,
  type TransactionAnswers,
} from './transaction-answers.ts'
import type { Expectation, Wire } from './wire.ts'

export interface ExchangeOptions {
  readonly transaction: Transaction
  readonly prepared: PreparedTransaction
  readonly timeouts: SmtpTimeouts
  readonly pipelining: boolean
  /** BDAT in place of DATA (RFC 3030), as `prepared` is made for. */
  readonly chunking: boolean
  readonly resolve: (result: TransactionResult) => void
}

export type Chunking = 'off' | 'untried' | 'works'

/** What the exchange tells its pipeline. */
export interface Turn {
  /** Whether BDAT is known to work on this connection. */
  readonly chunking: Chunking
  /** The final dot, or the last chunk, is written: the next group may follow it at once. */
  dotSent(chunked: boolean): void
  /** BDAT is answered as RFC 3030 says, or not at all as if it were known. */
  tookChunk(works: boolean): void
  /** Every answer is there; `open` when the peer still waits for the end of this transaction. */
  over(open: boolean): void
}

type Answers = { -readonly [K in keyof TransactionAnswers]: TransactionAnswers[K] } & { rcpt: SmtpReply[] }

/** RFC 5321 §4.2.2: the command is not known here, or not at this place. */
const NOT_IMPLEMENTED: ReadonlySet<number> = new Set([500, 502, 503, 504])

const FINAL_DOT = Buffer.from('.\r\n')
const RSET = 'RSET\r\n'
const DATA = 'DATA\r\n'

export class Exchange {
  readonly #options: ExchangeOptions
  readonly #wire: Wire
  readonly #turn: Turn
  #answers: Answers = { rcpt: [] }
  #content: PreparedContent
  #state: 'waiting' | 'commands' | 'content' | 'final-dot' | 'over' = 'waiting'
  #accepted = 0
  #hasContent = false
  #chunking: boolean
  /** The chunk that is out, and who waits for its answer. */
  #chunkTaken: ((taken: boolean) => void) | undefined
  #chunkWritten = false
  readonly #lost = (problem: SessionProblem): void => this.broken(problem)

  constructor(options: ExchangeOptions, wire: Wire, turn: Turn) {
    this.#options = options
    this.#chunking = options.chunking
    this.#content = options.prepared.content
    this.#wire = wire
    this.#turn = turn
  }

  /** The dot of a message has been written and not been answered. */
  get awaitsFinalReply(): boolean {
    return this.#state === 'final-dot' && this.#hasContent
  }

  /** `reset`: the transaction before this one is still open at the peer (SMTP-13). */
  start(reset: boolean): void {
    const { prepared, timeouts, pipelining } = this.#options
    this.#state = 'commands'
    if (this.#chunking && this.#turn.chunking === 'off') this.#useDots()
    if (reset) this.#expect('rset', timeouts.rsetMs, this.#tookReset)
    if (pipelining) {
      this.#send([reset ? RSET : '', prepared.mail, ...prepared.rcpt, this.#chunking ? '' : DATA].join(''))
      this.#expect('mail', timeouts.mailMs, this.#tookMail)
      for (const _ of prepared.rcpt) this.#expect('rcpt', timeouts.rcptMs, this.#tookRcpt)
      if (!this.#chunking) this.#expect('data', timeouts.dataMs, this.#tookData)
    } else if (reset) this.#send(RSET)
    else this.#sendMail()
  }

  #useDots(): void {
    this.#chunking = false
    this.#content = contentOf(this.#options.transaction.content, 'dot')
  }

  /** The session is over: recipients without an answer stay unsettled. */
  broken(problem: SessionProblem): void {
    if (this.#state === 'over') return
    const { transaction } = this.#options
    const asked = this.#state === 'final-dot' || this.#state === 'content'
    const phase = asked ? this.#phaseOfContent : openPhase(this.#answers, transaction.recipients.length)
    const afterFinalDot = this.awaitsFinalReply
    const recipients = recipientResults(transaction.recipients, this.#answers)
    this.#state = 'over'
    this.#endOfChunk(false)
    if (recipients.every(({ kind }) => kind !== 'unsettled')) this.#options.resolve({ kind: 'answered', recipients })
    else this.#options.resolve({ kind: 'broken', recipients, failure: { problem, phase, afterFinalDot } })
  }

  #send(commands: string): void {
    this.#wire.write(Buffer.from(commands))
  }

  #expect(phase: SmtpPhase, timeoutMs: number, take: (reply: SmtpReply) => void): Expectation {
    const expectation = { phase, timeoutMs, take, lost: this.#lost }
    this.#wire.expect(expectation)
    return expectation
  }

  readonly #tookReset = (reply: SmtpReply): void => {
    if (reply.code === 421) return
    if (!isPositive(reply)) this.#violation('rset', 'RSET refused')
    else if (!this.#options.pipelining) this.#sendMail()
  }

  #sendMail(): void {
    const { prepared, timeouts } = this.#options
    this.#send(prepared.mail)
    this.#expect('mail', timeouts.mailMs, this.#tookMail)
  }

  readonly #tookMail = (reply: SmtpReply): void => {
    this.#answers.mail = reply
    if (isIntermediate(reply)) this.#violation('mail', `unexpected ${reply.code} to MAIL`)
    else if (this.#options.pipelining || reply.code === 421) return
    else if (isRefusal(reply)) this.#over()
    else this.#sendRcpt()
  }

  #sendRcpt(): void {
    const { prepared, timeouts } = this.#options
    this.#send(prepared.rcpt[this.#answers.rcpt.length] ?? '')
    this.#expect('rcpt', timeouts.rcptMs, this.#tookRcpt)
  }

  readonly #tookRcpt = (reply: SmtpReply): void => {
    const { rcpt } = this.#answers
    const tooMany = saysTooManyRecipients(reply, this.#accepted)
    rcpt.push(reply)
    if (isPositive(reply)) this.#accepted += 1
    const all = rcpt.length === this.#options.prepared.rcpt.length
    if (isIntermediate(reply)) this.#violation('rcpt', `unexpected ${reply.code} to RCPT`)
    else if (reply.code === 421) return
    else if (this.#options.pipelining) {
      if (this.#chunking && all) this.#beginChunks()
    } else if (!all && !tooMany) this.#sendRcpt()
    else if (this.#accepted === 0) this.#over()
    else if (this.#chunking) this.#beginChunks()
    else {
      this.#send(DATA)
      this.#expect('data', this.#options.timeouts.dataMs, this.#tookData)
    }
  }

  readonly #tookData = (reply: SmtpReply): void => {
    this.#answers.data = reply
    if (reply.code === 421) return
    const next = afterData(this.#answers)
    switch (next) {
      case 'content':
        this.#sendContent()
        return
      case 'lone-dot':
        this.#wire.write(FINAL_DOT)
        this.#dotSent(this.#expect('final-dot', this.#options.timeouts.finalDotMs, this.#tookFinal))
        return
      case 'refused':
        this.#over()
        return
      case 'violation':
        this.#violation('data', `unexpected ${reply.code} to DATA`)
        return
      default:
        assertNever(next)
    }
  }

  #sendContent(): void {
    const { timeouts, transaction } = this.#options
    this.#state = 'content'
    this.#hasContent = true
    const expectation = this.#expect('content', timeouts.dataBlockMs, this.#tookFinal)
    sendContent(this.#content, this.#wire, {
      mayEnd: transaction.beforeFinalDot,
      open: () => this.#state === 'content',
      progress: () => this.#wire.refresh(),
      dotWritten: () => this.#dotSent(expectation),
      abandon: (problem) => this.#abandon(problem),
    })
  }

  /** Nobody is asked whether the content may come: it comes when somebody has been accepted (RFC 3030 §2). */
  #beginChunks(): void {
    if (this.#accepted === 0) this.#over()
    // Recipients accepted without a sender: nothing safe can follow.
    else if (!isPositive(this.#answers.mail)) this.#violation('rcpt', 'recipients accepted without a sender')
    else this.#sendChunks()
  }

  #sendChunks(): void {
    const { transaction, timeouts } = this.#options
    this.#state = 'content'
    this.#hasContent = true
    let expectation: Expectation | undefined
    void sendChunks(this.#content, this.#wire, {
      mayEnd: transaction.beforeFinalDot,
      open: () => this.#state === 'content',
      progress: () => this.#wire.refresh(),
      begun: () => {
        this.#chunkWritten = false
        expectation = this.#expect('content', timeouts.dataBlockMs, this.#tookChunk)
      },
      written: () => {
        this.#chunkWritten = true
      },
      taken: () => new Promise((resolve) => (this.#chunkTaken = resolve)),
      dotWritten: () => expectation && this.#dotSent(expectation),
      abandon: (problem) => this.#abandon(problem),
    })
  }

  readonly #tookChunk = (reply: SmtpReply): void => {
    const last = this.#state === 'final-dot'
    // To the last chunk it is an answer all the same.
    if (reply.code === 421 && !last) return
    if (!this.#chunkWritten) this.#answeredEarly(reply)
    else if (NOT_IMPLEMENTED.has(reply.code) && this.#turn.chunking === 'untried') this.#withoutChunks()
    else if (isIntermediate(reply)) this.#violation(this.#phaseOfContent, `unexpected ${reply.code} to BDAT`)
    else {
      if (isPositive(reply)) this.#turn.tookChunk(true)
      if (last) this.#answers.finalDot = reply
      else if (isRefusal(reply)) this.#answers.content = reply
      if (last || isRefusal(reply)) this.#over()
      this.#endOfChunk(isPositive(reply))
    }
  }

  #endOfChunk(taken: boolean): void {
    const resolve = this.#chunkTaken
    this.#chunkTaken = undefined
    resolve?.(taken)
  }

  /** What is offered and then unknown says nothing about the message: once more, with DATA. */
  #withoutChunks(): void {
    this.#state = 'waiting'
    this.#endOfChunk(false)
    this.#turn.tookChunk(false)
    this.#hasContent = false
    this.#accepted = 0
    this.#answers = { rcpt: [] }
    this.start(true)
  }

  #abandon(problem: SessionProblem): void {
    this.broken(problem)
    // The others on this connection have done nothing wrong.
    this.#wire.destroy({ kind: 'stopped' })
  }

  get #phaseOfContent(): SmtpPhase {
    return this.#state === 'final-dot' ? 'final-dot' : 'content'
  }

  #dotSent(expectation: Expectation): void {
    this.#state = 'final-dot'
    expectation.phase = 'final-dot'
    expectation.timeoutMs = this.#options.timeouts.finalDotMs
    this.#wire.refresh()
    this.#turn.dotSent(this.#chunking)
  }

  readonly #tookFinal = (reply: SmtpReply): void => {
    if (this.#state !== 'final-dot') this.#answeredEarly(reply)
    else if (isIntermediate(reply)) this.#violation('final-dot', `unexpected ${reply.code} to the final dot`)
    else {
      this.#answers.finalDot = reply
      this.#over()
    }
  }

  /** An answer before the question: a refusal is a fact all the same, but there is no way on from here. */
  #answeredEarly(reply: SmtpReply): void {
    if (reply.code === 421) return
    if (isRefusal(reply)) this.#answers.content = reply
    const problem = {
      kind: 'protocol-violation',
      phase: 'content',
      detail: `${reply.code} before the final dot`,
    } as const
    this.broken(problem)
    this.#wire.destroy(problem)
  }

  #violation(phase: SmtpPhase, detail: string): void {
    this.#wire.fail({ kind: 'protocol-violation', phase, detail })
  }

  #over(): void {
    const { transaction, resolve } = this.#options
    this.#state = 'over'
    resolve({ kind: 'answered', recipients: recipientResults(transaction.recipients, this.#answers) })
    // RFC 3030 §2: a chunk that failed leaves the transaction in a state that only RSET ends.
    const failed = this.#chunking && this.#hasContent && !isPositive(this.#answers.finalDot)
    this.#turn.over(failed || leavesTransactionOpen(this.#answers))
  }
}
