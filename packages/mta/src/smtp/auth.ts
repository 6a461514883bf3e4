/**
 * Logging in to a smarthost: AUTH PLAIN (RFC 4954 §4, RFC 4616) as lines, and what its answers mean. Pure.
 *
 * Whether credentials may be shown to this peer at all is decided before, by the verdict on its TLS channel (RFC 4954
 * §14). What a peer says, then or later, is kept without any form of the password in it: some repeat what they got.
 */
import { formatReply, type SmtpReply } from './reply.ts'

export interface Credentials {
  readonly username: string
  readonly password: Concealed
}

/** Printing it shows nothing; reading it takes a call that is easy to find. */
export interface Concealed {
  reveal(): string
}

export type LoginProblem =
  /** AUTH PLAIN is not among what the EHLO inside TLS offered. */
  | { readonly kind: 'not-offered'; readonly offered: readonly string[] }
  /** 4yz or 5yz. */
  | { readonly kind: 'refused'; readonly reply: SmtpReply }

/** RFC 5321 §4.5.3.1.4: octets of a command line; RFC 4954 §4 does not extend it for an initial response. */
const COMMAND_LINE_MAX = 512
const CONCEALED = '[redacted]'

/** RFC 4616 §2: no authorization identity; NUL cannot be in either part (RFC 4616 §2, checked in the configuration). */
export function plainResponse({ username, password }: Credentials): string {
  return Buffer.from(`\0${username}\0${password.reveal()}`).toString('base64')
}

/** With the initial response when the line is not too long for it; else the peer asks for it with 334. */
export function authCommand(response: string): { readonly line: string; readonly complete: boolean } {
  const line = `AUTH PLAIN ${response}\r\n`
  return line.length <= COMMAND_LINE_MAX ? { line, complete: true } : { line: 'AUTH PLAIN\r\n', complete: false }
}

/** The reply as it may be shown: in the log, in the history, in notifications to senders. */
export function withoutCredentials(reply: SmtpReply, credentials: Credentials): SmtpReply {
  const password = credentials.password.reveal()
  const forms = [plainResponse(credentials), Buffer.from(password).toString('base64'), password]
  // A form may be broken over lines, so none of them is shown.
  const said = reply.lines.join('')
  if (!forms.some((form) => said.includes(form))) return reply
  return { ...reply, lines: reply.lines.map(() => CONCEALED) }
}

/** What the peer said about the login, in one line. */
export function saidOf(problem: LoginProblem): string {
  return problem.kind === 'refused' ? formatReply(problem.reply) : `AUTH ${problem.offered.join(' ')}`.trimEnd()
}
