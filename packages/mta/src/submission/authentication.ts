/**
 * The authentication of one session: RFC 4954 §4 state, failures counted per session, per address and per account.
 * A session that failed three times sees each failure answered; its next AUTH ends it (SUB-08).
 */

import { randomBytes } from 'node:crypto'
import { invariant } from '@hermetic/policy'
import type { Account } from './account.ts'
import { type AuthState, type AuthStep, beginAuth, continueAuth } from './auth-exchange.ts'
import type { AuthFailures } from './auth-failures.ts'
import type { CredentialStore, ScramLogin } from './credentials.ts'
import { quotedPeerText } from './events.ts'
import type { SubmissionLimits } from './limits.ts'
import { challenge, type Reply, replies } from './replies.ts'
import { answerFirst, type ClientFirst, endExchange } from './scram.ts'

export interface AuthenticationRules {
  readonly credentials: CredentialStore
  readonly authFailures: AuthFailures
  readonly limits: Pick<SubmissionLimits, 'authFailuresPerSessionMax'>
  readonly now: () => number
}

export type AuthAnswer =
  | { readonly kind: 'reply'; readonly reply: Reply }
  /** The client broke the rules of the exchange. */
  | { readonly kind: 'refused'; readonly reply: Reply }
  | { readonly kind: 'end'; readonly reply: Reply }

export type AuthenticationEvent =
  | { readonly event: 'authenticated'; readonly username: string }
  | { readonly event: 'auth-failed'; readonly username: string; readonly reason: AuthFailureReason }

type AuthFailureReason = 'invalid' | 'busy' | 'limited'

interface AuthenticationClient {
  readonly address: string
  readonly emit: (event: AuthenticationEvent) => void
}

type ScramLast = Extract<AuthState, { readonly kind: 'scram-last' }>

/** RFC 5802 §5.1: unpredictable and new each time. */
const NONCE_OCTETS = 18

export class Authentication {
  readonly #rules: AuthenticationRules
  readonly #client: AuthenticationClient
  #state: AuthState | undefined
  #account: Account | undefined
  #failures = 0

  constructor(rules: AuthenticationRules, client: AuthenticationClient) {
    this.#rules = rules
    this.#client = client
    rules.credentials.look()
  }

  get account(): Account | undefined {
    return this.#account
  }

  /**
   * Before each message: from now on what the account may do today. False: it is gone or has another secret, and the
   * session must not go on by it.
   */
  renew(): boolean | Promise<boolean> {
    if (this.#account === undefined) return true
    const current = this.#rules.credentials.current(this.#account)
    return current instanceof Promise ? current.then((one) => this.#goOnAs(one)) : this.#goOnAs(current)
  }

  #goOnAs(account: Account | undefined): boolean {
    this.#account = account
    return account !== undefined
  }

  /** The next line answers a challenge. */
  get underWay(): boolean {
    return this.#state !== undefined
  }

  /** `argument`: what stands behind `AUTH`. */
  begin(argument: string): AuthAnswer | Promise<AuthAnswer> {
    if (this.#account !== undefined) return { kind: 'refused', reply: replies.authTwice }
    if (this.#failures >= this.#rules.limits.authFailuresPerSessionMax)
      return { kind: 'end', reply: replies.authTooMany }
    return this.#take(beginAuth(argument, { scram: this.#rules.credentials.offersScram }))
  }

  continue(line: string): AuthAnswer | Promise<AuthAnswer> {
    return this.#state === undefined
      ? { kind: 'refused', reply: replies.authSyntax }
      : this.#take(continueAuth(this.#state, line))
  }

  /** True when an exchange was under way. */
  abandon(): boolean {
    const was = this.underWay
    this.#state = undefined
    return was
  }

  #take(step: AuthStep): AuthAnswer | Promise<AuthAnswer> {
    this.#state = undefined
    switch (step.kind) {
      case 'challenge':
        this.#state = step.next
        return { kind: 'reply', reply: challenge(step.text) }
      case 'refused':
        return { kind: 'refused', reply: step.reply }
      case 'pair':
        return this.#verify(step.username, step.secret)
      case 'scram-first':
        return this.#scramFirst(step.first)
      case 'scram-last':
        return this.#scramLast(step.state, step.text)
      case 'scram-seen':
        return this.#scramSeen(step.login)
    }
  }

  async #verify(username: string, secret: string): Promise<AuthAnswer> {
    const { credentials, authFailures, now } = this.#rules
    const { address } = this.#client
    if (authFailures.exceeded(address, username, now())) {
      // Who was right within the last minutes keeps working while somebody else guesses.
      const account = await credentials.recall(username, secret)
      return account === undefined ? this.#failed(username, 'limited') : this.#succeeded(account)
    }
    const verification = await credentials.verify(username, secret)
    if (verification.kind === 'accepted') return this.#succeeded(verification.account)
    if (verification.kind === 'rejected') authFailures.failed(address, username, now())
    return this.#failed(username, verification.kind === 'busy' ? 'busy' : 'invalid')
  }

  async #scramFirst(first: ClientFirst): Promise<AuthAnswer> {
    const login = await this.#rules.credentials.scram(first.username, this.#client.address)
    const exchange = answerFirst(first, login.verifier, randomBytes(NONCE_OCTETS).toString('base64'))
    this.#state = { kind: 'scram-last', exchange, login }
    return { kind: 'reply', reply: challenge(exchange.serverFirst) }
  }

  #scramLast({ exchange, login }: ScramLast, text: string): AuthAnswer {
    const { authFailures, now } = this.#rules
    const { address } = this.#client
    const { username } = exchange.first
    // As with passwords: who was right within the last minutes keeps working while somebody else guesses.
    if (authFailures.exceeded(address, username, now()) && !login.recalled) return this.#failed(username, 'limited')
    const end = endExchange(exchange, text)
    if (end.kind === 'malformed') return { kind: 'refused', reply: replies.authSyntax }
    if (end.kind === 'refused') {
      authFailures.failed(address, username, now())
      return this.#failed(username, 'invalid')
    }
    this.#state = { kind: 'scram-seen', login }
    return { kind: 'reply', reply: challenge(end.proof) }
  }

  #scramSeen({ proven }: ScramLogin): AuthAnswer {
    const account = proven()
    // Nobody has proven to be nobody.
    invariant(account !== undefined, 'only the verifier of an account can be met')
    return this.#succeeded(account)
  }

  #succeeded(account: Account): AuthAnswer {
    this.#account = account
    this.#client.emit({ event: 'authenticated', username: quotedPeerText(account.username) })
    return { kind: 'reply', reply: replies.authenticated }
  }

  #failed(username: string, reason: AuthFailureReason): AuthAnswer {
    if (reason !== 'busy') this.#failures += 1
    this.#client.emit({ event: 'auth-failed', username: quotedPeerText(username), reason })
    return { kind: 'reply', reply: reason === 'invalid' ? replies.authInvalid : replies.authBusy }
  }
}
