/**
 * What a Redis server says of itself: gathered here, judged in `redis-durability.ts` and `capacity.ts`. A server that
 * refuses a question has not said anything; only a connection that breaks is an error.
 */

import { replyCode } from '@hermetic/policy/redis-script'
import type { RedisCalls } from './redis-connection.ts'
import type { DurabilityFacts } from './redis-durability.ts'
import { type RedisArgument, texts } from './redis-records.ts'

/** `failsOver`: another server may take over from the one that is asked, which does not know it. */
export async function gatherDurability(redis: RedisCalls, failsOver = false): Promise<DurabilityFacts> {
  const info = infoLines(await asked(redis, 'INFO'))
  return {
    failsOver,
    version: info.get('redis_version'),
    role: info.get('role'),
    replicas: info.get('connected_slaves'),
    clustered: info.get('cluster_enabled'),
    appendonly: await setting(redis, 'appendonly'),
    appendfsync: await setting(redis, 'appendfsync'),
    noAppendfsyncOnRewrite: await setting(redis, 'no-appendfsync-on-rewrite'),
    maxmemoryPolicy: await setting(redis, 'maxmemory-policy'),
  }
}

/** Undefined when the server has no limit of its own, or does not tell it. */
export async function gatherMemory(
  redis: RedisCalls,
): Promise<{ readonly usedBytes: number; readonly maxBytes: number } | undefined> {
  const info = infoLines(await asked(redis, 'INFO', 'memory'))
  const [usedBytes, maxBytes] = [Number(info.get('used_memory')), Number(info.get('maxmemory'))]
  return maxBytes > 0 && usedBytes > 0 ? { usedBytes, maxBytes } : undefined
}

async function setting(redis: RedisCalls, name: string): Promise<string | undefined> {
  const [, value] = await asked(redis, 'CONFIG', 'GET', name)
  return value
}

async function asked(
  redis: RedisCalls,
  command: string,
  ...args: readonly RedisArgument[]
): Promise<readonly string[]> {
  try {
    const reply = await redis.call(command, ...args)
    return Array.isArray(reply) ? texts(reply) : [String(reply)]
  } catch (error) {
    if (replyCode(error) !== undefined) return []
    throw error
  }
}

function infoLines([text = '']: readonly string[]): ReadonlyMap<string, string> {
  const lines = text.split('\r\n').map((line): [string, string] => {
    const at = line.indexOf(':')
    return [line.slice(0, at), line.slice(at + 1)]
  })
  return new Map(lines)
}
