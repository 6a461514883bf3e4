/** Quotas of one process, bounded: who has rested is forgotten, and then whoever was seen longest ago. */
import type { QuotaAnswer, QuotaAsk, Quotas } from '../quotas.ts'
import { type ArrivalTime, pace, US_PER_MS } from '../rate.ts'

/** Each is a number and a name. */
const KEYS_MAX = 100_000

export interface LocalQuotasOptions {
  /** Monotonic milliseconds. */
  readonly monotonic?: () => number
  readonly keysMax?: number
}

export function createLocalQuotas(options: LocalQuotasOptions = {}): Quotas {
  const { monotonic = () => performance.now(), keysMax = KEYS_MAX } = options
  /** In the order in which they were last used. */
  const arrivals = new Map<string, ArrivalTime>()
  return {
    take: async (asks) => {
      const nowUs = Math.floor(monotonic() * US_PER_MS)
      const paced = asks.map(({ key, rate, amount }) =>
        pace(rate, { arrival: arrivals.get(key) ?? 0, nowUs }, { transactions: amount, patienceMs: 0 }),
      )
      const refused = longest(paced.map(({ pace: answer }) => (answer.kind === 'later' ? answer.retryAfterMs : 0)))
      if (refused !== undefined) return refused
      for (const [index, { key }] of asks.entries()) {
        arrivals.delete(key)
        arrivals.set(key, paced[index]?.arrival ?? nowUs)
      }
      forgetRested(arrivals, { nowUs, keysMax })
      return { kind: 'granted' }
    },
  }
}

/** The refusal to tell when some of the asks have to wait; undefined when none has. */
export function longest(waits: readonly number[]): Extract<QuotaAnswer, { readonly kind: 'exhausted' }> | undefined {
  const retryAfterMs = Math.max(0, ...waits)
  return retryAfterMs === 0 ? undefined : { kind: 'exhausted', index: waits.indexOf(retryAfterMs), retryAfterMs }
}

function forgetRested(
  arrivals: Map<QuotaAsk['key'], ArrivalTime>,
  { nowUs, keysMax }: { readonly nowUs: number; readonly keysMax: number },
): void {
  if (arrivals.size <= keysMax) return
  for (const [key, arrival] of arrivals) if (arrival <= nowUs) arrivals.delete(key)
  for (const key of arrivals.keys()) {
    if (arrivals.size <= keysMax) return
    arrivals.delete(key)
  }
}
