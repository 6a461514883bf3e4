/** Sources of policies that share one Redis: one fetch serves them all, and so does one failure. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { EventEmitter, on } from 'node:events'
import { after, before, describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connected, connectRedis } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { redisPolicyKeys } from '../../packages/policy/src/adapters/redis-scripts.ts'
import { type SharedPolicies, sharedPolicies } from '../../packages/policy/src/adapters/redis-shared-policies.ts'
import { createStsRefresher } from '../../packages/policy/src/mta-sts/refresh.ts'
import { DAY, policyText, SourceBed, START } from '../../packages/policy/src/mta-sts/source.fixture.ts'
import { createStsSource, type StsSource } from '../../packages/policy/src/mta-sts/source.ts'
import { fetchLeasesContract } from '../../packages/policy/src/ports/fetch-leases.contract.ts'
import { PolicyCacheUnavailable } from '../../packages/policy/src/ports/policy-cache.ts'
import type { PolicyEvent } from '../../packages/policy/src/ports/policy-events.ts'
import { covers } from '../conformance/covers.ts'
import { domainName } from '../lab/policy-host-world.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'
import type { FetchChildSettings, FromFetchChild } from './redis-fetch-child.ts'

const A = domainName('a.test')
const ENFORCE = { answer: { body: policyText('enforce') } }

let redis: RedisServer
before(async () => {
  redis = await startRedis()
})
after(() => redis[Symbol.asyncDispose]())

describe('the contract of fetch leases', () => {
  const names = new WeakMap<TestContext, string>()
  let count = 0
  fetchLeasesContract(async (t, { leaseMs } = {}) => {
    const name = names.get(t) ?? `fetches-${count}`
    count += 1
    names.set(t, name)
    return (await shared(t, { name, ...(leaseMs === undefined ? {} : { leaseMs }) })).fetchLeases
  })
})

interface SharedOptions {
  readonly name: string
  readonly server?: RedisServer
  readonly leaseMs?: number
  readonly now?: () => number
  readonly emit?: (event: PolicyEvent) => void
}

async function shared(t: TestContext, options: SharedOptions): Promise<SharedPolicies> {
  const { server = redis, now = Date.now, emit = () => undefined } = options
  const client = connectRedis({ url: server.socket })
  t.after(() => client.disconnect())
  assert.ok(await connected(client, 5_000))
  return sharedPolicies({ ...options, client, now, emit })
}

/** One relay: a source of its own, on a connection of its own. */
interface Relay extends SharedPolicies {
  readonly source: StsSource
  readonly events: readonly PolicyEvent[]
  readonly stop: () => void
}

async function relays(t: TestContext, bed: SourceBed, count: number, server = redis): Promise<readonly Relay[]> {
  const name = `relays-${process.hrtime.bigint()}`
  return Promise.all(Array.from({ length: count }, () => relay(t, bed, { name, server })))
}

async function relay(t: TestContext, bed: SourceBed, options: SharedOptions): Promise<Relay> {
  const events: PolicyEvent[] = []
  const emit = (event: PolicyEvent) => void events.push(event)
  const now = () => bed.now
  const policies = await shared(t, { ...options, now, emit })
  const stopping = new AbortController()
  const sharing = { leases: policies.fetchLeases, signal: stopping.signal, pauseMs: 5 }
  const resolver = bed.resolver()
  const source = createStsSource({
    ...{ resolver, cache: policies.cache, sharing, fetch: bed.fetch, now, emit },
    random: () => 0.5,
  })
  return { ...policies, source, events, stop: () => stopping.abort() }
}

/** One round of the background refresh. */
async function refreshRound({ cache, source }: Relay, now: () => number): Promise<void> {
  const done = Promise.withResolvers<void>()
  const refresh = (policyDomain: typeof A) => source.refresh(policyDomain)
  let begun = false
  const after = (_ms: number, run: () => void) => {
    // The next round is planned when one has ended.
    if (begun) done.resolve()
    else setImmediate(run)
    begun = true
    return () => undefined
  }
  const refresher = createStsRefresher({ ...{ cache, now, refresh, after }, emit: (event) => assert.fail(event.event) })
  refresher.start()
  await done.promise
  await refresher.stop()
}

function kindsOf(events: readonly PolicyEvent[]): readonly string[] {
  return events.map(({ event }) => event)
}

