/** Rules about `[socketmap]`: each query name once, and nothing demanded that nobody could prove. Pure. */
import type { ConfigPath } from './config-path.ts'
import type { Finding } from './finding.ts'
import type { ReadableConfig } from './salvage.ts'

export function socketmapFindings({ socketmap, dane }: ReadableConfig): readonly Finding[] {
  const zones = socketmap?.zone ?? []
  return zones.flatMap(({ name, require }, index) => {
    const at = (field: string): ConfigPath => ['socketmap', 'zone', index, field]
    const first = zones.findIndex((other) => other.name === name)
    const twice: Finding = {
      ...{ path: at('name'), wrong: `is there twice: "${name}"`, read: [at('name')] },
      remedy: 'remove one, or give it another name',
    }
    const unprovable: Finding = {
      ...{ path: at('require'), wrong: 'demands DANE, but dane.enabled is false' },
      remedy: 'write dane.enabled = "auto", or another demand',
      read: [at('require'), ['dane', 'enabled']],
    }
    return [
      ...(name === undefined || first === index ? [] : [twice]),
      ...(require === 'dane' && dane?.enabled === false ? [unprovable] : []),
    ]
  })
}
