/**
 * The connection of the spool to Redis: one at a time, checked before its first use, replaced when it is lost. What
 * was under way on a lost connection fails with an unknown outcome and is never sent again by itself; the callers
 * know what a repetition would mean. Knows scripts and replies, nothing of mail.
 */

import { type RedisScriptClient, replyCode, runScript } from '@hermetic/policy/redis-script'
import type { Redis } from 'ioredis'
import { redisAt } from '../../redis/adapters/redis-servers.ts'
import type { RedisAddress } from '../../redis/redis-address.ts'
import { errorCode } from '../durable-file.ts'
import { inTime, NotInTime } from '../in-time.ts'
import { StoreFailed, type StoreFailure } from '../store-failed.ts'
import { CONFIRMED, ReplicaConfirmation } from './redis-confirmation.ts'
import { redisFailure } from './redis-failure.ts'
import type { RedisArgument, RedisReply } from './redis-records.ts'
import { REDIS_SCRIPTS, type RedisScriptName } from './redis-scripts.ts'

const CONNECT_MS_MAX = 10_000
/** A server that has not answered by then is treated as gone: another connection may lead to another server. */
const ANSWER_MS_MAX = 20_000
const RECONNECT_MS_MIN = 100
const RECONNECT_MS_MAX = 2000

/**
 * No retries and no queue of its own: a command that could not be sent fails at once, one whose answer is missing
 * fails when the connection ends, and a new connection is a new client.
 */
const OPTIONS = {
  lazyConnect: true,
  connectTimeout: CONNECT_MS_MAX,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: null,
  retryStrategy: () => null,
  disableClientInfo: true,
} as const

export interface RedisConnectionOptions {
  readonly address: RedisAddress
  /** The key that decides the slot of all others. */
  readonly key: string
  readonly mono: () => number
  /** Whether this server will do; asked at every connection, rejects when not. */
  readonly check: (connection: RedisCalls) => Promise<void>
  /** The store cannot be used, told before the promises are rejected. */
  readonly onFailure: (failure: StoreFailure) => void
  /** Whether what is written counts only when a replica has it, too. */
  readonly confirms?: () => boolean
}

/** Plain commands on a connection. */
export interface RedisCalls {
  call(command: string, ...args: readonly RedisArgument[]): Promise<RedisReply>
}

export class RedisConnection implements RedisCalls {
  readonly #options: RedisConnectionOptions
  #client: Redis | undefined
  /** Of the client: it knows of what was written on its own connection. */
  #confirmation: ReplicaConfirmation | undefined
  #reconnect: NodeJS.Timeout | undefined
  #attempts = 0
  #opened = 0
  #closed = false
  #lastDetail = 'not connected yet'
  readonly #since = new Set<{ readonly at: number }>()
  #gathering = false

  constructor(options: RedisConnectionOptions) {
    this.#options = options
  }

  get isUp(): boolean {
    return this.#client !== undefined
  }

  /** How many connections there have been. */
  get opened(): number {
    return this.#opened
  }

  /** Why there is no connection. */
  get detail(): string {
    return this.#lastDetail
  }

  /** How long the oldest call has been waiting, in milliseconds. */
  waitingMs(): number {
    const [oldest] = this.#since
    return oldest === undefined ? 0 : this.#options.mono() - oldest.at
  }

