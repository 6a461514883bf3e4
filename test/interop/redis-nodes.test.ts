/** The nodes of a queue on a real redis-server: the contract, and what only this adapter promises. */
import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { RedisNodes } from '../../packages/mta/src/nodes/adapters/redis-nodes.ts'
import type { NodeEvent } from '../../packages/mta/src/nodes/events.ts'
import { type NodeId, type NodeRecord, readNodeRecord } from '../../packages/mta/src/nodes/node-record.ts'
import { nodeRegistryContract } from '../../packages/mta/src/nodes/node-registry.contract.ts'
import { NodesUnavailable } from '../../packages/mta/src/nodes/node-registry.ts'
import { NodeService } from '../../packages/mta/src/nodes/node-service.ts'
import { connected, connectRedis, type RedisClient } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { queueKeys } from '../../packages/mta/src/redis/keys.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'

let redis: RedisServer
let queues = 0
before(async () => {
  redis = await startRedis()
})
after(() => redis[Symbol.asyncDispose]())

nodeRegistryContract(async (times) => {
  const { client, keys } = await queueOfTest(redis)
  const registry = new RedisNodes({ client, keys, times })
  return { registry, [Symbol.asyncDispose]: async () => registry.close() }
})

describe('nodes in Redis', () => {
  test('a store that has lost its nodes knows them again with the next beat, and their orders are over', async (t) => {
    const { registry, client, keys } = await open(t)
    await registry.join(node('a'))
    await registry.order(node('a').id, 'drain')
    await client.del(keys.nodes, keys.nodeBeats, keys.nodeHolders, keys.nodeWishes)
    const heard = await registry.beat(node('a'))
    assert.equal(heard.kind === 'heard' && heard.wish, undefined)
    assert.deepEqual(
      (await registry.list()).map(({ id }) => id),
      [node('a').id],
    )
  })

  test('beats are told the time of Redis', async (t) => {
    const { registry } = await open(t)
    const askedAt = Date.now()
    const heard = await registry.beat(node('a'))
    assert.ok(heard.kind === 'heard' && Math.abs((heard.storeTime ?? 0) - askedAt) < 1_000)
  })

  test('of more nodes than can be named the longest silent are forgotten, with all that was kept of them', async (t) => {
    const { registry, client, keys } = await open(t, { nodesMax: 3 })
    for (const name of 'abcdef') {
      await registry.join(node(name))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    const listed = (await registry.list()).map(({ id }) => id.slice(0, 1))
    assert.deepEqual(listed.toSorted(), ['d', 'e', 'f'])
    assert.deepEqual([await client.hlen(keys.nodes), await client.hlen(keys.nodeHolders)], [3, 3])
  })

  test('without Redis nothing is known of nodes, and that is said', async () => {
    await using own = await startRedis()
    const { client, keys } = await queueOfTest(own)
    const registry = new RedisNodes({ client, keys })
    await registry.join(node('a'))
    await own.stop('SIGKILL')
    await assert.rejects(registry.list(), NodesUnavailable)
    await assert.rejects(registry.beat(node('a')), NodesUnavailable)
    registry.close()
  })

  test('a node whose clock is off the clock of Redis by more than the limit says so, and all see it', async (t) => {
    const { registry, client, keys } = await open(t)
    const events: NodeEvent[] = []
    let aheadMs = 5_000
    const { id, incarnation, hostname, pid, pidSpace, version, startedAt, roles } = node('a')
    const service = new NodeService({
      registry: new RedisNodes({ client, keys }),
      identity: { id, incarnation, hostname, pid, pidSpace, version, startedAt, roles },
      isAlive: () => true,
      work: () => NOTHING,
      now: () => Date.now() + aheadMs,
      monotonic: () => performance.now(),
      emit: (event) => events.push(event),
      beatMs: 20,
    })
    assert.ok((await service.join()).ok)
    await until(() => events.some(({ event }) => event === 'clock-out-of-step'))
    await until(async () => ((await registry.list())[0]?.skewMs ?? 0) > 4_500)
    aheadMs = -30
    await until(() => events.some(({ event }) => event === 'clock-in-step'))
    await until(async () => Math.abs(((await registry.list())[0]?.skewMs ?? 9_999) + 30) < 500)
    const told = events.filter(({ event }) => event.startsWith('clock-'))
    assert.equal(told.length, 2)
    await service.close()
  })

  test('a full Redis still hears beats', async (t) => {
    await using own = await startRedis({ settings: ['--maxmemory', '3mb'] })
    const { client, keys } = await queueOfTest(own)
    t.after(() => client.disconnect())
    await assert.rejects(
      client.set('x', Buffer.alloc(8_000_000)).then(() => client.set('y', 'z')),
      /OOM/,
    )
    const registry = new RedisNodes({ client, keys })
    assert.equal((await registry.join(node('a'))).kind, 'joined')
    assert.equal((await registry.beat(node('a'))).kind, 'heard')
  })

  test('what a stranger wrote in the place of a record is no reason to fail', async (t) => {
    const { registry, client, keys } = await open(t)
    await registry.join(node('a'))
    await client.hset(keys.nodes, node('a').id, '{"state": 7, "listeners": "x')
    const [listed] = await registry.list()
    assert.deepEqual([listed?.standing, listed?.hostname], ['running', ''])
  })
})

interface Opened {
  readonly registry: RedisNodes
  readonly client: RedisClient
  readonly keys: ReturnType<typeof queueKeys>
}

async function open(t: TestContext, options: { readonly nodesMax?: number } = {}): Promise<Opened> {
  const { client, keys } = await queueOfTest(redis)
  const registry = new RedisNodes({ client, keys, ...options })
  t.after(() => registry.close())
  return { registry, client, keys }
}

async function queueOfTest(server: RedisServer) {
  queues += 1
  const client = connectRedis({ url: server.socket })
  assert.ok(await connected(client, 5_000))
  return { client, keys: queueKeys(`nodes-${queues}`) }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + 15_000
  while (!(await condition())) {
    assert.ok(Date.now() < giveUpAt, `this never happened: ${condition.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

function node(name: string): NodeRecord {
  const id = name.repeat(12) as NodeId
  return { ...readNodeRecord(id, '{}'), incarnation: `${name}-1`, hostname: `${name}.example.test` }
}

const NOTHING = {
  ...{ listeners: [], lanes: 0, inFlight: 0 },
  ...{ accepted: 0, delivered: 0, acceptedLately: 0, deliveredLately: 0 },
}
