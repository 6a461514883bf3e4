/** The permits of many processes, on a real redis-server. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import type { LaneId } from '../../packages/mta/src/delivery/lane.ts'
import { openRedisPermits, type RedisPermits } from '../../packages/mta/src/limits/adapters/redis-permits.ts'
import type { LimitsEvent } from '../../packages/mta/src/limits/events.ts'
import { permitsContract } from '../../packages/mta/src/limits/permits.contract.ts'
import type { SiteId, SiteLimits } from '../../packages/mta/src/limits/permits.ts'
import { connected, connectRedis, type RedisClient } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { type QueueKeys, queueKeys } from '../../packages/mta/src/redis/keys.ts'
import { type RedisProxy, redisProxy } from '../lab/redis-proxy.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'

let redis: RedisServer
let queues = 0
before(async () => {
  redis = await startRedis()
})
after(() => redis[Symbol.asyncDispose]())

permitsContract(async (limits) => {
  queues += 1
  const { permits } = await node(redis.socket, `contract-${queues}`, limits)
  return { permits, [Symbol.asyncDispose]: () => permits.close() }
})

interface NodeOfTest {
  readonly permits: RedisPermits
  readonly events: readonly LimitsEvent[]
}

async function node(url: string, queue: string, limits: SiteLimits, leaseMs?: number): Promise<NodeOfTest> {
  const events: LimitsEvent[] = []
  const address = { url }
  const permits = await openRedisPermits({
    client: connectRedis(address),
    listener: connectRedis(address),
    keys: queueKeys(queue),
    limitsOf: () => limits,
    monotonic: () => performance.now(),
    emit: (event) => events.push(event),
    ...(leaseMs === undefined ? {} : { leaseMs }),
  })
  return { permits, events }
}

const SITE = 'mx.example.com:25' as SiteId
const LEASE_MS = 600

describe('permits of many processes', () => {
  test('the limit holds over all nodes', async (t) => {
    const nodes = await cluster(t, { concurrency: 5 }, 3)
    const asks = nodes.flatMap(({ permits }) => Array.from({ length: 10 }, () => permits.acquire(SITE)))
    const granted = (await Promise.all(asks)).filter((permit) => permit !== undefined)
    assert.equal(granted.length, 5)
  })

  test('a permit that one node gives back calls who waits at another, and its lane is due for all', async (t) => {
    const [one, two] = await pair(t, { concurrency: 1 })
    const permit = await one.permits.acquire(SITE)
    let calledAt = 0
    const lane = 'mx:example.com:25' as LaneId
    await two.permits.acquire(SITE, () => (calledAt = Date.now()), lane)
    const released = Date.now()
    permit?.release('good')
    await until(() => calledAt > 0)
    const due = Number(await two.client.zscore(two.keys.due, lane))
    assert.ok(due >= released - 1 && due <= calledAt + 1)
    assert.ok((await two.permits.acquire(SITE)) !== undefined)
    t.diagnostic(`called ${calledAt - released} ms after the release`)
  })

  test('a lease is renewed for as long as its holder lives', async (t) => {
    const [one, two] = await pair(t, { concurrency: 1 })
    const permit = await one.permits.acquire(SITE)
    await pause(LEASE_MS * 2)
    assert.equal(permit?.isHeld(), true)
    assert.equal(await two.permits.acquire(SITE), undefined)
  })

  test('the permit of a holder that is dead goes to who waits when its lease ends, and nobody asks meanwhile', async (t) => {
    const [one, two] = await pair(t, { concurrency: 1 })
    await one.permits.acquire(SITE)
    let called = false
    await two.permits.acquire(SITE, () => {
      called = true
    })
    one.die()
    const diedAt = Date.now()
    await until(() => called)
    assert.ok(Date.now() - diedAt < LEASE_MS * 2)
    assert.ok((await two.permits.acquire(SITE)) !== undefined)
  })

  test('a holder without Redis knows by its own clock that its permit is over', async (t) => {
    await using own = await startRedis()
    const one = await node(own.socket, 'alone', { concurrency: 1 }, LEASE_MS)
    t.after(() => one.permits.close())
    const permit = await one.permits.acquire(SITE)
    assert.equal(permit?.isHeld(), true)
    await own.stop()
    await until(() => permit?.isHeld() === false)
    assert.equal(await one.permits.acquire(SITE), undefined)
    await own.start()
    await until(() => one.events.some(({ event }) => event === 'permits-available'))
    const told = one.events.map(({ event }) => event)
    assert.deepEqual(told, ['permits-unavailable', 'permits-available'])
    // Nobody took it: the renewal takes it again.
    await until(() => permit?.isHeld() === true)
    await one.permits.close()
  })

  test('a permit that another took meanwhile is lost, and giving it back changes nothing', async (t) => {
    const [one, two] = await pair(t, { concurrency: 1 })
    const permit = await one.permits.acquire(SITE)
    // As if the holder had been stopped for longer than its lease.
    await two.client.zadd(`${two.keys.permits(SITE)}:held`, '0', String(await heldBy(two)))
    assert.ok((await two.permits.acquire(SITE)) !== undefined)
    await until(() => one.events.some(({ event }) => event === 'permit-lost'))
    assert.equal(permit?.isHeld(), false)
    permit?.release('failed')
    assert.equal(await one.permits.acquire(SITE), undefined)
  })

  test('the lost answer to an acquire leaves no permit behind', async (t) => {
    const [one] = await pair(t, { concurrency: 1 }, 60_000)
    one.proxy.loseAnswerTo('permits:')
    assert.equal(await one.permits.acquire(SITE), undefined)
    assert.equal(one.proxy.lost, 1)
    await until(() => one.events.some(({ event }) => event === 'permits-available'))
    assert.ok((await one.permits.acquire(SITE)) !== undefined)
  })

  test('a node that loses the connection on which it is called asks again', async (t) => {
    const [one, two] = await pair(t, { concurrency: 1 }, 60_000)
    await one.permits.acquire(SITE)
    let called = false
    await two.permits.acquire(SITE, () => {
      called = true
    })
    await one.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await until(() => called)
  })

  test('a node that closes gives back what it holds, and nobody waits for it', async (t) => {
    const [one, two] = await pair(t, { concurrency: 1 }, 60_000)
    await one.permits.acquire(SITE)
    let called = false
    await two.permits.acquire(SITE, () => {
      called = true
    })
    await one.permits.close()
    await until(() => called)
  })
})

interface NodeInCluster extends NodeOfTest {
  readonly keys: QueueKeys
  readonly client: RedisClient
  readonly proxy: RedisProxy
  /** Without a word, as a killed process. */
  die(): void
}

