/**
 * How many next hops are refused by TLS policies now. One domain has a problem of its own; many at once mean that
 * the problem is ours. Only their number is shown: names come from strangers, and metrics must not grow by them.
 */
import type { LogEvent } from './log-events.ts'

/** Longer than the longest usual wait between two attempts (delivery.retry_interval_max, 3 h). */
const REMEMBERED_MS = 4 * 3_600_000
/** Beyond it the oldest are forgotten; an alarm has been raised long before. */
export const MOST_REFUSED_DOMAINS = 10_000

export class RefusedDomains {
  /** In the order of their last refusal. */
  readonly #refusedAt = new Map<string, number>()

  note(event: LogEvent, now: number): void {
    if (event.event === 'attempt-finished' && event.recipients.delivered > 0) this.#refusedAt.delete(event.nextHop)
    if (event.event !== 'next-hop-failed' || event.problem.cause.kind !== 'tls-policy') return
    this.#refusedAt.delete(event.nextHop)
    this.#refusedAt.set(event.nextHop, now)
    const [oldest] = this.#refusedAt.keys()
    if (this.#refusedAt.size > MOST_REFUSED_DOMAINS && oldest !== undefined) this.#refusedAt.delete(oldest)
  }

  count(now: number): number {
    for (const [domain, refusedAt] of this.#refusedAt) {
      if (now - refusedAt < REMEMBERED_MS) break
      this.#refusedAt.delete(domain)
    }
    return this.#refusedAt.size
  }
}
