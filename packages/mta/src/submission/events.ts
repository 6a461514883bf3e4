/**
 * What the submission listeners tell the log and the metrics. Peer text in here is cut in length; addresses of
 * recipients are not told. `observability/` renders the union.
 */
import type { MessageTls } from '@hermetic/policy'
import type { SigningOutcome } from '../signing/dkim.ts'
import type { QueueId } from '../spool/queue-id.ts'
import type { FieldIgnored } from './message-tag.ts'

export type SubmissionEvent =
  | { readonly event: 'listening'; readonly listener: string; readonly address: string; readonly port: number }
  | { readonly event: 'listener-failed'; readonly listener: string; readonly code: string }
  | {
      readonly event: 'session-refused'
      readonly listener: string
      readonly address: string
      readonly reason: SessionRefusal
    }
  | { readonly event: 'session-opened'; readonly listener: string; readonly address: string }
  | {
      readonly event: 'session-ended'
      readonly listener: string
      readonly address: string
      readonly reason: SessionEnd
      readonly messages: number
      readonly durationMs: number
    }
  | {
      readonly event: 'tls-handshake-failed'
      readonly listener: string
      readonly address: string
      readonly code: string
    }
  | { readonly event: 'authenticated'; readonly listener: string; readonly address: string; readonly username: string }
  | {
      readonly event: 'auth-failed'
      readonly listener: string
      readonly address: string
      readonly username: string
      readonly reason: 'invalid' | 'busy' | 'limited'
    }
  | {
      readonly event: 'command-refused'
      readonly listener: string
      readonly address: string
      readonly username?: string
      readonly command: 'MAIL' | 'RCPT' | 'DATA'
      readonly reply: string
    }
  /** A message was answered 450 before its content. */
  | {
      readonly event: 'quota-exhausted'
      readonly listener: string
      readonly address: string
      readonly username?: string
      readonly of: 'login' | 'network'
      readonly counts: 'messages' | 'recipients'
      readonly retryAfterMs: number
    }
  | {
      readonly event: 'message-accepted'
      readonly listener: string
      readonly id: QueueId
      readonly address: string
      readonly username?: string
      readonly reversePath: string
      readonly messageId?: string
      readonly recipients: number
      readonly size: number
      readonly tls: string
      readonly messageTls: MessageTls
      /** RFC 6710; absent: 0. */
      readonly priority?: number
      readonly tag?: string
      /** There is a field `TLS-Required`, and it was not followed. */
      readonly tlsRequiredIgnored?: FieldIgnored
      /** Absent where no key is configured, and on relay listeners. */
      readonly dkim?: SigningOutcome
      /** From DATA to the answer of the spool. */
      readonly latencyMs: number
      /** The part of it that the spool's commit took. */
      readonly spoolMs: number
    }
  | {
      readonly event: 'message-refused'
      readonly listener: string
      readonly id: QueueId
      readonly address: string
      readonly username?: string
      readonly reason: string
      readonly reply: string
    }
  /** The message was answered 451: unsigned it is not taken. */
  | {
      readonly event: 'dkim-signing-failed'
      readonly listener: string
      readonly id: QueueId
      readonly address: string
      readonly detail: string
    }
  | { readonly event: 'session-error'; readonly listener: string; readonly address: string; readonly detail: string }
  /** At the start and when it is read again. */
  | { readonly event: 'certificate-shown'; readonly listener: string; readonly endsAt: number }
  /** Every day while its end is near, or behind. */
  | {
      readonly event: 'certificate-ending'
      readonly listener: string
      readonly endsAt: number
      readonly expired: boolean
    }
  | { readonly event: 'credentials-loaded'; readonly count: number }
  | { readonly event: 'credentials-unreadable'; readonly detail: string }

export type SessionRefusal =
  | 'too-many-sessions'
  | 'too-many-sessions-from-address'
  | 'early-talker'
  | 'draining'
  | 'bad-proxy-header'

export type SessionEnd =
  | 'quit'
  | 'client-closed'
  | 'idle'
  | 'slow-line'
  | 'slow-content'
  | 'slow-handshake'
  | 'too-many-bad-commands'
  | 'too-many-commands'
  | 'too-many-auth-failures'
  | 'login-withdrawn'
  | 'bare-line-feed'
  | 'bdat-not-offered'
  | 'unauthorised-pipelining'
  | 'socket-error'
  | 'shutdown'
  | 'internal-error'

const TEXT_LENGTH_MAX = 128

/** Peer text for a log line: bounded, one line. */
export function quotedPeerText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: replacing them is the point
  return text.slice(0, TEXT_LENGTH_MAX).replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, '?')
}
