/**
 * Connections to Redis as the rooms of the Redis engine want them: no limit on reconnecting, commands that fail at
 * once while there is none, nothing sent twice behind the caller's back. What a failure means is said by the caller.
 */
import type { Redis } from 'ioredis'
import type { RedisAddress } from '../redis-address.ts'
import { type ClientOptions, redisAt } from './redis-servers.ts'

export type RedisClient = Redis

const RECONNECT_MS = 50
const RECONNECT_MS_MAX = 1_000
const CONNECT_TIMEOUT_MS = 5_000

/** No answer for this long is an unknown outcome. */
export const COMMAND_TIMEOUT_MS = 5_000

/** A peer that has gone without a word: longer than any blocking read. */
const SILENT_MS = 10_000
/** No answer to a command of BullMQ, whose reads block 2 s. */
const BLOCKED_TIMEOUT_MS = 5_000

/** For short commands: they reject while there is no connection, and when it breaks before the answer came. */
export function connectRedis(address: RedisAddress): RedisClient {
  const client = redisAt(
    address,
    { persistent: true },
    {
      ...shared(),
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      // Else the client forgets the commands of a broken connection, and they end by their timeout only.
      maxRetriesPerRequest: 0,
      commandTimeout: COMMAND_TIMEOUT_MS,
    },
  )
  return onItsDatabase(client)
}

/** For BullMQ's workers, which keep their own retries and block on reading. */
export function connectRedisForBullmq(address: RedisAddress): RedisClient {
  const options = { ...shared(), maxRetriesPerRequest: null, commandTimeout: BLOCKED_TIMEOUT_MS }
  const client = redisAt(address, { persistent: true }, options)
  return onItsDatabase(client)
}

/**
 * Every outage is told by the commands that fail in it. But a client that was refused its database calls itself ready
 * all the same, and its commands would be of another queue: the server's refusal ends that connection.
 */
function onItsDatabase(client: RedisClient): RedisClient {
  client.on('error', (error: Error) => {
    if (error.name === 'ReplyError' && client.status === 'connect') client.disconnect(true)
  })
  return client
}

/** True once there is a connection, false when there was none in time; it goes on trying either way. */
export function connected(client: RedisClient, timeoutMs: number): Promise<boolean> {
  if (client.status === 'ready') return Promise.resolve(true)
  return new Promise((resolve) => {
    const timer = setTimeout(() => done(false), timeoutMs)
    const onReady = (): void => done(true)
    function done(ready: boolean): void {
      clearTimeout(timer)
      client.off('ready', onReady)
      resolve(ready)
    }
    client.once('ready', onReady)
  })
}

function shared(): ClientOptions {
  return {
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENT_MS,
    retryStrategy: (times: number) => Math.min(RECONNECT_MS * times, RECONNECT_MS_MAX),
    reconnectOnError: (error) => isWrongServer(error),
  }
}

/** The first word of an error reply is its code: a server that is no master any more, or not of these keys. */
const WRONG_SERVER = ['READONLY ', 'MOVED ', 'MASTERDOWN ', 'CLUSTERDOWN ', 'UNBLOCKED ']

function isWrongServer({ message }: Error): boolean {
  return WRONG_SERVER.some((code) => message.startsWith(code))
}
