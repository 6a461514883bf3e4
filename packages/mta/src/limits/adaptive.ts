/**
 * The limit that follows what a site bears: one more for every full round of good transactions, half of it when one
 * fails. Failures of permits from before the last halving are the same trouble seen again and do not count. Pure;
 * `redis-permits-site.lua` is the same arithmetic inside Redis.
 */
import type { PermitFeedback } from './permits.ts'

export interface AdaptiveLimit {
  /** Thousandths of a permit: whole numbers come through Redis unchanged. */
  readonly limitMilli: number
  /** Counts the halvings; a permit carries the round in which it was granted. */
  readonly round: number
}

export const MILLI = 1_000

export function newAdaptiveLimit(initial: number): AdaptiveLimit {
  return { limitMilli: initial * MILLI, round: 0 }
}

export function adapted(
  state: AdaptiveLimit,
  { feedback, round }: { readonly feedback: PermitFeedback; readonly round: number },
  ceiling: number,
): AdaptiveLimit {
  if (feedback === 'good') {
    const step = Math.floor((MILLI * MILLI) / state.limitMilli)
    return { ...state, limitMilli: Math.min(ceiling * MILLI, state.limitMilli + step) }
  }
  if (feedback !== 'failed' || round < state.round) return state
  return { limitMilli: Math.max(MILLI, Math.floor(state.limitMilli / 2)), round: state.round + 1 }
}

/** Whole permits. */
export function permitsAllowed({ limitMilli }: AdaptiveLimit, ceiling: number): number {
  return Math.min(ceiling, Math.floor(limitMilli / MILLI))
}
