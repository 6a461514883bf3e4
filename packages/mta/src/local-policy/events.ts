/**
 * What the operator's own policies tell logs and metrics: overrides, observing, and the preload list. A closed list;
 * rendered in `observability/`.
 */
import type { Mechanism } from '@hermetic/policy'

export type LocalPolicyEvent =
  /** At the start, and whenever one of them ends. */
  | ({ readonly event: 'overrides-in-force' } & OverrideCounts)
  /** At the start: published policies are not enforced for everybody. */
  | { readonly event: 'policies-only-observed'; readonly everywhere: boolean; readonly overrides: number }
  /** At the start, for each: a published policy is ignored. */
  | ({ readonly event: 'policy-waived' } & WaiverWords)
  /** Once, some days before. */
  | ({ readonly event: 'policy-waiver-expiring' } & WaiverWords)
  /** Once, and at every start until it is removed from the configuration. */
  | ({ readonly event: 'policy-waiver-expired' } & WaiverWords)
  | {
      readonly event: 'preload-list-loaded'
      readonly path: string
      readonly domains: number
      /** UTC milliseconds; absent: it does not say. */
      readonly expiresAt?: number
    }
  /** The last good one stays in force. */
  | { readonly event: 'preload-list-unusable'; readonly path: string; readonly detail: string }
  | { readonly event: 'preload-list-expiring'; readonly path: string; readonly expiresAt: number }
  /** None of it is believed any more. */
  | { readonly event: 'preload-list-expired'; readonly path: string; readonly expiresAt: number }

export interface OverrideCounts {
  readonly required: number
  readonly observed: number
  /** In force now. */
  readonly waived: number
  readonly expired: number
}

export interface WaiverWords {
  readonly domain: string
  readonly mechanisms: readonly Mechanism[]
  readonly reason: string
  readonly author: string
  /** UTC milliseconds. */
  readonly until: number
}
