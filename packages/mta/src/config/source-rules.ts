/** Rules about `[[source]]` and the pools that routes name. Pure. */
import type { ConfigPath } from './config-path.ts'
import type { Finding } from './finding.ts'
import { isUnspecified } from './loopback.ts'
import type { ReadableConfig } from './salvage.ts'

export function sourceFindings({ source: sources = [], route: routes = [] }: ReadableConfig): readonly Finding[] {
  const pools = new Set(sources.map(({ pool }) => pool))
  return [
    ...sources.flatMap(({ address, pool }, index) => {
      const path: ConfigPath = ['source', index, 'address']
      if (address === undefined) return []
      if (isUnspecified(address)) {
        return [
          { path, wrong: 'is no address that mail can leave from', remedy: 'write one of this machine', read: [path] },
        ]
      }
      const other = sources.slice(0, index).findIndex((one) => one.address === address && one.pool === pool)
      if (other === -1) return []
      const read: ConfigPath[] = [path, ['source', other, 'address'], ['source', index, 'pool']]
      return [{ path, wrong: `is in the pool "${pool}" twice`, remedy: 'remove one of the two', read }]
    }),
    ...routes.flatMap(({ source_pool: pool }, index) => {
      if (pool === undefined || pools.has(pool)) return []
      const path: ConfigPath = ['route', index, 'source_pool']
      const wrong = `names a pool that no [[source]] is in: "${pool}"`
      return [
        { path, wrong, remedy: `write a [[source]] with pool = "${pool}", or another pool`, read: [path, ['source']] },
      ]
    }),
  ]
}
