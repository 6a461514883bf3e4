/** The shared store of results on a real redis-server: the contract, and what only this adapter promises. */
import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { connected, connectRedis, type RedisClient } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { RedisResultStore } from '../../packages/reporter/src/adapters/redis-result-store.ts'
import {
  type DamagedPlace,
  type ResultStoreBed,
  resultStoreContract,
} from '../../packages/reporter/src/ports/result-store.contract.ts'
import { ResultStoreUnavailable } from '../../packages/reporter/src/ports/result-store.ts'
import { DAY, day, domain, RECIPIENT } from '../../packages/reporter/src/report.fixture.ts'
import { EMPTY_TALLY, sessionTally, tallyTotals } from '../../packages/reporter/src/tally.ts'
import { covers } from '../conformance/covers.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'

const START = Date.UTC(2026, 10, 22)
const GOOD = sessionTally({
  policy: { policyType: 'no-policy-found', policyDomain: RECIPIENT, policyString: [], mxHost: [] },
  failures: [],
})

let redis: RedisServer
let names = 0
before(async () => {
  redis = await startRedis()
})
after(() => redis[Symbol.asyncDispose]())

async function connect(t: TestContext, server: RedisServer = redis): Promise<RedisClient> {
  const client = connectRedis({ url: server.socket })
  t.after(() => client.disconnect())
  assert.ok(await connected(client, 5_000))
  return client
}

/** One relay's view of the store. */
async function open(t: TestContext, name: string, now: () => number = () => START): Promise<RedisResultStore> {
  return new RedisResultStore({ client: await connect(t), name, now })
}

function nextName(): string {
  names += 1
  return `test-${names}`
}

describe('the contract', () =>
  resultStoreContract((t) => {
    const name = nextName()
    const bed: ResultStoreBed = {
      now: START,
      reopen: () => open(t, name, () => bed.now),
      damage: async (part, place) => damage(await connect(t), `{hermetic-tlsrpt:${name}}`, { part, ...place }),
    }
    return bed
  }))

async function damage(
  client: RedisClient,
  base: string,
  { part, policyDomain, day: of, text }: DamagedPlace & { readonly part: 'sum' | 'targets' | 'domain' },
): Promise<void> {
  if (part === 'sum') await client.hset(`${base}:sums:${of}`, policyDomain, `1:${text}`)
  else if (part === 'targets') await client.hset(`${base}:report:${of}:${policyDomain}`, 'targets', text)
  else {
    const sum = await client.hget(`${base}:sums:${of}`, policyDomain)
    await client.hdel(`${base}:sums:${of}`, policyDomain)
    await client.hset(`${base}:sums:${of}`, text, sum ?? '')
    await client.zrem(`${base}:names:${of}`, policyDomain)
    await client.zadd(`${base}:names:${of}`, 0, text)
  }
}

test("another program's value in the place of a report, and a name that became none, keep no other back", async (t) => {
  const client = await connect(t)
  const name = nextName()
  const store = await open(t, name)
  const base = `{hermetic-tlsrpt:${name}}`
  const other = domain('other.test')
  await store.addBatch('1', [
    { day: DAY, policyDomain: RECIPIENT, tally: GOOD },
    { day: DAY, policyDomain: other, tally: GOOD },
  ])
  await store.closeDay(DAY, (one) => (one === other ? 2 : 1))
  await client.set(`${base}:report:${DAY}:${RECIPIENT}`, 'not ours')
  await client.zadd(`${base}:due:${DAY}`, 0, 'no..name')
  const names = { kind: 'damaged', day: DAY } as const
  assert.deepEqual(await store.claimReport(5, 1_000), { ...names, policyDomain: 'unreadable', part: 'domain' })
  assert.deepEqual(await store.claimReport(5, 1_000), { ...names, policyDomain: RECIPIENT, part: 'report' })
  assert.equal((await store.claimReport(5, 1_000))?.policyDomain, other)
  assert.equal(await store.claimReport(1_004, 1), undefined)
})

test('RPT-66: relays that add at the same time lose nothing and count nothing twice', async (t) => {
  covers('RPT-66', { observe: 'store' })
  const name = nextName()
  const stores = await Promise.all(Array.from({ length: 4 }, () => open(t, name)))
  const domains = Array.from({ length: 50 }, (_, at) => domain(`d${at}.test`))
  const rounds = Array.from({ length: 15 }, (_, round) => round)
  await Promise.all(
    stores.map(async (store, node) => {
      for (const round of rounds) {
        const tallies = domains.map((policyDomain) => ({ day: DAY, policyDomain, tally: GOOD }))
        await store.addBatch(`${node}-${round}`, tallies)
        // Every answer is lost once.
        if (round % 3 === 0) assert.equal((await store.addBatch(`${node}-${round}`, tallies)).repeated, true)
      }
    }),
  )
  const [store] = stores
  for (const policyDomain of domains) {
    const tally = (await store?.tally(policyDomain, DAY)) ?? EMPTY_TALLY
    assert.equal(tallyTotals(tally).successfulSessions, stores.length * rounds.length)
  }
})

