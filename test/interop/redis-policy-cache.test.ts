/** The shared policy cache on a real redis-server: the contract, and what only this adapter promises. */
import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { connected, connectRedis, type RedisClient } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { redisPolicyKeys } from '../../packages/policy/src/adapters/redis-scripts.ts'
import { type SharedPolicies, sharedPolicies } from '../../packages/policy/src/adapters/redis-shared-policies.ts'
import { type DomainName, parseDomainName } from '../../packages/policy/src/domain-name.ts'
import { parsePolicyFile, type StsMode } from '../../packages/policy/src/mta-sts/policy-file.ts'
import { daneMemoryContract } from '../../packages/policy/src/ports/dane-memory.contract.ts'
import { DaneMemoryUnavailable } from '../../packages/policy/src/ports/dane-memory.ts'
import { policyCacheContract } from '../../packages/policy/src/ports/policy-cache.contract.ts'
import { type CachedPolicy, PolicyCacheUnavailable } from '../../packages/policy/src/ports/policy-cache.ts'
import type { PolicyEvent } from '../../packages/policy/src/ports/policy-events.ts'
import { covers } from '../conformance/covers.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'

const START = Date.now()
const A = domain('a.test')
const B = domain('b.test')

let redis: RedisServer
let names = 0
before(async () => {
  redis = await startRedis()
})
after(() => redis[Symbol.asyncDispose]())

interface Store extends SharedPolicies {
  readonly client: RedisClient
  readonly events: readonly PolicyEvent[]
  readonly key: (suffix: string) => string
}

interface StoreOptions {
  readonly name?: string
  readonly now?: () => number
  readonly server?: RedisServer
  readonly bounds?: { readonly expired: number; readonly none: number }
  readonly daneSubjectsMax?: number
  readonly deadlineMs?: number
  readonly policiesMax?: number
}

/** One process's view of the store. */
async function open(t: TestContext, options: StoreOptions = {}): Promise<Store> {
  const { name = nextName(), now = () => START, server = redis } = options
  const client = connectRedis({ url: server.socket })
  t.after(() => client.disconnect())
  assert.ok(await connected(client, 5_000))
  const events: PolicyEvent[] = []
  const shared = sharedPolicies({ ...options, client, name, now, emit: (event) => events.push(event) })
  return { ...shared, client, events, key: (suffix) => `${redisPolicyKeys(name)}:${suffix}` }
}

function nextName(): string {
  names += 1
  return `test-${names}`
}

describe('the contract of the policy cache', () =>
  policyCacheContract((t) => {
    const name = nextName()
    const bed = { now: START, reopen: async () => (await open(t, { name, now: () => bed.now })).cache }
    return bed
  }))

describe('the contract of the memory of DANE', () =>
  daneMemoryContract((t) => {
    const name = nextName()
    const reopen = async () => (await open(t, { name, daneSubjectsMax: 100 })).daneMemory
    return { keeps: 100, keepsAtMost: 100, reopen }
  }))

function domain(text: string): DomainName {
  const parsed = parseDomainName(text)
  assert.ok(parsed.ok)
  return parsed.value
}

function cached(mode: StsMode, fetchedAt: number, maxAge = 86_400): CachedPolicy {
  const text = `version: STSv1\nmode: ${mode}\nmx: mx.example.test\nmax_age: ${maxAge}\n`
  const policy = parsePolicyFile(Buffer.from(text))
  assert.ok(policy.ok)
  return { policy: policy.value, id: '1', fetchedAt, refreshAt: fetchedAt + 1 }
}

