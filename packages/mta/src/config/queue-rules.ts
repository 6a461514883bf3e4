/**
 * Rules about `[queue]`: an engine has what it needs, and nothing is written that would mean nothing with it. Pure.
 */
import type { ConfigPath } from './config-path.ts'
import type { Finding } from './finding.ts'
import type { ReadableConfig } from './salvage.ts'

const ENGINE: ConfigPath = ['queue', 'engine']
const EXAMPLES = { redis_url: '"redis://127.0.0.1:6379/0"', content_dir: '"./content"' } as const

export function queueFindings({ queue }: ReadableConfig): readonly Finding[] {
  switch (queue?.engine) {
    case 'redis':
      return (['redis_url', 'content_dir'] as const)
        .filter((name) => queue[name] === undefined)
        .map((name): Finding => {
          const remedy = `write ${name} = ${EXAMPLES[name]} in [queue]`
          const wrong = `is redis, but ${name} is missing`
          return { path: ENGINE, wrong, remedy, read: [ENGINE, ['queue', name]] }
        })
    case 'embedded':
      return (['redis_url', 'durability', 'content_dir'] as const)
        .filter((name) => queue[name] !== undefined)
        .map((name): Finding => {
          const path: ConfigPath = ['queue', name]
          const remedy = 'write engine = "redis", or remove it'
          return { path, wrong: 'means nothing while engine is embedded', remedy, read: [ENGINE, path] }
        })
    default:
      return []
  }
}