test('STS-74 STS-76: first contact of ten relays at once is one fetch, and all have the policy', async (t) => {
  covers(['STS-74', 'STS-76'], { observe: 'https' })
  const bed = await SourceBed.start(t)
  const host = await bed.host('a.test', ENFORCE)
  bed.record('a.test', '1')
  const ten = await relays(t, bed, 10)
  const facts = await Promise.all(ten.map(({ source }) => source.policyFor(A)))
  assert.deepEqual(
    facts.map((one) => one.kind === 'policy' && `${one.mode} ${one.id} ${one.fetchedAt}`),
    ten.map(() => `enforce 1 ${START}`),
  )
  assert.equal(host.requests.length, 1)
  assert.deepEqual(kindsOf(ten.flatMap(({ events }) => events)), ['sts-fetch-ended'])
})

test('a changed id is fetched once, and the next change again', async (t) => {
  const bed = await SourceBed.start(t)
  const host = await bed.host('a.test', ENFORCE)
  const five = await relays(t, bed, 5)
  for (const [fetches, id] of [
    [1, '1'],
    [2, '2'],
    [3, '1'],
  ] as const) {
    bed.record('a.test', id)
    bed.later()
    const facts = await Promise.all(five.map(({ source }) => source.policyFor(A)))
    assert.deepEqual(
      facts.map((one) => one.kind === 'policy' && one.id),
      five.map(() => id),
    )
    assert.equal(host.requests.length, fetches)
  }
})

test('a failure of one holds off all for five minutes, is told once and counted once', async (t) => {
  const bed = await SourceBed.start(t)
  const host = await bed.host('a.test', { answer: { status: 500 } })
  bed.record('a.test', '1')
  const five = await relays(t, bed, 5)
  const facts = await Promise.all(five.map(({ source }) => source.policyFor(A)))
  for (const one of facts) assert.ok(one.kind === 'none' && one.because.kind === 'fetch-failed')
  assert.equal(facts.filter(({ uncounted }) => uncounted?.report.failureReasonCode === 'status-500').length, 1)
  const again = await relay(t, bed, { name: 'another' })
  assert.ok((await again.source.policyFor(A)).uncounted, 'relays of another name are told by their own fetch')
  assert.equal(host.requests.length, 2)
  assert.deepEqual(kindsOf(five.flatMap(({ events }) => events)), ['sts-fetch-ended', 'sts-policy-unobtainable'])
  bed.record('a.test', '2')
  bed.later()
  host.answer = ENFORCE.answer
  const changed = await Promise.all(five.map(({ source }) => source.policyFor(A)))
  assert.ok(changed.every(({ kind }) => kind === 'policy'))
  assert.equal(host.requests.length, 3)
})

test('a background refresh is done by one relay, and renews the policy of all', async (t) => {
  const bed = await SourceBed.start(t)
  const host = await bed.host('a.test', ENFORCE)
  bed.record('a.test', '1')
  const five = await relays(t, bed, 5)
  await five[0]?.source.policyFor(A)
  bed.now = START + DAY
  await Promise.all(five.map((one) => refreshRound(one, () => bed.now)))
  assert.equal(host.requests.length, 2)
  for (const { cache } of five) assert.equal((await cache.get(A))?.fetchedAt, bed.now)
})

test('a relay that dies in the middle of a fetch holds up nobody for longer than its lease', async (t) => {
  const bed = await SourceBed.start(t)
  const host = await bed.host('a.test', ENFORCE)
  bed.record('a.test', '1')
  const name = 'dies'
  const dead = await relay(t, bed, { name, leaseMs: 50 })
  assert.equal((await dead.fetchLeases.take({ policyDomain: A, id: '1' })).kind, 'ours')
  const alive = await relay(t, bed, { name })
  assert.equal((await alive.source.policyFor(A)).kind, 'policy')
  assert.equal(host.requests.length, 1)
})

test('who waits for another relay stops at once when it is stopped', async (t) => {
  const bed = await SourceBed.start(t)
  bed.record('a.test', '1')
  const name = 'stops'
  const busy = await relay(t, bed, { name })
  assert.equal((await busy.fetchLeases.take({ policyDomain: A, id: '1' })).kind, 'ours')
  const waiting = await relay(t, bed, { name })
  const facts = waiting.source.policyFor(A)
  waiting.stop()
  const found = await facts
  assert.ok(found.kind === 'unavailable' && found.because === 'stopping')
})

