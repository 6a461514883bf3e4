/** The `[[source]]` tables in the words of delivery, and the pool of mail for which nothing else is said. Pure. */
import type { Config } from '../config/schema.ts'
import type { RoutingOptions } from '../delivery/routing.ts'
import { defaultPool, type SourcePool } from '../delivery/source-address.ts'
import { formatDomain } from '../smtp/mail-address.ts'
import { configuredRoutes } from './configured-routes.ts'

export function configuredSources({ source, hostname }: Pick<Config, 'source' | 'hostname'>): readonly SourcePool[] {
  const pools = Map.groupBy(source, ({ pool }) => pool)
  return [...pools].map(([name, addresses]) => ({
    name,
    addresses: addresses.map((one) => ({ address: one.address, hostname: formatDomain(one.hostname ?? hostname) })),
  }))
}

/** Which lane a recipient's mail goes to. */
export function configuredRouting(config: Pick<Config, 'delivery' | 'route' | 'source' | 'hostname'>): RoutingOptions {
  return {
    port: config.delivery.port,
    routes: configuredRoutes(config),
    pool: defaultPool(configuredSources(config)),
  }
}