describe('a store that cannot answer', () => {
  test('is unavailable, which is not empty, whichever call asks; and answers by itself when it is back', async (t) => {
    await using server = await startRedis()
    const { cache, daneMemory, client } = await open(t, { server })
    await cache.put(A, cached('enforce', START))
    await server.stop('SIGKILL')
    const calls = [
      () => cache.get(A),
      () => cache.put(A, cached('enforce', START)),
      () => cache.remove(A),
      () => cache.dueForRefresh(START, 1),
      () => cache.postponeRefresh(A, { fetchedAt: START, refreshAt: START }),
      () => cache.lease(A, 1),
      () => cache.list({ limit: 1 }),
      () => cache.count({ now: START, staleBefore: START }),
    ]
    for (const call of calls) await assert.rejects(call, PolicyCacheUnavailable)
    await assert.rejects(daneMemory.lastSeen(MX), DaneMemoryUnavailable)
    await server.start()
    assert.ok(await connected(client, 10_000))
    assert.equal((await cache.get(A))?.policy.mode, 'enforce')
  })

  test('stopped in the middle of a call, it is unavailable after the deadline and no later', async (t) => {
    await using server = await startRedis()
    const { cache } = await open(t, { server, deadlineMs: 200 })
    await cache.put(A, cached('enforce', START))
    process.kill(server.pid(), 'SIGSTOP')
    const asked = cache.get(A)
    await assert.rejects(asked, (error) => error instanceof PolicyCacheUnavailable && /no-answer/.test(error.message))
    process.kill(server.pid(), 'SIGCONT')
    assert.equal((await cache.get(A))?.policy.mode, 'enforce')
  })

  test('killed in the middle of a call, it is unavailable at once', async (t) => {
    await using server = await startRedis()
    const { cache } = await open(t, { server })
    await cache.put(A, cached('enforce', START))
    process.kill(server.pid(), 'SIGSTOP')
    const refused = assert.rejects(cache.get(A), /no-connection/)
    await server.stop('SIGKILL')
    await refused
  })

  test('full, it keeps nothing new, and still answers, postpones and removes', async (t) => {
    await using server = await startRedis()
    const { cache, client } = await open(t, { server })
    await cache.put(A, cached('enforce', START))
    await client.config('SET', 'maxmemory', '1')
    await assert.rejects(cache.put(B, cached('enforce', START)), /OOM/)
    assert.equal((await cache.get(A))?.policy.mode, 'enforce')
    assert.equal(await cache.postponeRefresh(A, { fetchedAt: START, refreshAt: START + 9 }), 0)
    assert.deepEqual(await cache.dueForRefresh(START + 9, 1), [A])
    assert.equal(await cache.remove(A), true)
    await client.config('SET', 'maxmemory', '0')
    assert.equal(await cache.get(B), undefined)
  })

  test('a replica, which may lag behind, is not asked', async (t) => {
    await using server = await startRedis()
    const { cache, client } = await open(t, { server })
    await cache.put(A, cached('enforce', START))
    await client.replicaof('127.0.0.1', 1)
    await assert.rejects(cache.get(A), /READONLY/)
  })
})

