/**
 * AUTH on the wire (RFC 4954 §4): the command, the response when the peer has to ask for it, and the answer.
 * Its lines are in `auth.ts`; a refusal leaves the connection open.
 */

import { authCommand, type Credentials, type LoginProblem, plainResponse, withoutCredentials } from './auth.ts'
import type { Capabilities } from './capabilities.ts'
import type { SmtpReply } from './reply.ts'
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
}

export async function logIn(
  wire: Wire,
  credentials: Credentials,
  { capabilities, timeoutMs }: LoginContext,
): Promise<LoginOutcome> {
  const offered = capabilities.authMechanisms
  if (!offered.includes('PLAIN')) return { kind: 'not-offered', offered }
  const response = plainResponse(credentials)
  const { line, complete } = authCommand(response)
  wire.rewordReplies((reply) => withoutCredentials(reply, credentials))
  let answer = await wire.command(line, 'auth', timeoutMs)
  if (!complete && answer.ok && answer.value.code === 334) {
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
