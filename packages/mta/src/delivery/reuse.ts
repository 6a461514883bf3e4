/**
 * May an idle connection carry the next transaction of the lane that it was proven for? Only under the requirement
 * that it has proven (STS-06); another lane judges it anew (`shared-session.ts`). Pure.
 *
 * Messages with and without REQUIRETLS may take turns on one connection (RFC 8689 §4.2.1): it is judged again by what the
 * next one demands. One that was opened for messages whose sender does not care carries only such.
 */
import { isDeepStrictEqual } from 'node:util'
import { type Channel, judge, type ProofRequirement, type Verdict } from '@hermetic/policy'

export interface ReuseLimits {
  /** Peers close idle connections at will; one that waited longer is not worth the doubt. */
  readonly idleMs: number
  readonly ageMs: number
  readonly transactions: number
}

export const defaultReuseLimits: ReuseLimits = { idleMs: 10_000, ageMs: 300_000, transactions: 1_000 }

export interface IdleFacts {
  readonly usable: boolean
  readonly idleMs: number
  readonly ageMs: number
  readonly transactions: number
}

/** `other-wish`: not for this message, but perhaps for the next one. */
export type ReuseVerdict =
  | { readonly kind: 'proven' }
  | { readonly kind: 'judged-again'; readonly verdict: Verdict & { readonly kind: 'proven' } }
  | { readonly kind: 'other-wish' }
  | { readonly kind: 'over' }

export function isWarm(idle: IdleFacts, limits: ReuseLimits = defaultReuseLimits): boolean {
  return (
    idle.usable && idle.idleMs < limits.idleMs && idle.ageMs < limits.ageMs && idle.transactions < limits.transactions
  )
}

/** Of a connection that is warm; `channel`: what its peer has shown. */
export function reuseVerdict(
  { requirement, channel }: { readonly requirement: ProofRequirement; readonly channel: Channel },
  wanted: ProofRequirement,
): ReuseVerdict {
  if (isDeepStrictEqual(requirement, wanted)) return { kind: 'proven' }
  // A policy has changed: it will not change back while this connection waits.
  if (requirement.message === wanted.message) return { kind: 'over' }
  if (requirement.message === 'tls-optional' || wanted.message === 'tls-optional') return { kind: 'other-wish' }
  if (!isDeepStrictEqual(published(requirement), published(wanted))) return { kind: 'other-wish' }
  const verdict = judge(wanted, channel)
  return verdict.kind === 'proven' ? { kind: 'judged-again', verdict } : { kind: 'other-wish' }
}

/** What is known of the host, whoever asks. */
function published({ sts, dane, waived }: ProofRequirement): Pick<ProofRequirement, 'sts' | 'dane' | 'waived'> {
  return { ...(sts && { sts }), ...(dane && { dane }), ...(waived && { waived }) }
}
