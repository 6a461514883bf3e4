/**
 * One transaction on the wire, from MAIL to the reply to its final dot (RFC 5321 §3.3).
 *
 * With PIPELINING its commands leave as one group with DATA last (RFC 2920 §3.1), without it one at a time. What the
 * answers mean is in `transaction-answers.ts`; whose turn it is to speak, in `pipeline.ts`.
 */
import { assertNever } from '@hermetic/policy'
import { sendContent } from './content-sender.ts'
import type { SmtpPhase } from './phase.ts'
import type { PreparedTransaction } from './prepared-transaction.ts'
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
  readonly resolve: (result: TransactionResult) => void
}

/** What the exchange tells its pipeline. */
export interface Turn {
  /** The final dot is written: the next group may follow it at once. */
  dotSent(): void
  /** Every answer is there; `open` when the peer still waits for the end of this transaction. */
  over(open: boolean): void
}

type Answers = { -readonly [K in keyof TransactionAnswers]: TransactionAnswers[K] } & { rcpt: SmtpReply[] }

const FINAL_DOT = Buffer.from('.\r\n')
const RSET = 'RSET\r\n'
const DATA = 'DATA\r\n'

export class Exchange {
  readonly #options: ExchangeOptions
  readonly #wire: Wire
  readonly #turn: Turn
  readonly #answers: Answers = { rcpt: [] }
  #state: 'waiting' | 'commands' | 'content' | 'final-dot' | 'over' = 'waiting'
  #accepted = 0
  #hasContent = false
  readonly #lost = (problem: SessionProblem): void => this.broken(problem)

  constructor(options: ExchangeOptions, wire: Wire, turn: Turn) {
    this.#options = options
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
    if (reset) this.#expect('rset', timeouts.rsetMs, this.#tookReset)
    if (pipelining) {
      this.#send([reset ? RSET : '', prepared.mail, ...prepared.rcpt, DATA].join(''))
      this.#expect('mail', timeouts.mailMs, this.#tookMail)
      for (const _ of prepared.rcpt) this.#expect('rcpt', timeouts.rcptMs, this.#tookRcpt)
      this.#expect('data', timeouts.dataMs, this.#tookData)
    } else if (reset) this.#send(RSET)
    else this.#sendMail()
  }

  /** The session is over: recipients without an answer stay unsettled. */
  broken(problem: SessionProblem): void {
    if (this.#state === 'over') return
    const { transaction } = this.#options
    const phase = this.#state === 'final-dot' ? 'final-dot' : openPhase(this.#answers, transaction.recipients.length)
    const afterFinalDot = this.awaitsFinalReply
    const recipients = recipientResults(transaction.recipients, this.#answers)
    this.#state = 'over'
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
    if (isIntermediate(reply)) this.#violation('rcpt', `unexpected ${reply.code} to RCPT`)
    else if (this.#options.pipelining || reply.code === 421) return
    else if (rcpt.length < this.#options.prepared.rcpt.length && !tooMany) this.#sendRcpt()
    else if (this.#accepted === 0) this.#over()
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
    const { prepared, timeouts, transaction } = this.#options
    this.#state = 'content'
    this.#hasContent = true
    const expectation = this.#expect('content', timeouts.dataBlockMs, this.#tookFinal)
    sendContent(prepared.content, this.#wire, {
      mayEnd: transaction.beforeFinalDot,
      open: () => this.#state === 'content',
      progress: () => this.#wire.refresh(),
      dotWritten: () => this.#dotSent(expectation),
      abandon: (problem) => {
        this.broken(problem)
        // The others on this connection have done nothing wrong.
        this.#wire.destroy({ kind: 'stopped' })
      },
    })
  }

  #dotSent(expectation: Expectation): void {
    this.#state = 'final-dot'
    expectation.phase = 'final-dot'
    expectation.timeoutMs = this.#options.timeouts.finalDotMs
    this.#wire.refresh()
    this.#turn.dotSent()
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
    this.#turn.over(leavesTransactionOpen(this.#answers))
  }
}