describe('a store that is damaged', () => {
  test('STS-75: once emptied, it is told by every process that knew it; then policies are first contact', async (t) => {
    covers('STS-75', { observe: 'store' })
    await using server = await startRedis()
    const name = nextName()
    const stores = [await open(t, { server, name }), await open(t, { server, name })] as const
    const [first, second] = stores
    await first.cache.put(A, cached('enforce', START))
    for (const { cache } of stores) assert.ok(await cache.get(A))
    await first.client.flushall()
    for (const { cache } of [...stores, ...stores]) assert.equal(await cache.get(A), undefined)
    for (const { events } of stores) assert.deepEqual(events, [{ event: 'sts-cache-lost' }])
    await first.cache.put(A, cached('enforce', START))
    assert.ok(await second.cache.get(A))
    assert.equal(second.events.length, 1)
  })

  for (const [how, damage, detail] of [
    ['another type', ({ client, key }: Store) => client.set(key(`entry:${A}`), 'x'), 'damaged'],
    ['a document that is none', ({ client, key }) => client.hset(key(`entry:${A}`), 'document', 'x'), 'malformed-line'],
    ['no times', ({ client, key }) => client.hdel(key(`entry:${A}`), 'fetched'), 'fields'],
    ['another end', ({ client, key }) => client.hset(key(`entry:${A}`), 'expires', '1'), 'contradiction'],
    ['evicted', ({ client, key }) => client.del(key(`entry:${A}`)), 'missing'],
  ] as const satisfies readonly (readonly [string, (store: Store) => Promise<unknown>, string])[]) {
    test(`an entry that is ${how} is unavailable, not absent; others go on; it can be removed or replaced`, async (t) => {
      const store = await open(t)
      const { cache, events } = store
      for (const one of [A, B]) await cache.put(one, cached('enforce', START))
      if (how === 'another type') await store.client.del(store.key(`entry:${A}`))
      await damage(store)
      await assert.rejects(cache.get(A), PolicyCacheUnavailable)
      assert.deepEqual(events, [{ event: 'sts-cache-damaged', policyDomain: A, detail }])
      assert.ok(await cache.get(B))
      const listed = await cache.list({ limit: 1 })
      assert.deepEqual(
        listed.map(({ policyDomain }) => policyDomain),
        [B],
      )
      assert.equal(events.length, 2)
      assert.equal(await cache.remove(A), true)
      assert.equal(await cache.get(A), undefined)
      await damage(store)
      await cache.put(A, cached('testing', START))
      assert.equal((await cache.get(A))?.policy.mode, 'testing')
    })
  }

  test('an entry that is gone and would have ended by now is absent', async (t) => {
    let now = START
    const { cache, client, key } = await open(t, { now: () => now })
    await cache.put(A, cached('enforce', START, 60))
    await client.del(key(`entry:${A}`))
    now += 60_001
    assert.equal(await cache.get(A), undefined)
    assert.deepEqual(await cache.list({ limit: 9 }), [])
  })

  for (const index of ['names', 'refresh', 'fetched:enforce', 'expiry:testing']) {
    for (const how of ['of another type', 'gone'] as const) {
      test(`the index ${index}, ${how}, is made again from the entries, and told once`, async (t) => {
        const { cache, client, key, events } = await open(t)
        for (let n = 0; n < 700; n += 1) {
          await cache.put(domain(`d${n}.test`), cached(n % 2 === 0 ? 'enforce' : 'testing', START))
        }
        await client.del(key(index))
        if (how === 'of another type') await client.set(key(index), 'x')
        const due = await Promise.all([cache.dueForRefresh(START + 1, 1_000), cache.dueForRefresh(START + 1, 1_000)])
        assert.deepEqual(
          due.map(({ length }) => length),
          [700, 700],
        )
        assert.deepEqual(events, [{ event: 'sts-cache-rebuilt', policies: 700 }])
        await cache.put(A, cached('enforce', START))
        assert.equal((await cache.list({ limit: 1_000 })).length, 701)
        const counts = await cache.count({ now: START, staleBefore: START })
        assert.deepEqual(
          counts.map(({ mode, policies }) => `${mode} ${policies}`),
          ['enforce 351', 'testing 350'],
        )
        assert.equal(events.length, 1)
      })
    }
  }

  test('something without an end in place of a lease holds nobody up', async (t) => {
    const { cache, client, key } = await open(t)
    await client.hset(key(`lease:${A}`), 'x', '1')
    assert.equal(await cache.lease(A, 60_000), true)
    assert.equal(await cache.lease(A, 60_000), false)
  })

  test('something else in place of the memory of DANE is unavailable', async (t) => {
    const { daneMemory, client, key } = await open(t)
    await client.set(key('dane-seen'), 'x')
    await assert.rejects(daneMemory.lastSeen(MX), DaneMemoryUnavailable)
    await assert.rejects(daneMemory.remember(MX, 1), DaneMemoryUnavailable)
    await assert.rejects(daneMemory.forget(MX), DaneMemoryUnavailable)
  })
})

describe('many processes', () => {
  test('of twenty that want one lease, one gets it, and the next when Redis says that its time is over', async (t) => {
    const name = nextName()
    const stores = await Promise.all(Array.from({ length: 20 }, () => open(t, { name })))
    const ask = () => Promise.all(stores.map(({ cache }) => cache.lease(A, 100)))
    assert.equal((await ask()).filter(Boolean).length, 1)
    const [{ client, key }] = stores as [Store, ...Store[]]
    while ((await client.exists(key(`lease:${A}`))) === 1) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.equal((await ask()).filter(Boolean).length, 1)
  })

  test('of twenty that notice a loss, one is told', async (t) => {
    const name = nextName()
    const stores = await Promise.all(Array.from({ length: 20 }, () => open(t, { name })))
    await stores[0]?.daneMemory.remember(MX, 1)
    const told = await Promise.all(stores.map(({ daneMemory }) => daneMemory.forget(MX)))
    assert.equal(told.filter(Boolean).length, 1)
  })

  test('what operators did is kept in its order, and handed over once', async (t) => {
    const name = nextName()
    const [first, second] = [await open(t, { name }), await open(t, { name })]
    const orders = [
      { at: START, by: 'jane', policyDomain: B, mode: 'enforce' },
      { at: START + 1, by: 'joe', policyDomain: A, mode: undefined },
    ] as const
    for (const order of orders) await first.orders.noteOrder(order)
    await first.client.rpush(first.key('orders'), 'not an order')
    const taken = await Promise.all([first.orders.takeOrders(), second.orders.takeOrders()])
    assert.deepEqual(taken.flat(), orders)
    await first.client.hset(first.key('orders'), 'x', '1')
    await assert.rejects(second.orders.takeOrders(), PolicyCacheUnavailable)
  })

  test('relays of another name share nothing', async (t) => {
    const [ours, theirs] = [await open(t), await open(t)]
    await ours.cache.put(A, cached('enforce', START))
    await ours.daneMemory.remember(MX, 1)
    assert.equal(await theirs.cache.get(A), undefined)
    assert.equal(await theirs.daneMemory.lastSeen(MX), undefined)
    assert.equal(await theirs.cache.lease(A, 60_000), true)
    assert.equal(await ours.cache.lease(A, 60_000), true)
  })
})

