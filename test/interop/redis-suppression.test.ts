/** Suppressed addresses that relays share, on a real redis-server. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connected, connectRedis, type RedisClient } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { createRedisSuppression } from '../../packages/mta/src/suppression/adapters/redis-suppression.ts'
import {
  type SuppressionWorld,
  suppressionContract,
} from '../../packages/mta/src/suppression/suppression-list.contract.ts'
import { type SuppressionKey, SuppressionUnavailable } from '../../packages/mta/src/suppression/suppression-list.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'

let redis: RedisServer
let queues = 0
before(async () => {
  redis = await startRedis()
})
after(() => redis[Symbol.asyncDispose]())

async function client(): Promise<RedisClient> {
  const one = connectRedis({ url: redis.socket })
  await connected(one, 5_000)
  return one
}

suppressionContract(async (world) => {
  queues += 1
  const one = await client()
  const list = createRedisSuppression({ client: one, queue: `contract-${queues}`, ...world })
  return { list, [Symbol.asyncDispose]: async () => one.disconnect() }
})

const WORLD: SuppressionWorld = {
  terms: () => ({ strikes: 2, windowMs: 60_000, expiryMs: 60_000, entriesMax: 10 }),
  now: () => 1_000,
}
const A = 'a@example.com' as SuppressionKey

test('refusals that different relays met add up, and all of them know', async () => {
  const clients = await Promise.all([client(), client()])
  const [one, two] = clients.map((each) => createRedisSuppression({ client: each, queue: 'shared', ...WORLD }))
  const noted = { refused: [{ address: A, status: '5.1.1' as const }], delivered: [] }
  assert.deepEqual(await one?.note(noted), [])
  assert.equal((await two?.note(noted))?.length, 1)
  assert.equal((await one?.find([A]))?.size, 1)
  for (const each of clients) each.disconnect()
})

test('without Redis every question is refused with a name', async () => {
  const one = await client()
  one.disconnect()
  const list = createRedisSuppression({ client: one, queue: 'away', ...WORLD })
  await assert.rejects(list.find([A]), SuppressionUnavailable)
  await assert.rejects(list.count(), SuppressionUnavailable)
})
