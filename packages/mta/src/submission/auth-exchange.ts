/**
 * The SASL mechanisms PLAIN (RFC 4616) and LOGIN, one line at a time, as RFC 4954 §4 carries them. Pure.
 * Whether the pair is right, and how often one may try, is decided in `session.ts` and `credentials.ts`.
 */
import { isUtf8 } from 'node:buffer'
import { type Reply, replies } from './replies.ts'

export type AuthState =
  | { readonly kind: 'plain' }
  | { readonly kind: 'login-username' }
  | { readonly kind: 'login-password'; readonly username: string }

export type AuthStep =
  | { readonly kind: 'challenge'; readonly text: string; readonly next: AuthState }
  | { readonly kind: 'pair'; readonly username: string; readonly secret: string }
  | { readonly kind: 'refused'; readonly reply: Reply }

export const AUTH_MECHANISMS = ['PLAIN', 'LOGIN'] as const

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
const CONTROL = /[\x00-\x1f\x7f-\x9f]/

/** `argument`: what stands behind `AUTH`. */
export function beginAuth(argument: string): AuthStep {
  const [mechanism = '', initial, ...more] = argument.trim().split(/ +/)
  if (more.length > 0) return refused(replies.authSyntax)
  const state = initialState(mechanism.toUpperCase())
  if (state === undefined) return refused(replies.authMechanism)
  if (initial === undefined) return challengeFor(state)
  // RFC 4954 §4: a single "=" is an empty initial response.
  return continueAuth(state, initial === '=' ? '' : initial)
}

export function continueAuth(state: AuthState, line: string): AuthStep {
  if (line === '*') return refused(replies.authCancelled)
  const response = decode(line)
  if (response === undefined) return refused(replies.authBase64)
  switch (state.kind) {
    case 'plain':
      return plainPair(response)
    case 'login-username':
      if (response === '' || CONTROL.test(response)) return refused(replies.authSyntax)
      return challengeFor({ kind: 'login-password', username: response })
    case 'login-password':
      return { kind: 'pair', username: state.username, secret: response }
  }
}

function initialState(mechanism: string): AuthState | undefined {
  if (mechanism === 'PLAIN') return { kind: 'plain' }
  return mechanism === 'LOGIN' ? { kind: 'login-username' } : undefined
}

function challengeFor(next: AuthState): AuthStep {
  const text = next.kind === 'plain' ? '' : next.kind === 'login-username' ? 'Username:' : 'Password:'
  return { kind: 'challenge', text, next }
}

/** RFC 4616 §2: authorization identity NUL authentication identity NUL password. */
function plainPair(message: string): AuthStep {
  const [authorizationId, username, secret, ...more] = message.split('\0')
  if (username === undefined || username === '' || secret === undefined || more.length > 0)
    return refused(replies.authSyntax)
  if (CONTROL.test(username)) return refused(replies.authSyntax)
  // Nobody may act for somebody else here.
  if (authorizationId !== '' && authorizationId !== username) return refused(replies.authInvalid)
  return { kind: 'pair', username, secret }
}

function decode(line: string): string | undefined {
  if (!BASE64.test(line)) return undefined
  const octets = Buffer.from(line, 'base64')
  return isUtf8(octets) ? octets.toString() : undefined
}

function refused(reply: Reply): AuthStep {
  return { kind: 'refused', reply }
}