async function pair(t: TestContext, limits: SiteLimits, leaseMs = LEASE_MS): Promise<[NodeInCluster, NodeInCluster]> {
  const [one, two] = await cluster(t, limits, 2, leaseMs)
  assert.ok(one !== undefined && two !== undefined)
  return [one, two]
}

async function cluster(
  t: TestContext,
  limits: SiteLimits,
  count: number,
  leaseMs = LEASE_MS,
): Promise<readonly NodeInCluster[]> {
  queues += 1
  const queue = `cluster-${queues}`
  const client = connectRedis({ url: redis.socket })
  await connected(client, 5_000)
  const nodes: NodeInCluster[] = []
  for (let n = 0; n < count; n += 1) {
    const proxy = await redisProxy(redis.socket, join(redis.directory, `${queue}-${n}.sock`))
    const one = await node(proxy.socket, queue, limits, leaseMs)
    const die = (): void => {
      proxy.fallSilent()
      void proxy[Symbol.asyncDispose]()
    }
    nodes.push({ ...one, keys: queueKeys(queue), client, proxy, die })
  }
  t.after(async () => {
    await Promise.all(nodes.map(({ permits }) => permits.close()))
    for (const { proxy } of nodes) await proxy[Symbol.asyncDispose]()
    client.disconnect()
  })
  return nodes
}

async function heldBy({ client, keys }: NodeInCluster): Promise<string | undefined> {
  const [first] = await client.zrange(`${keys.permits(SITE)}:held`, '0', '0')
  return first
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function until(condition: () => boolean): Promise<void> {
  const giveUpAt = Date.now() + 15_000
  while (!condition()) {
    assert.ok(Date.now() < giveUpAt, `this never happened: ${condition.toString()}`)
    await pause(2)
  }
}
