/**
 * One SMTP reply (RFC 5321 §4.2): the code decides, the text is only shown. Pure.
 * Parsing of lines into replies is in `reply-parser.ts`.
 */
import type { EnhancedStatus } from './enhanced-status.ts'

export interface SmtpReply {
  /** Three digits, first 2–5 (RFC 5321 §4.2.1). */
  readonly code: number
  /** RFC 2034: only when the peer offered ENHANCEDSTATUSCODES and the class agrees with the code (EXT-17). */
  readonly enhancedStatus?: EnhancedStatus
  /** The lines without code and enhanced status; at most 512 lines and 64 KiB in all (SMTP-11). */
  readonly lines: readonly string[]
}

/** RFC 5321 §4.2.1: unknown codes are read by their first digit. */
export type ReplyClass = 'positive' | 'intermediate' | 'transient' | 'permanent'

export function replyClass(reply: SmtpReply): ReplyClass {
  switch (Math.floor(reply.code / 100)) {
    case 2:
      return 'positive'
    case 3:
      return 'intermediate'
    case 4:
      return 'transient'
    default:
      return 'permanent'
  }
}

/** The reply on one line, for logs and Diagnostic-Code fields. */
export function formatReply(reply: SmtpReply): string {
  const status = reply.enhancedStatus === undefined ? '' : `${reply.enhancedStatus} `
  return `${reply.code} ${status}${reply.lines.join(' ')}`.trimEnd()
}