describe('a large store', () => {
  test('STS-76: no flood of domains evicts an unexpired policy that demands something; the others are bounded', async (t) => {
    covers('STS-76', { observe: 'store' })
    const { cache } = await open(t, { bounds: { expired: 100, none: 50 } })
    await cache.put(A, cached('enforce', START))
    await cache.put(B, cached('testing', START))
    await inBatches(1_500, async (n) => {
      await cache.put(domain(`none${n}.test`), cached('none', START + n))
      await cache.put(domain(`expired${n}.test`), cached('enforce', START - 90_000_000 + n))
      await cache.put(domain(`kept${n}.test`), cached('enforce', START + n))
    })
    const entries = await cache.list({ limit: 10_000 })
    const count = (prefix: string) => entries.filter(({ policyDomain }) => policyDomain.startsWith(prefix)).length
    assert.deepEqual([count('a.test'), count('b.test'), count('kept')], [1, 1, 1_500])
    for (const [prefix, bound] of [
      ['none', 50],
      ['expired', 100],
    ] as const) {
      assert.ok(count(prefix) >= bound && count(prefix) <= bound + 257, `${prefix}: ${count(prefix)}`)
    }
    assert.ok(await cache.get(domain('none1499.test')), 'the newest stay')
  })

  test('what has ended only by a clock that runs ahead is not trimmed', async (t) => {
    const year = 366 * 86_400_000
    const { cache } = await open(t, { now: () => START + year, bounds: { expired: 0, none: 0 } })
    await cache.put(A, cached('enforce', START))
    await inBatches(300, (n) => cache.put(domain(`d${n}.test`), cached('enforce', START)))
    assert.equal((await cache.list({ limit: 1_000 })).length, 301)
  })

  test('there are no more policies than there may be, and those that are there can be renewed', async (t) => {
    const { cache } = await open(t, { policiesMax: 2 })
    const third = domain('c.test')
    for (const one of [A, B]) await cache.put(one, cached('enforce', START))
    await assert.rejects(cache.put(third, cached('enforce', START)), /FULL/)
    await cache.put(A, cached('testing', START))
    assert.equal(await cache.remove(B), true)
    await cache.put(third, cached('enforce', START))
    assert.ok(await cache.get(third))
  })

  test('of 100,000 policies, those that are due are found without looking at the others', async (t) => {
    const { cache, client } = await open(t)
    await inBatches(100_000, (n) =>
      cache.put(domain(`d${n}.test`), { ...cached('enforce', START), refreshAt: START + n }),
    )
    const memory = Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1])
    const began = performance.now()
    assert.deepEqual(await cache.dueForRefresh(START + 99, 200), names100)
    const due = performance.now() - began
    assert.equal((await cache.dueForRefresh(START + 100_000, 200)).length, 200)
    const count = performance.now()
    assert.equal((await cache.count({ now: START, staleBefore: START }))[0]?.policies, 100_000)
    const counted = performance.now() - count
    const lookups = performance.now()
    for (let n = 0; n < 2_000; n += 1) assert.ok(await cache.get(domain(`d${n * 50}.test`)))
    t.diagnostic(`a lookup takes ${((performance.now() - lookups) / 2).toFixed(0)} µs`)
    t.diagnostic(
      `due ${due.toFixed(1)} ms, count ${counted.toFixed(1)} ms, Redis ${(memory / 1e5).toFixed(0)} bytes each`,
    )
    assert.ok(due < 200 && counted < 200, `${due} ms, ${counted} ms`)
  })
})

const names100 = Array.from({ length: 100 }, (_, n) => domain(`d${n}.test`))
const MX = { kind: 'mx', nextHop: A } as const

/** All of `count`, a few hundred at a time. */
async function inBatches(count: number, step: (n: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += 500) {
    const batch = Array.from({ length: Math.min(500, count - from) }, (_, at) => step(from + at))
    await Promise.all(batch)
  }
}
