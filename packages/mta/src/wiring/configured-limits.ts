/** What the settings allow with each site, by all relays of a queue together, in the words of the permits. Pure. */
import type { Config } from '../config/schema.ts'
import type { SiteLimits } from '../limits/permits.ts'
import type { Rate } from '../limits/rate.ts'
import { SiteLimitTable } from '../limits/site-limits.ts'

export function configuredLimits({ delivery, limit }: Config): SiteLimitTable {
  const { concurrency_per_site, adaptive_concurrency, rate_per_site, burst_per_site } = delivery
  const usual = { connections: concurrency_per_site, adaptive: adaptive_concurrency }
  return new SiteLimitTable(
    siteLimits({ ...usual, rate: rate_per_site, burst: burst_per_site }),
    limit.map(({ name, domain, mx, connections, adaptive, rate, burst }) => ({
      ...{ name, mx, domains: domain },
      limits: siteLimits({
        connections: connections ?? usual.connections,
        adaptive: adaptive ?? usual.adaptive,
        rate: rate ?? rate_per_site,
        burst: burst ?? burst_per_site,
      }),
    })),
  )
}

interface Allowed {
  readonly connections: number
  readonly adaptive: boolean
  readonly rate: Rate | undefined
  readonly burst: number
}

/** A limit that follows what a site bears begins at the top: a site is trusted until it fails. */
function siteLimits({ connections, adaptive, rate, burst }: Allowed): SiteLimits {
  return {
    concurrency: connections,
    ...(adaptive ? { initialConcurrency: connections } : {}),
    ...(rate === undefined ? {} : { rate: { ...rate, burst } }),
  }
}
