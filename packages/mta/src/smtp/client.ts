/**
 * Our outbound SMTP client (RFC 5321 §3, RFC 3207, RFC 8314 §3.3, RFC 4954, RFC 2920): one connection from its greeting to its QUIT.
 *
 * It says what happened, never what to do about it: whether TLS is good enough, which host is next and when to
 * try again is decided by the caller. After `startTls` nothing is sent until the caller says so.
 */
import { isIP, type Socket } from 'node:net'
import {
  type DomainName,
  err,
  invariant,
  ok,
  type PeerFacts,
  type Result,
  type TlsGroups,
  upgradeToTls,
} from '@hermetic/policy'
import type { Credentials } from './auth.ts'
import { type Capabilities, HELO_CAPABILITIES, parseCapabilities } from './capabilities.ts'
import { helloCommand } from './command.ts'
import { type LoginOutcome, logIn } from './login.ts'
import { openSocket } from './open-socket.ts'
import { Pipeline } from './pipeline.ts'
import { replyClass, type SmtpReply } from './reply.ts'
import type { SessionProblem } from './session-problem.ts'
import type { SmtpTimeouts } from './timeouts.ts'
import type { Transaction, TransactionResult } from './transaction.ts'
import { Wire } from './wire.ts'

export interface ConnectOptions {
  /** An IP address: names are resolved and judged before. */
  readonly address: string
  readonly port: number
  readonly localAddress?: string | undefined
  /** Already connected to that address (`dial.ts`); it is this connection's from now on. */
  readonly socket?: Socket | undefined
  readonly timeouts: SmtpTimeouts
  /** BDAT where the peer offers it (RFC 3030); true by default. */
  readonly chunking?: boolean | undefined
  /** TLS from the first octet (RFC 8314 §3.3); judge `peerFacts` before the first command. */
  readonly tls?: TlsOptions | undefined
  /**
   * For the whole life of the connection: transactions that have not sent their final dot end at once, one that
   * has is waited for (`destroy` ends that too).
   */
  readonly signal?: AbortSignal | undefined
}

export interface TlsOptions {
  /** SNI; none when the host is known by address only. */
  readonly servername?: DomainName | undefined
  /** The name the certificate is compared with, when that is not the one in SNI. */
  readonly certificateName?: DomainName | undefined
  /** PEM roots beside Node's; the same array each time (it is parsed once). */
  readonly ca?: readonly string[] | undefined
  readonly groups: TlsGroups
}

export type StartTlsOutcome =
  /** Everything learnt before is forgotten; judge the facts, then `ehlo` or `quit`. */
  | { readonly kind: 'secured'; readonly facts: PeerFacts }
  /** 4yz or 5yz to STARTTLS: the session lives on in clear (TLS-09). */
  | { readonly kind: 'declined'; readonly reply: SmtpReply }
  /** The connection is gone; a new one may be tried (TLS-08). */
  | { readonly kind: 'failed'; readonly problem: SessionProblem }

export class SmtpConnection {
  readonly address: string
  readonly port: number
  /** Of our side. */
  readonly localAddress: string | undefined
  /** Resolves when the connection is over, with the reason unless it was `quit`. */
  readonly ended: Promise<SessionProblem | undefined>
  readonly #timeouts: SmtpTimeouts
  readonly #chunking: boolean
  readonly #signal: AbortSignal | undefined
  readonly #resolveEnded: (problem: SessionProblem | undefined) => void
  #wire: Wire
  #state: 'open' | 'securing' | 'quitting' | 'over' = 'open'
  #problem: SessionProblem | undefined
  #greeting: SmtpReply | undefined
  #facts: PeerFacts | undefined
  #capabilities: Capabilities | undefined
  #pipeline: Pipeline | undefined
  #transactionsBefore = 0
  readonly #onAbort = (): void => this.#stop()

  /** Connects and waits for a positive greeting. A refusing peer gets its QUIT before this answers. */
  static async connect(options: ConnectOptions): Promise<Result<SmtpConnection, SessionProblem>> {
    invariant(isIP(options.address) !== 0, 'an IP address to connect to')
    const socket = options.socket === undefined ? await openSocket(options) : ok(options.socket)
    if (!socket.ok) return socket
    const secured = await implicitTls(socket.value, options)
    if (!secured.ok) return secured
    const connection = new SmtpConnection(secured.value, options)
    const problem = await connection.#greet()
    return problem === undefined ? ok(connection) : err(problem)
  }

