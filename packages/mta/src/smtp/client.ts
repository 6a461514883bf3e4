/**
 * Our outbound SMTP client (RFC 5321 §3, RFC 3207, RFC 2920): one connection from its greeting to its QUIT.
 *
 * It says what happened, never what to do about it: whether TLS is good enough, which host is next and when to
 * try again is decided by the caller. After `startTls` nothing is sent until the caller says so.
 */
import type { PeerFacts, Result } from '@hermetic/policy'
import type { Capabilities } from './capabilities.ts'
import type { SmtpReply } from './reply.ts'
import type { SessionProblem } from './session-problem.ts'
import type { SmtpTimeouts } from './timeouts.ts'
import type { Transaction, TransactionResult } from './transaction.ts'

export interface ConnectOptions {
  /** An IP address: names are resolved and judged before. */
  readonly address: string
  readonly port: number
  readonly localAddress?: string
  readonly timeouts: SmtpTimeouts
  /**
   * For the whole life of the connection: transactions that have not sent their final dot end at once, one that
   * has is waited for (`destroy` ends that too).
   */
  readonly signal?: AbortSignal
}

export interface StartTlsOptions {
  /** SNI; none when absent. */
  readonly servername?: string
  readonly ca?: readonly string[]
  readonly groups: 'default' | 'classic'
}

export type StartTlsOutcome =
  /** Everything learnt before is forgotten; judge the facts, then `ehlo` or `quit`. */
  | { readonly kind: 'secured'; readonly facts: PeerFacts }
  /** 4yz or 5yz to STARTTLS: the session lives on in clear. */
  | { readonly kind: 'declined'; readonly reply: SmtpReply }
  /** The connection is gone. */
  | { readonly kind: 'failed'; readonly problem: SessionProblem }

export declare class SmtpConnection {
  /** Connects and waits for a positive greeting. A refusing peer gets its QUIT before this answers. */
  static connect(options: ConnectOptions): Promise<Result<SmtpConnection, SessionProblem>>
  readonly address: string
  readonly port: number
  readonly greeting: SmtpReply
  /** Facts of the TLS channel, once there is one. */
  readonly peerFacts: PeerFacts | undefined
  /** Of the EHLO in force. */
  readonly capabilities: Capabilities | undefined
  /** Not ended, not ending. A 421, a close or an unsolicited reply while idle makes it false. */
  readonly usable: boolean
  /** No transaction is running or waiting. */
  readonly idle: boolean
  /** Transactions begun so far. */
  readonly transactions: number
  /** Resolves when the connection is over, with the reason unless it was `quit`. */
  readonly ended: Promise<SessionProblem | undefined>
  /** Name: our FQDN in A-labels or address literal. A 5yz to EHLO is followed by HELO unless forbidden (RFC 5321 §3.2). */
  ehlo(name: string, options?: { readonly allowHelo?: boolean }): Promise<Result<Capabilities, SessionProblem>>
  startTls(options: StartTlsOptions): Promise<StartTlsOutcome>
  /**
   * Never rejects. Calls may overlap and are answered in order; with PIPELINING a second call in flight lets its
   * MAIL leave with the first one's final dot, more than two in flight gain nothing.
   */
  transact(transaction: Transaction): Promise<TransactionResult>
  /** QUIT, a short wait for its reply, close. Call when idle; running transactions are ended as `stopped`. */
  quit(): Promise<void>
  /** Closes at once; a transaction after its final dot ends as `broken` with `afterFinalDot`. */
  destroy(): void
}
