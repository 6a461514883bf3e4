/**
 * What everything that relays share in Redis stands on: one connection for short commands, how to get another, and
 * the names of keys. The connection rejects while there is none and sends nothing twice.
 */
import { type EmitPolicyEvent, type SharedPolicies, sharedPolicies } from '@hermetic/policy'
import type { QueueConfig } from '../config/schema.ts'
import { connected, connectRedis, connectRedisForBullmq, type RedisClient } from '../redis/adapters/redis-connection.ts'
import { type QueueKeys, queueKeys } from '../redis/keys.ts'

export type RedisQueueConfig = Extract<QueueConfig, { readonly engine: 'redis' }>

/** Relays with the same Redis and database share one queue, which has this name there. */
export const QUEUE_NAME = 'mail'

/** Who comes up while Redis restarts need not start again. */
const CONNECT_MS = 10_000

export interface RedisGround {
  readonly queue: typeof QUEUE_NAME
  readonly keys: QueueKeys
  /** For short commands of everybody. */
  readonly client: RedisClient
  /** One more connection, for whoever subscribes or blocks, or must keep its commands in order; closed by whoever asked. */
  connect(): RedisClient
  connectForBullmq(): RedisClient
  sharedPolicies(emit: EmitPolicyEvent): SharedPolicies
  close(): void
}

/** Waits for the first connection a while; without one it goes on trying. */
export async function openRedisGround({ redis_url: secret }: RedisQueueConfig): Promise<RedisGround> {
  const url = secret.reveal()
  const connect = (): RedisClient => connectRedis({ url })
  const client = connect()
  await connected(client, CONNECT_MS)
  return {
    ...{ queue: QUEUE_NAME, keys: queueKeys(QUEUE_NAME), client, connect },
    connectForBullmq: () => connectRedisForBullmq({ url }),
    sharedPolicies: (emit) => sharedPolicies({ client, name: QUEUE_NAME, now: Date.now, emit }),
    close: () => client.disconnect(),
  }
}
