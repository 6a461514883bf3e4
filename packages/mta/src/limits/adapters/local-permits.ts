/**
 * Permits of one process: a count and a line of waiters per site, kept only while somebody holds one or waits.
 * What was learned about a site (its rate, its adaptive limit) is remembered a while longer.
 */
import { type AdaptiveLimit, adapted, newAdaptiveLimit, permitsAllowed } from '../adaptive.ts'
import type { Permit, Permits, SiteId, SiteLimits } from '../permits.ts'
import { type ArrivalTime, NO_WAIT, type Pace, type PaceAsk, pace, type Rate, US_PER_MS } from '../rate.ts'

export interface LocalPermitsOptions {
  /** Connections with transactions to one site at once. */
  readonly perSite?: number
  /** Begin here and follow what the site bears, when given. */
  readonly initialPerSite?: number
  readonly rate?: Rate
  /** What is allowed with single sites; absent: the same with all. */
  readonly limitsOf?: (site: SiteId) => SiteLimits
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
  return new LocalPermits(options.limitsOf ?? (() => limits), monotonic)
}

interface SiteUse {
  readonly limits: SiteLimits
  held: number
  readonly waiting: Set<() => void>
  adaptive: AdaptiveLimit | undefined
  arrival: ArrivalTime
}

class LocalPermits implements Permits {
  readonly #limitsOf: (site: SiteId) => SiteLimits
  readonly #monotonic: () => number
  readonly #used = new Map<SiteId, SiteUse>()
  /** In the order in which they came to rest. */
  readonly #resting = new Map<SiteId, SiteUse>()

  constructor(limitsOf: (site: SiteId) => SiteLimits, monotonic: () => number) {
    this.#limitsOf = limitsOf
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
    const use = this.#used.get(site) ?? this.#resting.get(site) ?? newUse(this.#limitsOf(site))
    this.#resting.delete(site)
    this.#used.set(site, use)
    return use
  }

  #allowed({ adaptive, limits: { concurrency } }: SiteUse): number {
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
      answered: () => {
        if (released) return
        const before = this.#allowed(use)
        this.#learn(use, { feedback: 'good', round })
        this.#call(use, this.#allowed(use) - before)
      },
      release: (feedback) => {
        if (released) return
        released = true
        this.#giveBack(site, use, { feedback, round })
      },
    }
  }

  #pace(use: SiteUse, ask: PaceAsk): Pace {
    const { rate } = use.limits
    if (rate === undefined) return NO_WAIT
    const answer = pace(rate, { arrival: use.arrival, nowUs: Math.floor(this.#monotonic() * US_PER_MS) }, ask)
    use.arrival = answer.arrival
    return answer.pace
  }

  #giveBack(site: SiteId, use: SiteUse, how: Learned): void {
    const before = this.#allowed(use)
    use.held -= 1
    this.#learn(use, how)
    // The permit that returned, and the one by which the limit may have grown.
    this.#call(use, 1 + Math.max(0, this.#allowed(use) - before))
    if (use.held === 0 && use.waiting.size === 0) this.#rest(site, use)
  }

  #learn(use: SiteUse, how: Learned): void {
    if (use.adaptive !== undefined) use.adaptive = adapted(use.adaptive, how, use.limits.concurrency)
  }

  /** As many of those who wait as there are new permits, and no more than are free. */
  #call(use: SiteUse, permits: number): void {
    const free = Math.min(permits, this.#allowed(use) - use.held)
    const called = [...use.waiting].slice(0, Math.max(0, free))
    for (const one of called) use.waiting.delete(one)
    for (const one of called) one()
  }

  #rest(site: SiteId, use: SiteUse): void {
    this.#used.delete(site)
    if (!this.#hasLearned(use)) return
    this.#resting.set(site, use)
    if (this.#resting.size <= RESTING_SITES_MAX) return
    for (const oldest of this.#resting.keys()) {
      this.#resting.delete(oldest)
      break
    }
  }

  /** A site that is as at the beginning need not be remembered. */
  #hasLearned({ adaptive, arrival, limits: { initialConcurrency = 0 } }: SiteUse): boolean {
    if (adaptive !== undefined && adaptive.limitMilli !== newAdaptiveLimit(initialConcurrency).limitMilli) return true
    return arrival > this.#monotonic() * US_PER_MS
  }
}

type Learned = Parameters<typeof adapted>[1]

function newUse(limits: SiteLimits): SiteUse {
  const { initialConcurrency } = limits
  const adaptive = initialConcurrency === undefined ? undefined : newAdaptiveLimit(initialConcurrency)
  return { limits, held: 0, waiting: new Set(), adaptive, arrival: 0 }
}
