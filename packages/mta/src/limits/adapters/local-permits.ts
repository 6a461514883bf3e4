/**
 * Permits of one process: a count and a line of waiters per site, kept only while somebody holds one or waits.
 * What was learned about a site (its rate, its adaptive limit) is remembered a while longer.
 */
import { type AdaptiveLimit, adapted, newAdaptiveLimit, permitsAllowed } from '../adaptive.ts'
import type { Permit, PermitFeedback, Permits, SiteId, SiteLimits } from '../permits.ts'
import { type ArrivalTime, NO_WAIT, type Pace, type PaceAsk, pace, type Rate, US_PER_MS } from '../rate.ts'

export interface LocalPermitsOptions {
  /** Connections with transactions to one site at once. */
  readonly perSite?: number
  /** Begin here and follow what the site bears, when given. */
  readonly initialPerSite?: number
  readonly rate?: Rate
  /** Monotonic milliseconds. */
  readonly monotonic?: () => number
}

/** As many as Postfix' default_destination_concurrency_limit: what the world's MX hosts are used to. */
export const PERMITS_PER_SITE = 20

/** Sites without a permit in use whose limits are remembered. */
const RESTING_SITES_MAX = 10_000

export function createLocalPermits(options: LocalPermitsOptions = {}): Permits {
  const { perSite = PERMITS_PER_SITE, initialPerSite, rate, monotonic = () => performance.now() } = options
  const limits: SiteLimits = {
    concurrency: perSite,
    ...(initialPerSite === undefined ? {} : { initialConcurrency: initialPerSite }),
    ...(rate === undefined ? {} : { rate }),
  }
  return new LocalPermits(limits, monotonic)
}

interface SiteUse {
  held: number
  readonly waiting: Set<() => void>
  adaptive: AdaptiveLimit | undefined
  arrival: ArrivalTime
}

class LocalPermits implements Permits {
  readonly #limits: SiteLimits
  readonly #monotonic: () => number
  readonly #used = new Map<SiteId, SiteUse>()
  /** In the order in which they came to rest. */
  readonly #resting = new Map<SiteId, SiteUse>()

  constructor(limits: SiteLimits, monotonic: () => number) {
    this.#limits = limits
    this.#monotonic = monotonic
  }

  async acquire(site: SiteId, onFree?: () => void): Promise<Permit | undefined> {
    const use = this.#use(site)
    if (use.held < this.#allowed(use)) {
      if (onFree !== undefined) use.waiting.delete(onFree)
      return this.#grant(site, use)
    }
    if (onFree !== undefined) use.waiting.add(onFree)
    return undefined
  }

  #use(site: SiteId): SiteUse {
    const known = this.#used.get(site) ?? this.#resting.get(site)
    const { initialConcurrency } = this.#limits
    const adaptive = initialConcurrency === undefined ? undefined : newAdaptiveLimit(initialConcurrency)
    const use = known ?? { held: 0, waiting: new Set(), adaptive, arrival: 0 }
    this.#resting.delete(site)
    this.#used.set(site, use)
    return use
  }

  #allowed({ adaptive }: SiteUse): number {
    const { concurrency } = this.#limits
    return adaptive === undefined ? concurrency : permitsAllowed(adaptive, concurrency)
  }

  #grant(site: SiteId, use: SiteUse): Permit {
    use.held += 1
    const round = use.adaptive?.round ?? 0
    let released = false
    return {
      site,
      isHeld: () => !released,
      pace: async (ask) => this.#pace(use, ask),
      release: (feedback) => {
        if (released) return
        released = true
        this.#giveBack(site, use, { feedback, round })
      },
    }
  }

  #pace(use: SiteUse, ask: PaceAsk): Pace {
    const { rate } = this.#limits
    if (rate === undefined) return NO_WAIT
    const answer = pace(rate, { arrival: use.arrival, nowUs: Math.floor(this.#monotonic() * US_PER_MS) }, ask)
    use.arrival = answer.arrival
    return answer.pace
  }

  #giveBack(site: SiteId, use: SiteUse, how: { readonly feedback: PermitFeedback; readonly round: number }): void {
    const before = this.#allowed(use)
    use.held -= 1
    if (use.adaptive !== undefined) use.adaptive = adapted(use.adaptive, how, this.#limits.concurrency)
    // The permit that returned, and the one by which the limit may have grown.
    const returned = Math.min(1 + Math.max(0, this.#allowed(use) - before), this.#allowed(use) - use.held)
    const called = [...use.waiting].slice(0, Math.max(0, returned))
    for (const one of called) use.waiting.delete(one)
    for (const one of called) one()
    if (use.held === 0 && use.waiting.size === 0) this.#rest(site, use)
  }

  #rest(site: SiteId, use: SiteUse): void {
    this.#used.delete(site)
    if (use.adaptive === undefined && this.#limits.rate === undefined) return
    this.#resting.set(site, use)
    if (this.#resting.size <= RESTING_SITES_MAX) return
    for (const oldest of this.#resting.keys()) {
      this.#resting.delete(oldest)
      break
    }
  }
}
