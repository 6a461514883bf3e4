/**
 * How long each phase of a session may take (RFC 5321 §4.5.3.2; conformance SMTP-31, SMTP-32). Each is for one
 * step, never for a whole message; `dataBlockMs` starts again whenever a block of content has left. Pure.
 */

export interface SmtpTimeouts {
  readonly connectMs: number
  readonly greetingMs: number
  readonly ehloMs: number
  readonly startTlsMs: number
  readonly tlsHandshakeMs: number
  readonly mailMs: number
  readonly rcptMs: number
  readonly dataMs: number
  readonly dataBlockMs: number
  readonly finalDotMs: number
  readonly rsetMs: number
  readonly quitMs: number
}