test('without Redis mail waits: what is unavailable is not "no policy", and nothing is fetched', async (t) => {
  await using server = await startRedis()
  const bed = await SourceBed.start(t)
  const host = await bed.host('a.test', ENFORCE)
  bed.record('a.test', '1')
  const [one] = await relays(t, bed, 1, server)
  assert.ok(one)
  await server.stop('SIGKILL')
  const found = await one.source.policyFor(A)
  assert.ok(found.kind === 'unavailable' && found.because === 'cache')
  await assert.rejects(one.fetchLeases.take({ policyDomain: A, id: '1' }), PolicyCacheUnavailable)
  assert.equal(host.requests.length, 0)
})

test('Redis gone in the middle of a fetch: what was fetched counts once, and the trouble is told', async (t) => {
  await using server = await startRedis()
  const bed = await SourceBed.start(t)
  await bed.host('a.test', ENFORCE)
  bed.record('a.test', '1')
  const events: PolicyEvent[] = []
  const policies = await shared(t, { name: 'gone', server, now: () => bed.now })
  const source = createStsSource({
    ...{ resolver: bed.resolver(), cache: policies.cache, now: () => bed.now, random: () => 0.5 },
    sharing: { leases: policies.fetchLeases, signal: new AbortController().signal },
    fetch: async (policyDomain) => {
      await server.stop('SIGKILL')
      return bed.fetch(policyDomain)
    },
    emit: (event) => events.push(event),
  })
  assert.equal((await source.policyFor(A)).kind, 'policy')
  assert.deepEqual(
    events.flatMap((one) => (one.event === 'sts-cache-failed' ? one.operation : [])),
    ['put', 'lease'],
  )
})

describe('two processes', () => {
  test('one fetches, the other waits and reads what it stored', async (t) => {
    const { both, told } = await children(t)
    const { fetching } = await begun(told)
    fetching.send('go')
    const ends = [await told(), await told()]
    for (const { message } of ends) assert.deepEqual(message, { kind: 'knows', what: 'enforce 1 fresh' })
    assert.deepEqual(new Set(ends.map(({ child }) => child)), new Set(both))
  })

  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    test(`${signal} in the middle of the fetch: the other fetches once the lease is over`, async (t) => {
      const { told, endLease } = await children(t)
      const { fetching, waiting } = await begun(told)
      fetching.kill(signal)
      await endLease()
      assert.deepEqual(await told(), { child: waiting, message: { kind: 'fetching' } })
      waiting.send('go')
      assert.deepEqual(await told(), { child: waiting, message: { kind: 'knows', what: 'enforce 1 fresh' } })
    })
  }
})

/** One has the lease, the other has asked for it. Which word comes first is chance. */
async function begun(told: () => Promise<Told>) {
  const [one, other] = [await told(), await told()]
  const [first, second] = one.message.kind === 'fetching' ? [one, other] : [other, one]
  assert.deepEqual([first.message, second.message], [{ kind: 'fetching' }, { kind: 'waiting' }])
  return { fetching: first.child, waiting: second.child }
}

interface Told {
  readonly child: ChildProcess
  readonly message: FromFetchChild
}

/** Two that need one policy at the same time, and what they tell in its order. */
async function children(t: TestContext) {
  const server = await startRedis()
  const bed = await SourceBed.start(t)
  bed.record('a.test', '1')
  const { address, port } = bed.dns
  const settings: FetchChildSettings = { redis: server.socket, dns: { address, port }, policyDomain: 'a.test' }
  const heard = new EventEmitter()
  const both = [0, 1].map(() => {
    const child = fork(fileURLToPath(new URL('redis-fetch-child.ts', import.meta.url)), [JSON.stringify(settings)])
    child.on('message', (message: FromFetchChild) => heard.emit('told', { child, message }))
    return child
  })
  t.after(async () => {
    for (const child of both) child.kill('SIGKILL')
    await server[Symbol.asyncDispose]()
  })
  const all = on(heard, 'told', { signal: t.signal })
  const told = async (): Promise<Told> => (await all.next()).value?.[0]
  const endLease = async () => {
    const client = connectRedis({ url: server.socket })
    t.after(() => client.disconnect())
    assert.ok(await connected(client, 5_000))
    assert.equal(await client.pexpire(`${redisPolicyKeys('children')}:fetch:a.test`, 50), 1)
  }
  return { both, told, endLease }
}
