/**
 * One mail transaction as the client takes it and what came of it (RFC 5321 §3.3), as values. Pure.
 *
 * The result says for each recipient what the peer answered; what that means for the queue is decided in
 * `delivery/`. Which replies make which result is in `transaction-state.ts`.
 */
import type { Content } from '../spool/spool.ts'
import type { Envelope, Recipient } from './envelope.ts'
import type { SmtpPhase } from './phase.ts'
import type { SmtpReply } from './reply.ts'
import type { SessionProblem } from './session-problem.ts'

export interface Transaction {
  readonly envelope: TransactionEnvelope
  /** At least one. */
  readonly recipients: readonly Recipient[]
  readonly content: Content
  /**
   * Asked before the final dot may leave: is the message still ours to send? False aborts the connection
   * without the dot. Small content is written only after the answer, so that the dot leaves with it.
   */
  readonly beforeFinalDot?: () => boolean | Promise<boolean>
}

export interface TransactionEnvelope extends Pick<Envelope, 'reversePath' | 'body' | 'smtpUtf8' | 'dsn'> {
  /** RFC 8689 §2: the parameter is part of MAIL, and a peer that does not offer it gets nothing. */
  readonly requireTls: boolean
  /** RFC 6710 §3; absent: 0. */
  readonly priority?: number
}

export type TransactionResult =
  /** Every recipient has the peer's answer. */
  | { readonly kind: 'answered'; readonly recipients: readonly RecipientResult[] }
  /** The session ended first: recipients without an answer are `unsettled`. */
  | { readonly kind: 'broken'; readonly recipients: readonly RecipientResult[]; readonly failure: TransactionFailure }
  /** Nothing was sent, the session is untouched: this peer cannot take this message (extensions, size). */
  | { readonly kind: 'not-sent'; readonly because: NotSentReason }

export type RecipientResult =
  /** `reply` is the answer to the final dot (RFC 5321 §4.2.5). */
  | { readonly kind: 'accepted'; readonly index: number; readonly reply: SmtpReply }
  | { readonly kind: 'refused'; readonly index: number; readonly phase: RefusalPhase; readonly reply: SmtpReply }
  /** 452 or 552 after another recipient was accepted: belongs in a further transaction now (RFC 5321 §4.5.3.1.10). */
  | { readonly kind: 'too-many-recipients'; readonly index: number; readonly reply: SmtpReply }
  | { readonly kind: 'unsettled'; readonly index: number }

/** `content`: the peer refused before the final dot had left; the message was not accepted. */
export type RefusalPhase = 'mail' | 'rcpt' | 'data' | 'content' | 'final-dot'

export interface TransactionFailure {
  readonly problem: SessionProblem
  /** The first step of this transaction without an answer; `mail` means that the peer has answered nothing of it. */
  readonly phase: SmtpPhase
  /** The dot was on its way: the peer may have the message (RFC 5321 §3.8, §4.5.3.2.6). */
  readonly afterFinalDot: boolean
}

export type NotSentReason =
  | { readonly kind: 'extension-missing'; readonly extension: '8BITMIME' | 'SMTPUTF8' | 'REQUIRETLS' }
  /** RFC 1870 §6.1: the peer's SIZE limit. */
  | { readonly kind: 'too-large'; readonly size: number; readonly limit: number }
  /** Bare CR, bare LF: such content must not leave (RFC 5321 §2.3.8). */
  | { readonly kind: 'content-unreadable'; readonly detail: string }
