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

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS

export const DEFAULT_TIMEOUTS: SmtpTimeouts = {
  connectMs: 30 * SECOND_MS, // SMTP-32 allows 30 s to 5 min; a host that takes longer has a successor
  greetingMs: 5 * MINUTE_MS, // RFC 5321 §4.5.3.2.1
  ehloMs: 5 * MINUTE_MS, // SMTP-32; the RFC names none
  startTlsMs: 2 * MINUTE_MS, // SMTP-32
  tlsHandshakeMs: 2 * MINUTE_MS, // SMTP-32
  mailMs: 5 * MINUTE_MS, // RFC 5321 §4.5.3.2.2
  rcptMs: 5 * MINUTE_MS, // RFC 5321 §4.5.3.2.3
  dataMs: 2 * MINUTE_MS, // RFC 5321 §4.5.3.2.4
  dataBlockMs: 3 * MINUTE_MS, // RFC 5321 §4.5.3.2.5
  finalDotMs: 10 * MINUTE_MS, // RFC 5321 §4.5.3.2.6
  rsetMs: 20 * SECOND_MS, // SMTP-32
  quitMs: 5 * SECOND_MS, // SMTP-32: nothing depends on the answer any more
}
