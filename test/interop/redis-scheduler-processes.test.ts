/** Lanes and permits of several processes that are killed, stopped and cut off from Redis (architecture §3). */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import type { LaneId } from '../../packages/mta/src/delivery/lane.ts'
import { connected, connectRedis, type RedisClient } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { queueKeys } from '../../packages/mta/src/redis/keys.ts'
import { type CountingMx, countingMx, type NodeSettings, redisNode } from '../lab/redis-node.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'

const LEASE_MS = 2_000
const LOCK_MS = 1_000
const keys = queueKeys('processes')

test('two processes share the lanes, and no site ever sees more transactions than its permits', async (t) => {
  const world = await createWorld(t)
  const permits = { concurrency: 3, leaseMs: LEASE_MS }
  await world.node({ permits })
  await world.node({ permits })
  let most = 0
  world.mx.onBegin = () => {
    most = Math.max(most, world.mx.open())
  }
  const deliveries = await world.put(20, 15)
  await world.allDelivered(deliveries)
  assert.ok(most <= 3, `${most} transactions at once`)
  assert.equal(most, 3, 'the permits were used')
  assert.ok(Math.max(...world.mx.delivered.values()) === 1, 'each delivery came once')
})

test('a process that is killed leaves its lanes and its permits to others', async (t) => {
  const world = await createWorld(t)
  const permits = { concurrency: 2, leaseMs: LEASE_MS }
  const victim = await world.node({ permits })
  const deliveries = await world.put(12, 10)
  await until(() => world.mx.delivered.size > 10, 20_000)
  await world.node({ permits })
  const killedAt = Date.now()
  await world.kill(victim)
  await world.allDelivered(deliveries)
  t.diagnostic(`all delivered ${Date.now() - killedAt} ms after the kill; ${world.duplicates()} twice`)
})

test('a process stopped beyond its lease is overtaken, and begins nothing when it goes on', async (t) => {
  const world = await createWorld(t)
  const permits = { concurrency: 2, leaseMs: LEASE_MS }
  const victim = await world.node({ permits, transactionMs: 40 })
  const deliveries = await world.put(8, 15)
  await until(() => world.mx.delivered.size > 10, 20_000)
  await world.node({ permits, transactionMs: 40 })
  victim.kill('SIGSTOP')
  const stopped = new Set([victim.pid ?? 0])
  // Its lease runs on for a while; until then its transactions count.
  await pause(LEASE_MS + 500)
  const uncounted = world.mx.open() - world.mx.open(stopped)
  let most = 0
  world.mx.onBegin = () => {
    most = Math.max(most, world.mx.open(stopped))
  }
  const before = world.mx.delivered.size
  await until(() => world.mx.delivered.size > before + 20, 20_000)
  victim.kill('SIGCONT')
  await until(() => world.mx.open() - world.mx.open(stopped) === 0 || world.mx.open() <= 2, 5_000)
  world.mx.onBegin = () => {
    most = Math.max(most, world.mx.open())
  }
  await world.allDelivered(deliveries)
  assert.ok(most <= 2, `${most} transactions at once`)
  t.diagnostic(`${uncounted} transactions of the stopped process were not counted; ${world.duplicates()} came twice`)
})

test('Redis restarted and killed: everything flows again by itself', async (t) => {
  const world = await createWorld(t)
  const permits = { concurrency: 4, leaseMs: LEASE_MS }
  await world.node({ permits })
  await world.node({ permits })
  const deliveries = await world.put(10, 40)
  await until(() => world.mx.delivered.size > 20, 20_000)
  await world.redis.stop('SIGTERM')
  await pause(1_500)
  await world.redis.start()
  const again = world.mx.delivered.size
  await until(() => world.mx.delivered.size > again + 20 || world.mx.delivered.size === deliveries.length, 20_000)
  await world.redis.stop('SIGKILL')
  await pause(500)
  await world.redis.start()
  const restartedAt = Date.now()
  await world.allDelivered(deliveries)
  t.diagnostic(`all delivered ${Date.now() - restartedAt} ms after the last start; ${world.duplicates()} twice`)
})

interface World {
  readonly redis: RedisServer
  readonly mx: CountingMx
  node(settings: Partial<NodeSettings>): Promise<ChildProcess>
  kill(child: ChildProcess): Promise<void>
  /** So many lanes with so many deliveries each, due now; answers their names. */
  put(lanes: number, each: number): Promise<readonly string[]>
  allDelivered(deliveries: readonly string[]): Promise<void>
  duplicates(): number
}

async function createWorld(t: TestContext): Promise<World> {
  const redis = await startRedis()
  const mx = await countingMx(redis.directory)
  const client = connectRedis({ url: redis.socket })
  await connected(client, 5_000)
  const children = new Set<ChildProcess>()
  t.after(async () => {
    await Promise.all([...children].map(end))
    client.disconnect()
    await mx[Symbol.asyncDispose]()
    await redis[Symbol.asyncDispose]()
  })
  return {
    redis,
    mx,
    node: async (settings) => {
      const limits = { leaseMs: LEASE_MS, lockMs: LOCK_MS }
      const child = await redisNode({
        ...{ redis: redis.socket, queue: 'processes', mx: mx.socket, slots: 6, limits, transactionMs: 5 },
        ...settings,
      })
      children.add(child)
      return child
    },
    kill: async (child) => {
      children.delete(child)
      await end(child)
    },
    put: (lanes, each) => put(client, lanes, each),
    allDelivered: (deliveries) =>
      until(
        () => deliveries.every((one) => mx.delivered.has(one)),
        40_000,
        () => `${mx.delivered.size} delivered`,
      ),
    duplicates: () => [...mx.delivered.values()].filter((times) => times > 1).length,
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

async function put(client: RedisClient, lanes: number, each: number): Promise<readonly string[]> {
  const names: string[] = []
  for (let l = 0; l < lanes; l += 1) {
    const lane = `mx:${l}.example:25` as LaneId
    const batch = client.multi()
    for (let d = 0; d < each; d += 1) {
      names.push(`${l}-${d}`)
      batch.zadd(keys.laneDue(lane), Date.now(), `${l}-${d}`)
    }
    await batch.zadd(keys.due, 'LT', Date.now(), lane).exec()
  }
  return names
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function until(condition: () => boolean, ms: number, told: () => string = () => ''): Promise<void> {
  const giveUpAt = Date.now() + ms
  while (!condition()) {
    assert.ok(Date.now() < giveUpAt, `this never happened: ${condition.toString()} ${told()}`)
    await pause(5)
  }
}
