/**
 * Rules about `[queue]`: an engine has what it needs, and nothing is written that would mean nothing with it. Pure.
 */
import type { ConfigPath } from './config-path.ts'
import type { Finding } from './finding.ts'
import type { ReadableConfig } from './salvage.ts'

const ENGINE: ConfigPath = ['queue', 'engine']
const EXAMPLES = {
  redis_url: '"redis://127.0.0.1:6379/0"',
  content_dir: '"./content"',
  redis_master: '"mail"',
  s3_access_key_id: '"AKIAEXAMPLE"',
  s3_secret_access_key: '"…"',
} as const
/** The ways to name a Redis. */
const PLACES = ['redis_url', 'redis_sentinels', 'redis_cluster'] as const
const OF_SENTINELS = ['redis_master', 'redis_sentinel_username', 'redis_sentinel_password', 'redis_database'] as const
/** What a URL says itself. */
const OF_NO_URL = ['redis_username', 'redis_password', 'redis_tls'] as const
const OF_BUCKETS = ['s3_endpoint', 's3_region', 's3_access_key_id', 's3_secret_access_key'] as const
const CONTENTS = ['content_dir', 'content_url'] as const
const OF_REDIS = [...PLACES, ...OF_SENTINELS, ...OF_NO_URL, 'durability', ...CONTENTS, ...OF_BUCKETS] as const

type ReadQueue = NonNullable<ReadableConfig['queue']>
type Name = (typeof OF_REDIS)[number]

export function queueFindings({ queue }: ReadableConfig): readonly Finding[] {
  switch (queue?.engine) {
    case 'redis':
      return redisFindings(queue)
    case 'embedded':
      return written(queue, OF_REDIS).map((name) =>
        meaningless(name, 'engine is embedded', 'write engine = "redis", or remove it', ENGINE),
      )
    default:
      return []
  }
}

function redisFindings(queue: ReadQueue): readonly Finding[] {
  const [place, other] = written(queue, PLACES)
  const needed: readonly (keyof typeof EXAMPLES)[] = [
    ...(place === undefined ? (['redis_url'] as const) : []),
    ...(place === 'redis_sentinels' ? (['redis_master'] as const) : []),
    ...contentsNeed(queue),
  ]
  const without = [...(place === 'redis_sentinels' ? [] : OF_SENTINELS), ...(place === 'redis_url' ? OF_NO_URL : [])]
  const idle = place === undefined ? [] : written(queue, without)
  return [
    ...needed.filter((name) => queue[name] === undefined).map(missing),
    ...(place === undefined || other === undefined ? [] : [twice('names a Redis', place, other)]),
    ...(queue.content_url === undefined || queue.content_dir === undefined
      ? []
      : [twice('says where contents are', 'content_dir', 'content_url')]),
    ...(queue.content_url === undefined
      ? written(queue, OF_BUCKETS).map((name) =>
          meaningless(name, 'there is no content_url', 'remove it', ['queue', name]),
        )
      : []),
    ...idle.map((name) => meaningless(name, `${place} names the Redis`, 'remove it', ['queue', name])),
  ]
}

function missing(name: keyof typeof EXAMPLES): Finding {
  const remedy = `write ${name} = ${EXAMPLES[name]} in [queue]`
  return { path: ENGINE, wrong: `is redis, but ${name} is missing`, remedy, read: [ENGINE, ['queue', name]] }
}

function contentsNeed(queue: ReadQueue): readonly (keyof typeof EXAMPLES)[] {
  return queue.content_url === undefined ? ['content_dir'] : ['s3_access_key_id', 's3_secret_access_key']
}

function twice(what: string, place: Name, other: Name): Finding {
  const path: ConfigPath = ['queue', other]
  return {
    path,
    wrong: `${what}, and so does ${place}`,
    remedy: 'keep one of them',
    read: [path, ['queue', place]],
  }
}

function meaningless(name: Name, why: string, remedy: string, because: ConfigPath): Finding {
  const path: ConfigPath = ['queue', name]
  return { path, wrong: `means nothing while ${why}`, remedy, read: [because, path] }
}

/** With something else than their default. */
function written<const N extends Name>(queue: ReadQueue, names: readonly N[]): readonly N[] {
  return names.filter((name) => {
    const value = queue[name]
    return value !== undefined && value !== false && value !== 0 && !(Array.isArray(value) && value.length === 0)
  })
}
