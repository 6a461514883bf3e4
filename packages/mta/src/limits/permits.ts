/**
 * Port: the limit on transactions per site (architecture §3). A permit is the right to one connection that
 * carries transactions; it delays, never rejects.
 *
 * Adapters: `local-permits.ts` (one process), `redis-permits.ts` (many; a permit is then a lease that its holder
 * renews, and that ends by itself when the holder is dead or stopped). Both pass `permits.contract.ts`.
 */
import type { LaneId } from '../delivery/lane.ts'
import type { Pace, PaceAsk, Rate } from './rate.ts'

export type SiteId = string & { readonly __brand: 'SiteId' }

export interface Permits {
  /**
   * A permit at once, or undefined when the site is at its limit; then `onFree`, when given, is called once
   * when one returns: first asked, first called. It is a call to ask again, not a permit. Who waits for a lane says
   * so: should its process be dead or stopped when its turn comes, another runs the lane. Never rejects: an
   * unreachable store has no permits.
   */
  acquire(site: SiteId, onFree?: () => void, lane?: LaneId): Promise<Permit | undefined>
}

export interface Permit {
  readonly site: SiteId
  /** False once it is released or lost (its lease ended before it was renewed): begin no transaction then. Cheap. */
  isHeld(): boolean
  /**
   * When the next transactions may begin under the site's rate; at once when it has none. The time is reserved,
   * unless it is further away than the asker's patience.
   */
  pace(ask: PaceAsk): Promise<Pace>
  /** The site answers: an adaptive limit grows by it, although the permit is kept. */
  answered(): void
  /** How the transactions went, for adaptive limits. Idempotent. */
  release(feedback: PermitFeedback): void
}

export type PermitFeedback = 'good' | 'failed' | 'unused'

/** What is allowed with each site. */
export interface SiteLimits {
  /** Permits at once; what an adaptive limit cannot exceed. */
  readonly concurrency: number
  /** The limit begins here and follows what the site bears, when given. */
  readonly initialConcurrency?: number
  readonly rate?: Rate
}
