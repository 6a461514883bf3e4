/**
 * Port: how much may be taken from somebody in a time. Unlike permits, which delay our own work, a quota says no: the
 * asker is told when to come again and keeps what it has.
 *
 * Adapters: `local-quotas.ts` (one process; a restart forgets), `redis-quotas.ts` (all relays count together). Both
 * pass `quotas.contract.ts`.
 */
import type { Rate } from './rate.ts'

export interface QuotaAsk {
  /** Whose quota: one key has one rate. */
  readonly key: string
  readonly rate: Rate
  /** At most the rate's burst; more can never be granted. */
  readonly amount: number
}

export type QuotaAnswer =
  | { readonly kind: 'granted' }
  /** Nothing was taken, from none of them. `index`: of the ask that has to wait longest. */
  | { readonly kind: 'exhausted'; readonly index: number; readonly retryAfterMs: number }
  | { readonly kind: 'unavailable'; readonly detail: string }

export interface Quotas {
  /** All of it or nothing. Never rejects. */
  take(asks: readonly QuotaAsk[]): Promise<QuotaAnswer>
}
