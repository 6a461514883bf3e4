/**
 * Explains destinations: gathers, and has the policy package tell. A few at the same time and each within its time,
 * so that neither a curious operator nor a hostile domain can occupy the relay.
 */
import { type Explanation, err, explain, ok, type Result } from '@hermetic/policy'
import type { MailDomain } from '../smtp/mail-address.ts'
import { type ExplainLimits, gather, type Question } from './gather.ts'
import type { ExplainWorld } from './world.ts'

export interface ExplainRequest {
  readonly destination: MailDomain
  readonly connect: boolean
  readonly mail?: Question['mail']
}

/** Somebody else's are under way: come again. */
export interface Busy {
  readonly kind: 'busy'
  readonly atOnceMax: number
}

export type Explain = (request: ExplainRequest, signal?: AbortSignal) => Promise<Result<Explanation, Busy>>

export interface ExplainerOptions {
  readonly limits?: ExplainLimits
  readonly atOnceMax?: number
}

const AT_ONCE_MAX = 4
export const EXPLAIN_LIMITS: ExplainLimits = { lookupsMs: 25_000, sessionsMs: 25_000 }

export function createExplainer(world: ExplainWorld, options: ExplainerOptions = {}): Explain {
  const { limits = EXPLAIN_LIMITS, atOnceMax = AT_ONCE_MAX } = options
  let running = 0
  return async (request, signal = new AbortController().signal) => {
    if (running >= atOnceMax) return err({ kind: 'busy', atOnceMax })
    running += 1
    try {
      return ok(explain(await gather(world, { ...request, signal, limits })))
    } finally {
      running -= 1
    }
  }
}