  /** The first connection; rejects with what is wrong. Later ones are made by themselves. */
  async open(): Promise<void> {
    const client = redisAt(this.#options.address, { persistent: false }, OPTIONS)
    // Without a listener the client writes errors to the console; each of them comes again as a rejection.
    let cause: unknown
    client.on('error', (error: unknown) => {
      cause = error
    })
    try {
      await inTime(client.connect(), CONNECT_MS_MAX)
      // The client calls itself ready also when it was not given the database that it had asked for.
      if (cause !== undefined) throw cause
      await this.#prepare(client)
    } catch (error) {
      client.disconnect()
      // Why there is no connection is told as an event; the rejection then only says that it was closed.
      throw cause === undefined ? error : new Error(refusalText(cause), { cause })
    }
    if (this.#closed) return client.disconnect()
    this.#attempts = 0
    this.#opened += 1
    this.#client = client
    this.#confirmation = new ReplicaConfirmation((words) => send(client, 'WAITAOF', words))
    client.once('close', () => this.#lost(client, 'the connection was closed'))
    if (client.status !== 'ready') this.#lost(client, 'the connection was closed')
  }

  async script(name: RedisScriptName, args: readonly RedisArgument[]): Promise<RedisReply> {
    const script = REDIS_SCRIPTS.get(name)
    if (script === undefined) throw new Error(`no script ${name}`)
    return await this.#answered(async (client) => {
      const answers: RedisScriptClient = {
        evalsha: (...words) => client.callBuffer('EVALSHA', ...words),
        eval: (...words) => client.callBuffer('EVAL', ...words),
      }
      const confirmation = this.#confirmation
      const reply = (await runScript(answers, script, { keys: [this.#options.key], args })) as RedisReply
      if (CONFIRMED.has(name) && this.#options.confirms?.() === true) await confirmation?.confirmed()
      return reply
    })
  }

  async call(command: string, ...args: readonly RedisArgument[]): Promise<RedisReply> {
    return await this.#answered((client) => send(client, command, args))
  }

  /** Gives this connection up; what is under way on it has an unknown outcome. */
  drop(detail: string): void {
    const client = this.#client
    if (client === undefined) return
    this.#lost(client, detail)
    client.disconnect()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#reconnect)
    const client = this.#client
    this.#client = undefined
    client?.disconnect()
  }

  async #answered(call: (client: Redis) => Promise<RedisReply>): Promise<RedisReply> {
    const client = this.#client
    if (client === undefined) {
      const failure = {
        scope: 'store',
        full: false,
        detail: `Redis: ${this.#lastDetail}`,
        outcomeUnknown: false,
      } as const
      throw new StoreFailed(failure)
    }
    const waiting = { at: this.#options.mono() }
    this.#since.add(waiting)
    this.#gather(client)
    try {
      return await inTime(call(client), ANSWER_MS_MAX)
    } catch (error) {
      throw this.#failed(client, error)
    } finally {
      this.#since.delete(waiting)
    }
  }

  /**
   * What is asked in one turn of the event loop goes out in one write: Redis then reads it at once, and syncs its log
   * once for all of it. One write for each command costs more than the commands.
   */
  #gather(client: Redis): void {
    if (this.#gathering) return
    this.#gathering = true
    const { stream } = client
    stream.cork()
    setImmediate(() => {
      this.#gathering = false
      stream.uncork()
    })
  }

  #failed(client: Redis, error: unknown): StoreFailed {
    const { reconnect, ...failure } = redisFailure(error)
    if (failure.scope === 'store') this.#options.onFailure(failure)
    if ((reconnect || error instanceof NotInTime) && this.#client === client) this.drop(failure.detail)
    return new StoreFailed(failure)
  }

  #lost(client: Redis, detail: string): void {
    if (this.#client !== client || this.#closed) return
    this.#client = undefined
    this.#lastDetail = detail
    this.#options.onFailure({ scope: 'store', full: false, detail: `Redis: ${detail}` })
    this.#reconnectSoon()
  }

  #reconnectSoon(): void {
    const wait = Math.min(RECONNECT_MS_MIN * 2 ** this.#attempts, RECONNECT_MS_MAX)
    this.#attempts += 1
    this.#reconnect = setTimeout(() => {
      void this.open().catch((error: unknown) => {
        this.#lastDetail = error instanceof Error ? error.message : String(error)
        if (!this.#closed) this.#reconnectSoon()
      })
    }, wait)
    this.#reconnect.unref()
  }

  async #prepare(client: Redis): Promise<void> {
    const calls: RedisCalls = { call: (command, ...args) => inTime(send(client, command, args), CONNECT_MS_MAX) }
    await this.#options.check(calls)
    await Promise.all([...REDIS_SCRIPTS.values()].map(({ text }) => calls.call('SCRIPT', 'LOAD', text)))
  }
}

function refusalText(cause: unknown): string {
  if (cause instanceof Error && replyCode(cause) !== undefined) return `it answers ${cause.message}`
  return `no connection (${errorCode(cause)})`
}

/** Always as bytes: contents are no text. */
async function send(client: Redis, command: string, args: readonly RedisArgument[]): Promise<RedisReply> {
  return (await client.callBuffer(command, ...args)) as RedisReply
}
