/**
 * How often transactions with one site may begin: the generic cell rate algorithm (ITU-T I.371), in microseconds.
 * A rate delays and never rejects: each asker gets a time of its own, one interval after the one before, unless that
 * is longer than it wants to wait. Pure; `redis-permits-pace.lua` is the same arithmetic inside Redis.
 */
export interface Rate {
  /** So many transactions … */
  readonly transactions: number
  /** … in this time. */
  readonly perMs: number
  /** So many of them may begin together after a rest; at least 1. */
  readonly burst: number
}

export type Pace =
  /** Reserved: the transactions may begin after this time. */
  | { readonly kind: 'go'; readonly afterMs: number }
  /** Longer than the asker's patience: nothing was reserved, ask again after this time. */
  | { readonly kind: 'later'; readonly retryAfterMs: number }

export interface PaceAsk {
  readonly transactions: number
  /** Longest wait that is still reserved. */
  readonly patienceMs: number
}

/** The theoretical arrival time: when the site will have rested from everything that was reserved (µs). */
export type ArrivalTime = number

export const US_PER_MS = 1_000

/** Between two transactions, at least 1 µs. */
export function intervalUs({ transactions, perMs }: Rate): number {
  return Math.max(1, Math.round((perMs * US_PER_MS) / transactions))
}

export function pace(
  rate: Rate,
  { arrival, nowUs }: { readonly arrival: ArrivalTime; readonly nowUs: number },
  { transactions, patienceMs }: PaceAsk,
): { readonly pace: Pace; readonly arrival: ArrivalTime } {
  const interval = intervalUs(rate)
  const next = Math.max(arrival, nowUs) + transactions * interval
  const waitUs = Math.max(0, next - rate.burst * interval - nowUs)
  const waitMs = Math.ceil(waitUs / US_PER_MS)
  if (waitMs > patienceMs) return { pace: { kind: 'later', retryAfterMs: waitMs - patienceMs }, arrival }
  return { pace: { kind: 'go', afterMs: waitMs }, arrival: next }
}

export const NO_WAIT: Pace = { kind: 'go', afterMs: 0 }