  /** Use `connect`. */
  private constructor(
    { socket, facts }: { readonly socket: Socket; readonly facts?: PeerFacts },
    { address, port, timeouts, chunking = true, signal }: ConnectOptions,
  ) {
    this.address = address
    this.port = port
    this.localAddress = socket.localAddress
    this.#timeouts = timeouts
    this.#chunking = chunking
    this.#signal = signal
    this.#facts = facts
    const { promise, resolve } = Promise.withResolvers<SessionProblem | undefined>()
    this.ended = promise
    this.#resolveEnded = resolve
    this.#wire = new Wire(socket, (problem) => this.#over(problem))
    if (signal?.aborted) this.#stop()
    else signal?.addEventListener('abort', this.#onAbort)
  }

  get greeting(): SmtpReply {
    invariant(this.#greeting !== undefined, 'a connection is handed out after its greeting')
    return this.#greeting
  }

  /** Facts of the TLS channel, once there is one. */
  get peerFacts(): PeerFacts | undefined {
    return this.#facts
  }

  /** Of the EHLO in force. */
  get capabilities(): Capabilities | undefined {
    return this.#capabilities
  }

  /** Not ended, not ending. A 421, a close or an unsolicited reply while idle makes it false. */
  get usable(): boolean {
    return this.#state === 'open' && this.#signal?.aborted !== true
  }

  /** No transaction is running or waiting. */
  get idle(): boolean {
    return this.#pipeline?.idle ?? true
  }

  /** Transactions begun so far. */
  get transactions(): number {
    return this.#transactionsBefore + (this.#pipeline?.transactions ?? 0)
  }

  /**
   * `name`: our FQDN in A-labels or an address literal. A 5yz to EHLO is followed by HELO unless forbidden (RFC 5321
   * §3.2). A refusal leaves the connection open: `quit` it.
   */
  async ehlo(name: string, { allowHelo = true } = {}): Promise<Result<Capabilities, SessionProblem>> {
    invariant(this.idle, 'no EHLO inside a transaction')
    const answer = await this.#hello('EHLO', name)
    if (!answer.ok) return answer
    if (replyClass(answer.value) === 'positive') return ok(this.#adopt(parseCapabilities(answer.value)))
    if (replyClass(answer.value) !== 'permanent' || !allowHelo) return this.#refusedHello(answer.value)
    const older = await this.#hello('HELO', name)
    if (!older.ok) return older
    if (replyClass(older.value) === 'positive') return ok(this.#adopt(HELO_CAPABILITIES))
    return this.#refusedHello(older.value)
  }

  async startTls(options: TlsOptions): Promise<StartTlsOutcome> {
    invariant(this.#facts === undefined && this.idle, 'STARTTLS once, and outside of transactions (RFC 3207 §4.2)')
    const answer = await this.#wire.startTls(this.#timeouts.startTlsMs)
    if (!answer.ok) return { kind: 'failed', problem: answer.error }
    const reply = answer.value
    if (reply.code === 421) return { kind: 'failed', problem: { kind: 'reply', phase: 'starttls', reply } }
    if (reply.code >= 400) return { kind: 'declined', reply }
    const injected = this.#wire.unreadBytes || !this.#wire.alive
    if (reply.code !== 220 || injected) {
      // RFC 3207 §6, TLS-04: bytes behind the 220 would be taken for an answer given inside TLS.
      const detail = injected ? 'bytes behind the reply to STARTTLS' : `unexpected ${reply.code} to STARTTLS`
      const problem: SessionProblem = { kind: 'protocol-violation', phase: 'starttls', detail }
      this.#wire.destroy(problem)
      return { kind: 'failed', problem }
    }
    return this.#handshake(options)
  }

  /** Shows the credentials to this peer: only inside TLS, after EHLO, once the peer is proven (RFC 4954 §14). */
  async logIn(credentials: Credentials, peer: { readonly host: string; readonly port: number }): Promise<LoginOutcome> {
    invariant(this.#facts !== undefined && this.#capabilities !== undefined && this.idle, 'AUTH inside TLS, after EHLO')
    const timeoutMs = this.#timeouts.ehloMs
    const outcome = await logIn(this.#wire, credentials, { ...peer, capabilities: this.#capabilities, timeoutMs })
    if (outcome.kind === 'accepted' && this.#pipeline !== undefined) this.#pipeline.authenticated = true
    return outcome
  }

  /**
   * Resolves with what the peer answered, whatever happens; rejects only for an envelope that cannot be, e.g. with a
   * line end in an address. Calls may overlap and are answered in order: with PIPELINING a second one in flight lets
   * its MAIL leave with the first one's final dot, more than two in flight gain nothing.
   */
  transact(transaction: Transaction): Promise<TransactionResult> {
    invariant(transaction.recipients.length > 0, 'a transaction with recipients')
    if (!this.usable) {
      const recipients = transaction.recipients.map(({ index }) => ({ kind: 'unsettled', index }) as const)
      const problem = this.#problem ?? { kind: 'stopped' }
      return Promise.resolve({ kind: 'broken', recipients, failure: { problem, phase: 'mail', afterFinalDot: false } })
    }
    invariant(this.#pipeline !== undefined, 'EHLO before MAIL')
    return this.#pipeline.submit(transaction)
  }

  /** QUIT, a short wait for its reply, close. Call when idle; running transactions are ended as `stopped`. */
  async quit(): Promise<void> {
    // Inside a handshake there is no QUIT to be said.
    if (this.#state === 'securing') this.destroy()
    if (this.#state !== 'open') return
    if (!this.idle) {
      this.#wire.fail({ kind: 'stopped' })
      return
    }
    this.#state = 'quitting'
    await this.#wire.quit(this.#timeouts.quitMs)
  }

  /** Closes at once; a transaction after its final dot ends as `broken` with `afterFinalDot`. */
  destroy(): void {
    this.#wire.destroy({ kind: 'stopped' })
  }

  /** Nothing is sent before the greeting is whole (SMTP-01); a peer that refuses hears QUIT (RFC 5321 §3.1). */
  async #greet(): Promise<SessionProblem | undefined> {
    const answer = await this.#wire.reply('greeting', this.#timeouts.greetingMs)
    if (!answer.ok) return answer.error
    const reply = answer.value
    this.#greeting = reply
    if (replyClass(reply) === 'positive') return undefined
    const problem: SessionProblem =
      reply.code >= 400
        ? { kind: 'reply', phase: 'greeting', reply }
        : { kind: 'protocol-violation', phase: 'greeting', detail: `${reply.code} as greeting` }
    this.#wire.fail(problem)
    return problem
  }

  #hello(verb: 'EHLO' | 'HELO', name: string): Promise<Result<SmtpReply, SessionProblem>> {
    return this.#wire.command(helloCommand(verb, name), 'ehlo', this.#timeouts.ehloMs)
  }

  #refusedHello(reply: SmtpReply): Result<never, SessionProblem> {
    if (reply.code >= 400) return err({ kind: 'reply', phase: 'ehlo', reply })
    const problem: SessionProblem = { kind: 'protocol-violation', phase: 'ehlo', detail: `unexpected ${reply.code}` }
    this.#wire.fail(problem)
    return err(problem)
  }

  /** Only the last EHLO counts; inside TLS a STARTTLS that is offered again means nothing (TLS-06). */
  #adopt(offered: Capabilities): Capabilities {
    const capabilities = this.#facts === undefined ? offered : { ...offered, startTls: false }
    this.#transactionsBefore = this.transactions
    this.#capabilities = capabilities
    this.#wire.readEnhancedStatus(capabilities.enhancedStatusCodes)
    this.#pipeline = new Pipeline(this.#wire, capabilities, { timeouts: this.#timeouts, chunking: this.#chunking })
    return capabilities
  }

  async #handshake(options: TlsOptions): Promise<StartTlsOutcome> {
    this.#state = 'securing'
    this.#capabilities = undefined
    this.#pipeline = undefined
    const upgraded = await upgradeToTls({
      ...options,
      socket: this.#wire.detach(),
      timeoutMs: this.#timeouts.tlsHandshakeMs,
      signal: this.#signal,
    })
    if (!upgraded.ok) {
      const problem: SessionProblem = { kind: 'tls', failure: upgraded.error }
      this.#over(problem)
      return { kind: 'failed', problem }
    }
    this.#state = 'open'
    this.#facts = upgraded.value.facts
    this.#wire = new Wire(upgraded.value.socket, (problem) => this.#over(problem))
    return { kind: 'secured', facts: upgraded.value.facts }
  }

  #stop(): void {
    // A handshake has the signal itself.
    if (this.#state === 'securing') return
    if (this.#pipeline === undefined) this.#wire.fail({ kind: 'stopped' })
    else this.#pipeline.stop()
  }

  #over(problem: SessionProblem | undefined): void {
    // A peer that does not answer QUIT, or closes instead, has ended nothing that was still needed.
    const reason = this.#state === 'quitting' ? undefined : problem
    this.#state = 'over'
    this.#problem = reason
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#pipeline?.broken(problem ?? { kind: 'stopped' })
    this.#resolveEnded(reason)
  }
}

async function implicitTls(
  socket: Socket,
  { tls, timeouts, signal }: ConnectOptions,
): Promise<Result<{ readonly socket: Socket; readonly facts?: PeerFacts }, SessionProblem>> {
  if (tls === undefined) return ok({ socket })
  const upgraded = await upgradeToTls({ ...tls, socket, timeoutMs: timeouts.tlsHandshakeMs, signal })
  return upgraded.ok ? upgraded : err({ kind: 'tls', failure: upgraded.error })
}
