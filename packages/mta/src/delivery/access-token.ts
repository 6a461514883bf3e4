/**
 * The access token of one login: asked for once for all who need it at the same time, kept until shortly before its end,
 * and asked for anew when a smarthost does not take it any more (RFC 6749 §6).
 *
 * In memory of this process only: every relay and every thread has its own, which the RFC allows. A failure is kept for some
 * seconds, so that the addresses of a smarthost and the lanes of a login do not all ask.
 */
import type { AccessTokens, Concealed, TokenAnswer, TokenProblem } from '../smtp/auth.ts'

export interface IssuedToken {
  readonly kind: 'issued'
  readonly token: Concealed
  readonly lifetimeMs: number
}

export interface CachedTokenOptions {
  readonly ask: () => Promise<IssuedToken | TokenProblem>
  readonly monotonic: () => number
  /** Each time there is a new one. */
  readonly obtained?: (lifetimeMs: number) => void
}

/** A session has to be opened with it, and clocks differ. */
const MARGIN_MS = 60_000
const FAILURE_KEPT_MS = 15_000

export class CachedToken implements AccessTokens {
  readonly #options: CachedTokenOptions
  #known: { readonly token: Concealed; readonly until: number } | undefined
  #asking: Promise<TokenAnswer> | undefined
  #failed: { readonly problem: TokenProblem; readonly until: number } | undefined

  constructor(options: CachedTokenOptions) {
    this.#options = options
  }

  async token(): Promise<TokenAnswer> {
    const now = this.#options.monotonic()
    if (this.#known !== undefined && this.#known.until > now) {
      return { kind: 'token', token: this.#known.token, isNew: false }
    }
    if (this.#failed !== undefined && this.#failed.until > now) return this.#failed.problem
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  refused(token: Concealed): void {
    if (this.#known?.token === token) this.#known = undefined
  }

  async #ask(): Promise<TokenAnswer> {
    const { ask, monotonic, obtained } = this.#options
    const answer = await ask()
    const now = monotonic()
    if (answer.kind !== 'issued') {
      this.#failed = { problem: answer, until: now + FAILURE_KEPT_MS }
      return answer
    }
    this.#failed = undefined
    const { token, lifetimeMs } = answer
    obtained?.(lifetimeMs)
    this.#known = { token, until: now + lifetimeMs - Math.min(MARGIN_MS, lifetimeMs / 2) }
    return { kind: 'token', token, isNew: true }
  }
}
