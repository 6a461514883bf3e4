/**
 * AUTH on the wire (RFC 4954 §4): the command, the responses that the peer asks for, and the answer.
 * Its lines are in `sasl.ts`; a refusal leaves the connection open.
 */

import type { Concealed, Credentials, LoginProblem, TokenProblem } from './auth.ts'
import type { Capabilities } from './capabilities.ts'
import type { SmtpReply } from './reply.ts'
import { authCommand, type Exchange, exchangeOf, mechanismFor, withoutSecret } from './sasl.ts'
import type { SessionProblem } from './session-problem.ts'
import type { Wire } from './wire.ts'

export type LoginOutcome =
  | { readonly kind: 'accepted' }
  | LoginProblem
  /** The connection is over. */
  | { readonly kind: 'failed'; readonly problem: SessionProblem }

interface LoginContext {
  /** Of the EHLO inside TLS (TLS-24). */
  readonly capabilities: Pick<Capabilities, 'authMechanisms'>
  readonly timeoutMs: number
  /** The name that was proven. */
  readonly host: string
  readonly port: number
}

/** A token that was kept may have been revoked meanwhile: then another one is shown, once. */
export async function logIn(wire: Wire, credentials: Credentials, context: LoginContext): Promise<LoginOutcome> {
  const outcome = await logInOnce(wire, credentials, context)
  return outcome.kind === 'refused' && outcome.stale === true ? logInOnce(wire, credentials, context) : outcome
}

async function logInOnce(
  wire: Wire,
  credentials: Credentials,
  { capabilities, timeoutMs, host, port }: LoginContext,
): Promise<LoginOutcome> {
  const offered = capabilities.authMechanisms
  const mechanism = mechanismFor(credentials, offered)
  if (mechanism === undefined) return { kind: 'not-offered', offered }
  const shown = await secretOf(credentials)
  if (shown.kind !== 'secret') return shown
  const secret = shown.secret.reveal()
  const exchange = exchangeOf(mechanism, { username: credentials.username, secret, host, port })
  wire.rewordReplies((reply) => withoutSecret(reply, exchange, secret))
  const outcome = await converse(wire, exchange, timeoutMs)
  if (outcome.kind !== 'refused' || !('tokens' in credentials)) return outcome
  credentials.tokens.refused(shown.secret)
  return shown.isNew || outcome.reply.code < 500 ? outcome : { ...outcome, stale: true }
}

type Shown = { readonly kind: 'secret'; readonly secret: Concealed; readonly isNew: boolean } | TokenProblem

async function secretOf(credentials: Credentials): Promise<Shown> {
  if ('password' in credentials) return { kind: 'secret', secret: credentials.password, isNew: true }
  const answer = await credentials.tokens.token()
  return answer.kind === 'token' ? { kind: 'secret', secret: answer.token, isNew: answer.isNew } : answer
}

async function converse(wire: Wire, exchange: Exchange, timeoutMs: number): Promise<LoginOutcome> {
  const { line, left } = authCommand(exchange)
  // The last one answers a challenge that tells of an error (RFC 7628 §3.2.3): 535 follows it.
  const next = [...left, ...(exchange.afterError === undefined ? [] : [exchange.afterError])]
  let answer = await wire.command(line, 'auth', timeoutMs)
  for (const response of next) {
    if (!answer.ok || answer.value.code !== 334) break
    answer = await wire.command(`${response}\r\n`, 'auth', timeoutMs)
  }
  if (!answer.ok) return { kind: 'failed', problem: answer.error }
  return meaningOf(answer.value, wire)
}

function meaningOf(reply: SmtpReply, wire: Wire): LoginOutcome {
  if (reply.code === 235) return { kind: 'accepted' }
  if (reply.code === 421) return { kind: 'failed', problem: { kind: 'reply', phase: 'auth', reply } }
  if (reply.code >= 400) return { kind: 'refused', reply }
  const detail = `unexpected ${reply.code} to AUTH`
  const problem: SessionProblem = { kind: 'protocol-violation', phase: 'auth', detail }
  wire.fail(problem)
  return { kind: 'failed', problem }
}
