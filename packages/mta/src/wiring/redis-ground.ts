/**
 * What everything that relays share in Redis stands on: one connection for short commands, how to get another, and
 * the names of keys. The connection rejects while there is none and sends nothing twice.
 */
import { type EmitPolicyEvent, type SharedPolicies, sharedPolicies } from '@hermetic/policy'
import { redisAddress } from '../config/redis-servers.ts'
import type { QueueConfig } from '../config/schema.ts'
import { connected, connectRedis, connectRedisForBullmq, type RedisClient } from '../redis/adapters/redis-connection.ts'
import { type OtherTags, otherTags, type QueueKeys, queueKeys } from '../redis/keys.ts'
import type { RedisAddress } from '../redis/redis-address.ts'

export type RedisQueueConfig = Extract<QueueConfig, { readonly engine: 'redis' }>

/** Relays with the same Redis and database share one queue, which has this name there. */
export const QUEUE_NAME = 'mail'

const OTHERS = ['policies', 'results', 'suppression'] as const

/** Who comes up while Redis restarts need not start again. */
const CONNECT_MS = 10_000

export interface RedisGround {
  readonly queue: typeof QUEUE_NAME
  readonly keys: QueueKeys
  /** For short commands on the keys of the queue. */
  readonly client: RedisClient
  /** For short commands on keys of another tag: in a Cluster they may be on another server. */
  clientAt(tag: keyof OtherTags): RedisClient
  /**
   * One more connection for the keys of the queue, for whoever subscribes or blocks, or must keep its commands in order;
   * closed by whoever asked.
   */
  connect(): RedisClient
  connectForBullmq(): RedisClient
  sharedPolicies(emit: EmitPolicyEvent): SharedPolicies
  close(): void
}

/** Waits for the first connection a while; without one it goes on trying. */
export async function openRedisGround({ redis }: Pick<RedisQueueConfig, 'redis'>): Promise<RedisGround> {
  const keys = queueKeys(QUEUE_NAME)
  const tags = otherTags(QUEUE_NAME)
  const at = (key: string): RedisAddress => redisAddress(redis, key)
  const connect = (): RedisClient => connectRedis(at(keys.tag))
  const client = connect()
  await connected(client, CONNECT_MS)
  const others = new Map<string, RedisClient>()
  const clientAt = (name: keyof OtherTags): RedisClient => {
    const tag = tags[name]
    if (redis.kind !== 'cluster') return client
    const other = others.get(tag) ?? connectRedis(at(tag))
    others.set(tag, other)
    return other
  }
  // Whoever asks at once would hear that there is no connection.
  await Promise.all(OTHERS.map((name) => connected(clientAt(name), CONNECT_MS)))
  return {
    ...{ queue: QUEUE_NAME, keys, client, clientAt, connect },
    connectForBullmq: () => connectRedisForBullmq(at(keys.tag)),
    sharedPolicies: (emit) => sharedPolicies({ client: clientAt('policies'), name: QUEUE_NAME, now: Date.now, emit }),
    close: () => {
      client.disconnect()
      for (const other of others.values()) other.disconnect()
    },
  }
}
