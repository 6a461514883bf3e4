/** The quotas that relays share, on a real redis-server. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createRedisQuotas } from '../../packages/mta/src/limits/adapters/redis-quotas.ts'
import { quotasContract } from '../../packages/mta/src/limits/quotas.contract.ts'
import type { Quotas } from '../../packages/mta/src/limits/quotas.ts'
import { connected, connectRedis, type RedisClient } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { queueKeys } from '../../packages/mta/src/redis/keys.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'

let redis: RedisServer
let queues = 0
before(async () => {
  redis = await startRedis()
})
after(() => redis[Symbol.asyncDispose]())

async function node(queue: string): Promise<{ readonly quotas: Quotas; readonly client: RedisClient }> {
  const client = connectRedis({ url: redis.socket })
  await connected(client, 5_000)
  return { quotas: createRedisQuotas({ client, keys: queueKeys(queue) }), client }
}

quotasContract(async () => {
  queues += 1
  const { quotas, client } = await node(`contract-${queues}`)
  return { quotas, [Symbol.asyncDispose]: async () => client.disconnect() }
})

describe('quotas of many relays', () => {
  const rate = { transactions: 20, perMs: 600_000, burst: 20 }

  test('all relays count together', async () => {
    const nodes = await Promise.all([1, 2, 3].map(() => node('together')))
    const asks = nodes.flatMap(({ quotas }) =>
      Array.from({ length: 15 }, () => quotas.take([{ key: 'login shop', rate, amount: 1 }])),
    )
    const granted = (await Promise.all(asks)).filter(({ kind }) => kind === 'granted')
    assert.equal(granted.length, 20)
    for (const { client } of nodes) client.disconnect()
  })

  test('a key ends when its owner has rested', async () => {
    const { quotas, client } = await node('ending')
    await quotas.take([{ key: 'login shop', rate, amount: 5 }])
    const [key = ''] = await client.keys('{hermetic:ending}:quota:*')
    const left = await client.pttl(key)
    assert.ok(left > 140_000 && left <= 150_000, `${left}`)
    client.disconnect()
  })

  test('without Redis nothing is granted and nothing throws', async () => {
    const { quotas, client } = await node('away')
    client.disconnect()
    const answer = await quotas.take([{ key: 'a', rate, amount: 1 }])
    assert.equal(answer.kind, 'unavailable')
  })
})
