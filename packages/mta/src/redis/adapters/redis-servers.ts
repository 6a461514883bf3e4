/**
 * How ioredis finds the server that an address means, at every connection anew: the one that is named, the master that
 * Sentinels name, or the master of the shard that holds the key. A server that has become a replica is not taken.
 */
import type { RedisOptions } from 'ioredis'
import { Redis } from 'ioredis'
import type { BehindSentinels, RedisAddress } from '../redis-address.ts'
import { slotConnector } from './redis-slot-connector.ts'

/** No answer of a Sentinel, or of a node of a Cluster, for this long: the next one is asked. */
export const FINDER_MS = 1_000
const SENTINELS_AGAIN_MS = 250

/** Answers are mapped as the client does by itself. */
export type ClientOptions = Omit<RedisOptions, 'replyMapping'>

export interface Finding {
  /** Go on looking for a master until there is one; else a connection fails when nobody names one. */
  readonly persistent: boolean
}

export function redisAt(address: RedisAddress, { persistent }: Finding, options: ClientOptions): Redis {
  switch (address.kind) {
    case 'sentinels':
      return new Redis({ ...options, ...behindSentinels(address, persistent) })
    case 'cluster':
      return new Redis({
        ...options,
        ...address.login,
        ...(address.tls ? { tls: {} } : {}),
        Connector: slotConnector(address, { persistent, askMs: FINDER_MS }),
      })
    default:
      return new Redis(address.url, options)
  }
}

function behindSentinels(address: BehindSentinels, persistent: boolean): ClientOptions {
  return {
    sentinels: address.sentinels.map((one) => ({ ...one })),
    name: address.master,
    role: 'master',
    ...address.login,
    sentinelUsername: address.sentinelLogin.username,
    sentinelPassword: address.sentinelLogin.password,
    db: address.database,
    ...(address.tls ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}),
    sentinelCommandTimeout: FINDER_MS,
    sentinelRetryStrategy: () => (persistent ? SENTINELS_AGAIN_MS : null),
  }
}
