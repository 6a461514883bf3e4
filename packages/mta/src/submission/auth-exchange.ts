/**
 * The SASL mechanisms PLAIN (RFC 4616), LOGIN and SCRAM-SHA-256 (RFC 7677), one line at a time, as RFC 4954 §4 carries
 * them. Pure. Whether they prove anything, and how often one may try, is decided in `authentication.ts`.
 */
import { isUtf8 } from 'node:buffer'
import type { ScramLogin } from './credentials.ts'
import { type Reply, replies } from './replies.ts'
import { type ClientFirst, parseClientFirst, type ScramExchange } from './scram.ts'

export type AuthState =
  | { readonly kind: 'plain' }
  | { readonly kind: 'login-username' }
  | { readonly kind: 'login-password'; readonly username: string }
  | { readonly kind: 'scram-first' }
  | { readonly kind: 'scram-last'; readonly exchange: ScramExchange; readonly login: ScramLogin }
  /** The client has seen our proof. */
  | { readonly kind: 'scram-seen'; readonly login: ScramLogin }

export type AuthStep =
  | { readonly kind: 'challenge'; readonly text: string; readonly next: AuthState }
  | { readonly kind: 'pair'; readonly username: string; readonly secret: string }
  | { readonly kind: 'scram-first'; readonly first: ClientFirst }
  | { readonly kind: 'scram-last'; readonly text: string; readonly state: Extract<AuthState, { kind: 'scram-last' }> }
  | { readonly kind: 'scram-seen'; readonly login: ScramLogin }
  | { readonly kind: 'refused'; readonly reply: Reply }

/** The strongest first (RFC 5802 §1). */
export function authMechanisms({ scram }: AuthOffer): readonly string[] {
  return [...(scram ? [SCRAM] : []), 'PLAIN', 'LOGIN']
}

export interface AuthOffer {
  readonly scram: boolean
}

const SCRAM = 'SCRAM-SHA-256'

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
const CONTROL = /[\x00-\x1f\x7f-\x9f]/

/** `argument`: what stands behind `AUTH`. */
export function beginAuth(argument: string, offer: AuthOffer): AuthStep {
  const [mechanism = '', initial, ...more] = argument.trim().split(/ +/)
  if (more.length > 0) return refused(replies.authSyntax)
  const state = initialState(mechanism.toUpperCase(), offer)
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
    case 'scram-first':
      return scramFirst(response)
    case 'scram-last':
      return { kind: 'scram-last', text: response, state }
    case 'scram-seen':
      return response === '' ? { kind: 'scram-seen', login: state.login } : refused(replies.authSyntax)
  }
}

function initialState(mechanism: string, { scram }: AuthOffer): AuthState | undefined {
  if (mechanism === SCRAM && scram) return { kind: 'scram-first' }
  if (mechanism === 'PLAIN') return { kind: 'plain' }
  return mechanism === 'LOGIN' ? { kind: 'login-username' } : undefined
}

function challengeFor(next: AuthState): AuthStep {
  const text = next.kind === 'login-username' ? 'Username:' : next.kind === 'login-password' ? 'Password:' : ''
  return { kind: 'challenge', text, next }
}

function scramFirst(message: string): AuthStep {
  const first = parseClientFirst(message)
  if (first === undefined || CONTROL.test(first.username)) return refused(replies.authSyntax)
  const { username, authorizationId } = first
  // Nobody may act for somebody else here.
  if (authorizationId !== '' && authorizationId !== username) return refused(replies.authInvalid)
  return { kind: 'scram-first', first }
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
