/**
 * What logging in to a smarthost takes, and what may come of it (RFC 4954). Types, and the words for people. Pure.
 * The mechanisms are in `sasl.ts`, the dialogue in `login.ts`.
 *
 * Whether credentials may be shown to this peer at all is decided before, by the verdict on its TLS channel (RFC 4954
 * §14).
 */
import { assertNever } from '@hermetic/policy'
import { formatReply, type SmtpReply } from './reply.ts'

export type Credentials = PasswordLogin | TokenLogin

export interface PasswordLogin {
  readonly username: string
  readonly password: Concealed
  /** Absent: the best that the peer offers. */
  readonly mechanism?: PasswordMechanism
}

/** With an access token in place of a password (RFC 6749). */
export interface TokenLogin {
  readonly username: string
  readonly tokens: AccessTokens
  readonly mechanism?: TokenMechanism
}

export type PasswordMechanism = 'PLAIN' | 'LOGIN'
export type TokenMechanism = 'OAUTHBEARER' | 'XOAUTH2'

/** Printing it shows nothing; reading it takes a call that is easy to find. */
export interface Concealed {
  reveal(): string
}

/** Tokens live for an hour or so and come from elsewhere. */
export interface AccessTokens {
  /** Never rejects. */
  token(): Promise<TokenAnswer>
  /** A smarthost did not take it: another one has to be had. */
  refused(token: Concealed): void
}

export type TokenAnswer =
  /** `isNew`: it was issued for this very login. */
  { readonly kind: 'token'; readonly token: Concealed; readonly isNew: boolean } | TokenProblem

export type TokenProblem =
  /** The token endpoint could not be asked: later, perhaps. */
  | { readonly kind: 'no-token'; readonly detail: string }
  /** It was asked and said no (RFC 6749 §5.2): somebody has to grant access anew. */
  | { readonly kind: 'grant-refused'; readonly said: string }

export type LoginProblem =
  /** No mechanism of ours is among what the EHLO inside TLS offered. */
  | { readonly kind: 'not-offered'; readonly offered: readonly string[] }
  /** 4yz or 5yz; `stale`: to a token that was good enough before, and may have been revoked since. */
  | { readonly kind: 'refused'; readonly reply: SmtpReply; readonly stale?: true }
  | TokenProblem

/** What was said about the login, in one line. */
export function saidOf(problem: LoginProblem): string {
  switch (problem.kind) {
    case 'refused':
      return formatReply(problem.reply)
    case 'not-offered':
      return `AUTH ${problem.offered.join(' ')}`.trimEnd()
    case 'no-token':
      return `no access token: ${problem.detail}`
    case 'grant-refused':
      return `no access token: ${problem.said}`
    default:
      return assertNever(problem)
  }
}
