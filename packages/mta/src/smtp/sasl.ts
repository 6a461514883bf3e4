/**
 * The SASL mechanisms with which we log in, as lines: PLAIN (RFC 4616), LOGIN, OAUTHBEARER (RFC 7628), XOAUTH2. Pure.
 *
 * All of them show what they have to whoever is at the other end, which is why they are used inside proven TLS only. What a
 * peer says, then or later, is kept without any form of the secret in it: some repeat what they got.
 */
import type { Credentials, PasswordMechanism, TokenMechanism } from './auth.ts'
import type { SmtpReply } from './reply.ts'

type Mechanism = PasswordMechanism | TokenMechanism

/** Whom we log in to, and with what. */
export interface Login {
  readonly username: string
  readonly secret: string
  /** As the peer knows itself (RFC 7628 §3.1). */
  readonly host: string
  readonly port: number
}

export interface Exchange {
  readonly mechanism: Mechanism
  /** In base64, in order; the first one goes with the command when it fits and the mechanism lets it. */
  readonly responses: readonly string[]
  readonly clientFirst: boolean
  /** To a challenge that tells of an error, so that the peer says 535; absent: there is no such thing. */
  readonly afterError?: string
}

/** The best that both know: among equals the one with a standard, and without a round trip more. */
const PASSWORD_MECHANISMS = ['PLAIN', 'LOGIN'] as const
const TOKEN_MECHANISMS = ['OAUTHBEARER', 'XOAUTH2'] as const

/** RFC 5321 §4.5.3.1.4: octets of a command line; RFC 4954 §4 does not extend it for an initial response. */
const COMMAND_LINE_MAX = 512
const CONCEALED = '[redacted]'

export function mechanismFor(credentials: Credentials, offered: readonly string[]): Mechanism | undefined {
  const { mechanism } = credentials
  const known: readonly Mechanism[] = 'password' in credentials ? PASSWORD_MECHANISMS : TOKEN_MECHANISMS
  return known.find((one) => offered.includes(one) && (mechanism === undefined || mechanism === one))
}

export function exchangeOf(mechanism: Mechanism, login: Login): Exchange {
  const { username, secret } = login
  switch (mechanism) {
    case 'PLAIN':
      // RFC 4616 §2: no authorization identity; NUL cannot be in either part (checked in the configuration).
      return { mechanism, responses: [base64(`\0${username}\0${secret}`)], clientFirst: true }
    case 'LOGIN':
      return { mechanism, responses: [base64(username), base64(secret)], clientFirst: false }
    case 'OAUTHBEARER':
      return { mechanism, responses: [base64(bearer(login))], clientFirst: true, afterError: base64('\u0001') }
    case 'XOAUTH2': {
      const response = base64(`user=${username}\u0001auth=Bearer ${secret}\u0001\u0001`)
      return { mechanism, responses: [response], clientFirst: true, afterError: '' }
    }
  }
}

/** RFC 7628 §3.1; the name in a GS2 header has no bare comma or equals sign (RFC 5801 §4). */
function bearer({ username, secret, host, port }: Login): string {
  const name = username.replaceAll('=', '=3D').replaceAll(',', '=2C')
  return [`n,a=${name},`, `host=${host}`, `port=${port}`, `auth=Bearer ${secret}`, '', ''].join('\u0001')
}

/** With the initial response when the line is not too long for it; else the peer asks for it with 334. */
export function authCommand({ mechanism, responses, clientFirst }: Exchange): {
  readonly line: string
  readonly left: readonly string[]
} {
  const [first = '', ...more] = responses
  const line = `AUTH ${mechanism} ${first}\r\n`
  if (clientFirst && line.length <= COMMAND_LINE_MAX) return { line, left: more }
  return { line: `AUTH ${mechanism}\r\n`, left: responses }
}

/** The reply as it may be shown: in the log, in the history, in notifications to senders. */
export function withoutSecret(reply: SmtpReply, { responses }: Exchange, secret: string): SmtpReply {
  const forms = [...responses.slice(-1), base64(secret), secret]
  // A form may be broken over lines, so none of them is shown.
  const said = reply.lines.join('')
  if (!forms.some((form) => said.includes(form))) return reply
  return { ...reply, lines: reply.lines.map(() => CONCEALED) }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