test('of relays that close a day, one has done so, and whoever died in between is followed by the next', async (t) => {
  const name = nextName()
  const stores = await Promise.all([open(t, name), open(t, name)])
  const [first, second] = stores
  assert.ok(first !== undefined && second !== undefined)
  const tallies = Array.from({ length: 1_200 }, (_, at) => ({
    day: DAY,
    policyDomain: domain(`d${at}.test`),
    tally: GOOD,
  }))
  await first.addBatch('1', tallies)
  let planned = 0
  const dying = first.closeDay(DAY, () => {
    planned += 1
    if (planned > 700) throw new Error('killed')
    return 5
  })
  await assert.rejects(dying, /killed/)
  assert.deepEqual(await second.openDays(day('2026-11-22')), [DAY])
  assert.equal((await second.addBatch('2', tallies.slice(0, 3))).lateSessions, 3, 'its sums stand')
  const claim = await second.claimReport(5, 1_000)
  assert.ok(claim?.kind === 'claim')
  await second.mark(claim, { targets: [], next: { kind: 'done' } })
  const closed = await Promise.all(stores.map((store) => store.closeDay(DAY, () => 5)))
  assert.deepEqual(
    closed.toSorted((a, b) => a - b),
    [0, 1_200],
  )
  assert.deepEqual(await second.openDays(day('2026-11-22')), [])
  const again = await second.reports(DAY, { limit: 2_000 })
  assert.equal(again.filter(({ dueAt }) => dueAt === 5).length, 1_199)
  assert.equal(again.filter(({ done }) => done).length, 1)
})

test('of relays that ask for a report, one gets it', async (t) => {
  const name = nextName()
  const stores = await Promise.all([open(t, name), open(t, name), open(t, name)])
  await stores[0]?.addBatch('1', [{ day: DAY, policyDomain: RECIPIENT, tally: GOOD }])
  await stores[0]?.closeDay(DAY, () => 0)
  const claims = await Promise.all(stores.map((store) => store.claimReport(1, 1_000)))
  assert.equal(claims.filter((claim) => claim !== undefined).length, 1)
})

test('everything is outside of the hash tag of a queue, and forgetting leaves nothing but the id and batches', async (t) => {
  const client = await connect(t)
  const name = nextName()
  const store = await open(t, name)
  await store.storeId()
  await store.addBatch('1', [{ day: DAY, policyDomain: RECIPIENT, tally: GOOD }])
  await store.closeDay(DAY, () => 0)
  await store.claimReport(1, 1)
  await store.admit(RECIPIENT, DAY, 1)
  const tag = `{hermetic-tlsrpt:${name}}`
  assert.ok((await client.keys(`${tag}*`)).length > 5)
  assert.equal(await store.forget(day('2026-11-23')), 1)
  assert.deepEqual((await client.keys(`${tag}*`)).toSorted(), [`${tag}:batches`, `${tag}:id`])
})

test('without Redis the store is unavailable, which is not empty', async (t) => {
  const server = await startRedis()
  const client = await connect(t, server)
  const store = new RedisResultStore({ client, name: 'gone', now: () => START, deadlineMs: 200 })
  await store.addBatch('1', [{ day: DAY, policyDomain: RECIPIENT, tally: GOOD }])
  await server[Symbol.asyncDispose]()
  await assert.rejects(store.tally(RECIPIENT, DAY), ResultStoreUnavailable)
  await assert.rejects(store.addBatch('2', []), /could not read-sums: Redis (no-answer|no-connection)/)
})

test('a damaged sum is no answer, and the complaint does not quote it', async (t) => {
  const client = await connect(t)
  const name = nextName()
  const store = await open(t, name)
  await client.hset(`{hermetic-tlsrpt:${name}}:sums:${DAY}`, RECIPIENT, '1:marker')
  const complaint = { name: 'ResultStoreUnavailable', message: 'the store of results is damaged: a sum cannot be read' }
  await assert.rejects(store.tally(RECIPIENT, DAY), complaint)
})
