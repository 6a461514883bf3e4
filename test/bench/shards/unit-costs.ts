/**
 * What a message and a turn cost Redis, measured on a real server through the adapters that relays use: CPU by the
 * server's own account (`INFO cpu`), and memory for each message that waits.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openRedisPermits } from '../../../packages/mta/src/limits/adapters/redis-permits.ts'
import type { SiteId } from '../../../packages/mta/src/limits/permits.ts'
import {
  connected,
  connectRedis,
  connectRedisForBullmq,
  type RedisClient,
} from '../../../packages/mta/src/redis/adapters/redis-connection.ts'
import { queueKeys } from '../../../packages/mta/src/redis/keys.ts'
import { createBullmqScheduler } from '../../../packages/mta/src/schedule/adapters/bullmq-scheduler.ts'
import { openRedisSpool } from '../../../packages/mta/src/spool/adapters/redis-spool.ts'
import { delivered, lane, message, settlement } from '../../../packages/mta/src/spool/spool.fixture.ts'
import type { StoredSpool } from '../../../packages/mta/src/spool/stored-spool.ts'
import { startRedis } from '../../lab/redis-server.ts'

export interface UnitCosts {
  /** CPU milliseconds of Redis. */
  readonly acceptMs: number
  /** Claimed in a batch and settled. */
  readonly deliverMs: number
  /** Due time, lane job, permit: a turn without its messages. */
  readonly turnMs: number
  /** Of a message of 5 KB that waits. */
  readonly bytes: number
}

const QUEUE = 'costs'
const LANES = 200
const PER_LANE = 10
const TURNS = 2_000
const AT_ONCE = 50
const BODY_BYTES = 5_000
const SLOTS = 20
const DAY_MS = 86_400_000

export async function measureUnitCosts(): Promise<UnitCosts> {
  const redis = await startRedis()
  const directory = await mkdtemp(join(tmpdir(), 'hermetic-costs-'))
  const address = { url: redis.socket }
  const client = connectRedis(address)
  try {
    await connected(client, 5_000)
    const opened = await openRedisSpool({
      ...{ address, queue: QUEUE, durability: 'strict', maxBytes: 1024 ** 3, emit: () => undefined },
      ...{ dataDir: join(directory, 'node'), contentDir: join(directory, 'content') },
    })
    assert.ok(opened.ok)
    const spool = opened.value
    const count = LANES * PER_LANE
    const before = await memoryOf(client)
    const accepting = await cpuMs(client, () => fill(spool, count))
    const bytes = ((await memoryOf(client)) - before) / count
    const delivering = await cpuMs(client, () => empty(spool))
    await spool.close()
    const turning = await cpuMs(client, () => runTurns(redis.socket))
    return { acceptMs: accepting / count, deliverMs: delivering / count, turnMs: turning / TURNS, bytes }
  } finally {
    client.disconnect()
    await redis[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  }
}

async function fill(spool: StoredSpool, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += AT_ONCE) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async (_, index) => {
        const now = Date.now()
        const made = message([((sent + index) % LANES) + 1], { receivedAt: now, expiresAt: now + DAY_MS })
        const bytes = Buffer.from(crypto.getRandomValues(new Uint8Array(BODY_BYTES)))
        const outcome = await spool.accept({ ...made, content: { kind: 'memory', bytes } })
        assert.equal(outcome.kind, 'accepted')
      }),
    )
  }
}

async function empty(spool: StoredSpool): Promise<void> {
  for (let n = 1; n <= LANES; n += 1) {
    const claims = await spool.claim(lane(n), { limit: AT_ONCE, leaseMs: 60_000 })
    await Promise.all(
      claims.map(async ({ token, id }) => {
        await spool.open(id)
        await spool.settle(token, settlement('a', [delivered()]))
      }),
    )
  }
}

/** Each wakes a lane that has nothing, asks for a permit, and ends. */
async function runTurns(url: string): Promise<void> {
  const keys = queueKeys(QUEUE)
  const ready = async (): Promise<RedisClient> => {
    const one = connectRedis({ url })
    await connected(one, 5_000)
    return one
  }
  const permits = await openRedisPermits({
    ...{ client: await ready(), listener: await ready(), keys, monotonic: () => performance.now(), emit: () => {} },
    limitsOf: () => ({ concurrency: SLOTS }),
  })
  const scheduler = createBullmqScheduler({
    ...{ client: await ready(), keys, now: Date.now, monotonic: () => performance.now(), emit: () => {} },
    connectForJobs: () => connectRedisForBullmq({ url }),
  })
  let turns = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  await scheduler.run(
    async (one) => {
      const permit = await permits.acquire(`${one}` as string as SiteId)
      permit?.release('good')
      turns += 1
      if (turns === TURNS) resolve()
      else if (turns <= TURNS - SLOTS) scheduler.wake(lane(((turns + SLOTS) % LANES) + 1))
      return { kind: 'idle' }
    },
    { slots: SLOTS },
  )
  for (let n = 1; n <= SLOTS; n += 1) scheduler.wake(lane(n))
  await promise
  await scheduler.stop(1_000)
  await permits.close()
}

/** What the server spent on it, all its threads and the system's share included. */
async function cpuMs(client: RedisClient, work: () => Promise<void>): Promise<number> {
  const before = await spentMs(client)
  await work()
  return (await spentMs(client)) - before
}

async function spentMs(client: RedisClient): Promise<number> {
  const text = await client.info('cpu')
  return ['used_cpu_user', 'used_cpu_sys'].reduce((sum, name) => sum + valueIn(text, name) * 1_000, 0)
}

async function memoryOf(client: RedisClient): Promise<number> {
  return valueIn(await client.info('memory'), 'used_memory')
}

function valueIn(text: string, name: string): number {
  return Number(new RegExp(`^${name}:([0-9.]+)`, 'm').exec(text)?.[1])
}
