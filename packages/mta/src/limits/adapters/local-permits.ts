/**
 * Permits of one process: a count and a line of waiters per site, kept only while somebody holds one.
 * Rates and adaptive limits are not here.
 */
import type { Permit, Permits, SiteId } from '../permits.ts'

export interface LocalPermitsOptions {
  /** Connections with transactions to one site at once. */
  readonly perSite?: number
}

/** As many as Postfix' default_destination_concurrency_limit: what the world's MX hosts are used to. */
export const PERMITS_PER_SITE = 20

export function createLocalPermits({ perSite = PERMITS_PER_SITE }: LocalPermitsOptions = {}): Permits {
  const sites = new Map<SiteId, { held: number; readonly waiting: Set<() => void> }>()

  function grant(site: SiteId): Permit {
    let released = false
    return {
      site,
      release: () => {
        if (released) return
        released = true
        giveBack(site)
      },
    }
  }

  function giveBack(site: SiteId): void {
    const use = sites.get(site)
    if (use === undefined) return
    use.held -= 1
    const [first] = use.waiting
    if (first !== undefined) {
      use.waiting.delete(first)
      first()
    }
    if (use.held === 0 && use.waiting.size === 0) sites.delete(site)
  }

  return {
    async acquire(site, onFree) {
      const use = sites.get(site)
      if (use === undefined) {
        sites.set(site, { held: 1, waiting: new Set() })
        return grant(site)
      }
      if (use.held < perSite) {
        use.held += 1
        return grant(site)
      }
      if (onFree !== undefined) use.waiting.add(onFree)
      return undefined
    },
  }
}
