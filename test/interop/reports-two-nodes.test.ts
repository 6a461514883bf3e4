/** Processes that share results in one Redis and send reports at the same moment: each target is served by one of them. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connected, connectRedis, type RedisClient } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { RedisResultStore } from '../../packages/reporter/src/adapters/redis-result-store.ts'
import { covers } from '../conformance/covers.ts'
import { KilledReports } from '../lab/killed-reports.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'

const DOMAINS = 12

let world: KilledReports
let redis: RedisServer
let client: RedisClient
before(async () => {
  world = await KilledReports.start({ domains: DOMAINS })
  redis = await startRedis()
  client = connectRedis({ url: redis.socket })
  assert.ok(await connected(client, 5_000))
})
after(async () => {
  client.disconnect()
  await redis[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

/** The name is what the processes use; nothing is left of the race before. */
async function emptyStore(): Promise<RedisResultStore> {
  await client.flushall()
  return new RedisResultStore({ client, name: 'reports', now: Date.now })
}

describe('several nodes', () => {
  test('RPT-66: three at the same moment: each target exactly once, by mail and by HTTPS', async () => {
    covers('RPT-66', { observe: 'store' })
    const { posted, mails, unfinished } = await world.race(redis.socket, await emptyStore(), [0, 0, 0])
    assert.deepEqual(posted, Array(DOMAINS).fill(1))
    assert.equal(new Set(mails).size, DOMAINS)
    assert.equal(mails.length, DOMAINS)
    assert.equal(unfinished, 0)
  })

  for (const dieAt of [14, 20, 31]) {
    test(`one of them is killed at its step ${dieAt}: the others take over, and nobody misses a report`, async () => {
      const { posted, unfinished } = await world.race(redis.socket, await emptyStore(), [dieAt, 0])
      assert.ok(
        posted.every((times) => times >= 1 && times <= 2),
        String(posted),
      )
      assert.ok(posted.filter((times) => times === 2).length <= 2, 'only what was under way in the dead one')
      assert.equal(unfinished, 0)
    })
  }

  test('RPT-102: killed when the shared queue has the mail and nobody knows: it is there once', async (t) => {
    covers('RPT-102', { observe: 'store' })
    const mails = await world.killedWhenQueued(redis.socket, await emptyStore(), 3)
    const recipients = mails.map(({ recipient }) => recipient)
    assert.deepEqual(recipients.toSorted(), Array.from({ length: DOMAINS }, (_, at) => `d${at}`).toSorted())
    t.diagnostic(`${mails.length} mails`)
  })
})
