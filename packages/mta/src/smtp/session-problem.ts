/**
 * Why an SMTP session ended, or a step of it failed: facts only, by code and phase, never by a message text.
 * The delivery room maps them to outcomes (`delivery/outcome.ts`); members with the same `kind` have the same shape.
 */
import type { TlsFailure } from '@hermetic/policy'
import type { SmtpPhase } from './phase.ts'
import type { SmtpReply } from './reply.ts'

export type SessionProblem =
  /** `code` is the system's, e.g. ECONNREFUSED. */
  | { readonly kind: 'connect-failed'; readonly code: string }
  | { readonly kind: 'timeout'; readonly phase: SmtpPhase }
  /** `code` is the system's, or `EOF` when the peer closed its side. */
  | { readonly kind: 'connection-lost'; readonly phase: SmtpPhase; readonly code: string }
  /** The peer did not speak SMTP: malformed or unsolicited replies, too many lines, an unexpected code. */
  | { readonly kind: 'protocol-violation'; readonly phase: SmtpPhase; readonly detail: string }
  /** A refusal that concerns the session: greeting, EHLO, or 421 anywhere (RFC 5321 §3.8). */
  | { readonly kind: 'reply'; readonly phase: SmtpPhase; readonly reply: SmtpReply }
  | { readonly kind: 'tls'; readonly failure: TlsFailure }
  /** The content could not be read to its end, or is not what the envelope says; the final dot was not sent. */
  | { readonly kind: 'content-unreadable'; readonly detail: string }
  /** We ended it: the signal, `destroy()`, or `beforeFinalDot` said no. */
  | { readonly kind: 'stopped' }
