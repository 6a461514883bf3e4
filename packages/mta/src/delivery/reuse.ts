/**
 * May an idle connection carry the next transaction? Only for the policy domain and the requirement that it has
 * proven (STS-06); another domain on the same host needs its own policy evaluated on it. Pure.
 */
import { isDeepStrictEqual } from 'node:util'
import type { ProofRequirement } from '@hermetic/policy'

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
  /** What the connection was judged by. */
  readonly requirement: ProofRequirement
}

export function reusable(idle: IdleFacts, wanted: ProofRequirement, limits: ReuseLimits = defaultReuseLimits): boolean {
  return (
    idle.usable &&
    idle.idleMs < limits.idleMs &&
    idle.ageMs < limits.ageMs &&
    idle.transactions < limits.transactions &&
    isDeepStrictEqual(idle.requirement, wanted)
  )
}
