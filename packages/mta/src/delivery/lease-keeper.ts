/**
 * Keeps claims ours while they are worked on: one timer renews every lease at a third of its life, and before a
 * final dot the deadline is looked at once more (architecture §3). Time is this process' monotonic clock.
 */
import type { Claim, ClaimToken, Spool } from '../spool/spool.ts'
import type { DeliveryEvent } from './events.ts'

export interface LeaseKeeperOptions {
  readonly spool: Pick<Spool, 'renew'>
  readonly leaseMs: number
  readonly monotonic: () => number
  readonly emit: (event: DeliveryEvent) => void
}

/** The share of a lease that must be left when a final dot goes out; the peer's reply may take long. */
const FINAL_DOT_SHARE = 0.25

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions
  /** Monotonic end of each lease. */
  readonly #until = new Map<ClaimToken, number>()
  readonly #timer: NodeJS.Timeout

  constructor(options: LeaseKeeperOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.#renewDue(), options.leaseMs / 3).unref()
  }

  /** Claims that are worked on. */
  get size(): number {
    return this.#until.size
  }

  hold(claims: readonly Claim[]): void {
    for (const claim of claims) this.#until.set(claim.token, claim.leaseUntilMono)
  }

  /** The claim was settled or given back. */
  drop(token: ClaimToken): void {
    this.#until.delete(token)
  }

  owns(token: ClaimToken): boolean {
    return this.#until.has(token)
  }

  /** Is the claim still ours, for long enough to send its final dot? */
  holds(token: ClaimToken): boolean | Promise<boolean> {
    const until = this.#until.get(token)
    if (until === undefined) return false
    if (until - this.#options.monotonic() >= this.#options.leaseMs * FINAL_DOT_SHARE) return true
    return this.#renew([token]).then(() => this.#until.has(token))
  }

  close(): void {
    clearInterval(this.#timer)
  }

  async #renewDue(): Promise<void> {
    const soon = this.#options.monotonic() + (this.#options.leaseMs * 2) / 3
    const due: ClaimToken[] = []
    for (const [token, until] of this.#until) if (until <= soon) due.push(token)
    if (due.length > 0) await this.#renew(due)
  }

  /** What cannot be renewed is not ours any more: nothing of it may leave. */
  async #renew(tokens: readonly ClaimToken[]): Promise<void> {
    const { spool, leaseMs, monotonic, emit } = this.#options
    const until = monotonic() + leaseMs
    try {
      const ours = await spool.renew(tokens, leaseMs)
      const held = tokens.filter((token) => this.#until.has(token))
      for (const token of held) {
        if (ours.has(token)) this.#until.set(token, until)
        else this.#until.delete(token)
      }
      const lost = held.filter((token) => !ours.has(token)).length
      if (lost > 0) emit({ event: 'lease-lost', messages: lost })
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error)
      emit({ event: 'delivery-store-failed', step: 'renew', detail })
      const now = monotonic()
      for (const token of tokens) {
        const left = this.#until.get(token)
        if (left !== undefined && left - now < leaseMs * FINAL_DOT_SHARE) this.#until.delete(token)
      }
    }
  }
}
