/**
 * What a process of a node that was killed held in Redis comes back when the node starts again: permits, places in
 * line, claims, lanes. What other nodes hold, and the process that asks, stays.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LaneId } from '../../packages/mta/src/delivery/lane.ts'
import { openRedisPermits } from '../../packages/mta/src/limits/adapters/redis-permits.ts'
import type { SiteId } from '../../packages/mta/src/limits/permits.ts'
import {
  connected,
  connectRedis,
  connectRedisForBullmq,
} from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { queueKeys } from '../../packages/mta/src/redis/keys.ts'
import { beginLife } from '../../packages/mta/src/redis/life.ts'
import { createBullmqScheduler } from '../../packages/mta/src/schedule/adapters/bullmq-scheduler.ts'
import { claimOne, delivered, lane, settlement } from '../../packages/mta/src/spool/spool.fixture.ts'
import { type DnsServer, startDnsServer, zone } from '../lab/dns-server.ts'
import { redisProxy } from '../lab/redis-proxy.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { SmtpDialogue } from '../lab/submit.ts'
import { messageNow, RedisSpoolLab } from './redis-spool-lab.ts'
import { freePort, RelayInstance, type RelayOptions } from './relay-instance.ts'

const NODE = 'aaaaaaaaaaaa'
const OTHER = 'bbbbbbbbbbbb'
/** Far longer than these tests: nothing comes back by itself. */
const LEASE_MS = 60_000

describe('permits of a former process of the node', () => {
  const site = 'mx.example.test:25' as SiteId

  test('are free at once, and those who wait are called', async (t) => {
    const redis = await serverOf(t)
    const { permits: former, die } = await permitsOf(t, redis, NODE)
    const { permits: other } = await permitsOf(t, redis, OTHER)
    assert.ok((await former.acquire(site)) !== undefined)
    assert.ok((await other.acquire(site)) !== undefined)
    let called = 0
    assert.equal(await other.acquire(site, () => (called += 1)), undefined)
    await die()
    const { permits: again } = await permitsOf(t, redis, NODE)
    assert.equal(await again.takeBack(), 1)
    await until(() => called === 1)
    assert.equal(await again.takeBack(), 0, 'what another node holds is its own')
    assert.ok((await other.acquire(site)) !== undefined, 'the one that was free')
    assert.equal(await other.acquire(site), undefined)
  })

  test('leave its places in line to others, and their lanes are due', async (t) => {
    const redis = await serverOf(t)
    const { permits: former, die } = await permitsOf(t, redis, NODE)
    const { permits: other } = await permitsOf(t, redis, OTHER)
    const held = [await other.acquire(site), await other.acquire(site)]
    for (const n of [1, 2, 3]) await former.acquire(site, () => undefined, `mx:${n}.test:25` as LaneId)
    let called = 0
    await other.acquire(site, () => (called += 1))
    await die()
    const { permits: again } = await permitsOf(t, redis, NODE)
    assert.equal(await again.takeBack(), 0)
    const { client, keys } = await clientOf(t, redis)
    assert.equal(await client.zcount(keys.due, '-inf', Date.now() + 1_000), 3)
    held[0]?.release('good')
    await until(() => called === 1)
  })

  test('of this process stay', async (t) => {
    const redis = await serverOf(t)
    const { permits: own } = await permitsOf(t, redis, NODE)
    assert.ok((await own.acquire(site)) !== undefined)
    assert.equal(await own.takeBack(), 0)
  })

  test('need no list that grows: a site is named until its last lease has ended', async (t) => {
    const redis = await serverOf(t)
    const { permits: own } = await permitsOf(t, redis, NODE, 100)
    for (let n = 0; n < 20; n += 1) (await own.acquire(`mx${n}.example.test:25` as SiteId))?.release('good')
    await sleep(150)
    ;(await own.acquire(site))?.release('good')
    const { client, keys } = await clientOf(t, redis)
    assert.equal(await client.zcard(keys.permitSites(NODE)), 1)
  })
})

describe('claims of a former process of the node', () => {
  test('are free at once; those of another node and of this process are not', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const { spool: former } = await lab.open({ life: beginLife(NODE) })
    const { spool: other } = await lab.open({ life: beginLife(OTHER) })
    for (let n = 0; n < 3; n += 1) assert.equal((await former.accept(messageNow())).kind, 'accepted')
    const lost = await former.claim(lane(), { limit: 1, leaseMs: LEASE_MS })
    const others = await other.claim(lane(), { limit: 1, leaseMs: LEASE_MS })
    const { spool: again } = await lab.open({ life: beginLife(NODE) })
    const own = await claimOne(again)
    assert.equal(await again.takeBack(), 1)
    const back = await claimOne(again)
    assert.deepEqual(
      [back.id],
      lost.map(({ id }) => id),
    )
    assert.deepEqual(await again.claim(lane(), { limit: 9, leaseMs: LEASE_MS }), [])
    for (const { token } of [own, back]) {
      assert.deepEqual(await again.settle(token, settlement(token, [delivered()])), { kind: 'settled' })
    }
    for (const { token } of others) {
      assert.deepEqual(await other.settle(token, settlement(token, [delivered()])), { kind: 'settled' })
    }
  })

  test('are found among many that others hold', async (t) => {
    const lab = await RedisSpoolLab.start(t)
    const { spool: former } = await lab.open({ life: beginLife(NODE) })
    const { spool: other } = await lab.open({ life: beginLife(OTHER) })
    await Promise.all(Array.from({ length: 1_500 }, () => other.accept(messageNow())))
    const theirs = await other.claim(lane(), { limit: 1_000, leaseMs: LEASE_MS })
    const lost = await former.claim(lane(), { limit: 1_000, leaseMs: LEASE_MS })
    assert.deepEqual([theirs.length, lost.length], [1_000, 500])
    const { spool: again } = await lab.open({ life: beginLife(NODE) })
    const began = performance.now()
    assert.equal(await again.takeBack(), 500)
    t.diagnostic(`500 of 1,500 given back in ${Math.round(performance.now() - began)} ms`)
    assert.equal((await again.claim(lane(), { limit: 1_000, leaseMs: LEASE_MS })).length, 500)
  })
})

describe('lanes of a former process of the node', () => {
  test('are run at once, although their job was at work and a take was under way', async (t) => {
    const redis = await serverOf(t)
    const { client, keys } = await clientOf(t, redis)
    const lanes = ['mx:a.test:25', 'mx:b.test:25', 'mx:c.test:25'] as LaneId[]
    for (const one of lanes) await client.zadd(keys.due, Date.now(), one)
    const { scheduler: former, die } = await schedulerOf(t, redis, NODE)
    const begun = new Set<LaneId>()
    // Two of four slots are for lanes that move nothing: one lane is held back.
    await former.run(
      async (one) => {
        begun.add(one)
        return await new Promise<never>(() => undefined)
      },
      { slots: 4 },
    )
    await until(() => begun.size === 2)
    await die()
    const { scheduler: again } = await schedulerOf(t, redis, NODE)
    assert.equal(await again.takeBack(), 2)
    assert.equal(await again.takeBack(), 0)
    const run = new Set<LaneId>()
    const startedAt = performance.now()
    await again.run(
      async (one) => {
        run.add(one)
        return { kind: 'idle' }
      },
      { slots: 4 },
    )
    await until(() => run.size === 3)
    t.diagnostic(`all lanes had a turn ${Math.round(performance.now() - startedAt)} ms after the start`)
  })
})

describe('a relay that is killed and started again', () => {
  const DOMAINS = Array.from({ length: 8 }, (_, n) => `d${n}.test`)
  const PERMITS = 4
  /** From the ready line of the new process to its last message at the mail exchanger. */
  const BACK_MS = 2_000
  let directory: string
  let dns: DnsServer
  let mx: ScriptedMx
  let redis: RedisServer
  let holding = false

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'hermetic-former-'))
    redis = await startRedis()
    mx = await ScriptedMx.start()
    mx.script = { RCPT: () => (holding ? { silent: true } : undefined) }
    const records = DOMAINS.map((name) => [name, { MX: [[10, 'mx.d0.test']] as const }] as const)
    dns = await startDnsServer({
      zones: [zone({ ...Object.fromEntries(records), 'mx.d0.test': { A: [mx.address] } })],
    })
  })
  after(async () => {
    await mx?.stop()
    await dns?.close()
    await redis?.[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  })

  async function optionsOf(name: string, lines: string[]): Promise<RelayOptions> {
    const readyPort = await freePort()
    const settings = `
[queue]
engine = "redis"
redis_url = "${redis.socket}"
content_dir = "${directory}/content"
[delivery]
port = ${mx.port}
concurrency_per_site = ${PERMITS}
[dns]
servers = ["127.0.0.1:${dns.port}"]
trust = "none"
[egress]
smtp_networks = ["127.0.0.0/8"]
[metrics]
listen = "127.0.0.1:0"
[[listener]]
kind = "relay"
address = "127.0.0.1"
port = ${readyPort}
tls = "none"
allow_networks = ["127.0.0.0/8"]
`
    return { dir: join(directory, name), settings, readyPort, onLine: (line) => lines.push(line) }
  }

  test('delivers at once what its former process had in flight, also while another node waits for its permits', async (t) => {
    holding = true
    const lines: string[] = []
    const [options, others] = [await optionsOf('one', lines), await optionsOf('two', [])]
    const victim = await RelayInstance.start(options)
    for (const name of DOMAINS.slice(0, PERMITS)) await submit(options.readyPort, name, 5)
    await until(() => mx.connections.length === PERMITS, 10_000)
    const other = await RelayInstance.start(others)
    t.after(() => other.kill())
    for (const name of DOMAINS) await submit(others.readyPort, name, 1)
    await sleep(1_000)
    assert.equal(mx.connections.length, PERMITS, 'the other waits')
    await victim.kill()
    holding = false
    const startedAt = performance.now()
    const again = await RelayInstance.start(options)
    t.after(() => again.kill())
    const readyAt = performance.now()
    await mx.received(PERMITS * 5 + DOMAINS.length)
    const took = performance.now() - readyAt
    t.diagnostic(
      `all ${PERMITS * 5 + DOMAINS.length} messages were there ${Math.round(performance.now() - startedAt)} ms after the start of the process`,
    )
    assert.ok(took < BACK_MS, `${took} ms`)
    const told = lines.find((line) => line.includes('"event":"former-life-ended"'))
    assert.ok(told !== undefined, 'it is told')
    assert.match(told, /"permits":4,"deliveries":\d+,"lanes":4/)
    assert.equal(mx.messages.length, PERMITS * 5 + DOMAINS.length, 'each once')
  })
})

async function submit(port: number, domain: string, count: number): Promise<void> {
  const client = await SmtpDialogue.open({ port })
  await client.reply()
  await client.command('EHLO app.sender.test')
  for (let n = 0; n < count; n += 1) {
    await client.command('MAIL FROM:<app@sender.test>')
    await client.command(`RCPT TO:<someone@${domain}>`)
    await client.command('DATA')
    assert.equal((await client.command(`Subject: ${n}\r\n\r\nhello\r\n.`)).code, 250)
  }
  await client.quit()
}

const QUEUE = 'lives'
const START_MS = 5_000
let wires = 0

const ends = new WeakMap<TestContext, (() => unknown)[]>()

/** The other way round than it was begun. */
function lastly(t: TestContext, end: () => unknown): void {
  const known = ends.get(t)
  if (known !== undefined) {
    known.unshift(end)
    return
  }
  const all = [end]
  ends.set(t, all)
  t.after(async () => {
    for (const one of all) await one()
  })
}

async function serverOf(t: TestContext): Promise<RedisServer> {
  const redis = await startRedis()
  lastly(t, () => redis[Symbol.asyncDispose]())
  return redis
}

async function clientOf(t: TestContext, redis: RedisServer) {
  const client = connectRedis({ url: redis.socket })
  lastly(t, () => client.disconnect())
  await connected(client, START_MS)
  return { client, keys: queueKeys(QUEUE) }
}

/** A process of a node, behind a wire that is cut when it dies. */
async function permitsOf(t: TestContext, redis: RedisServer, node: string, leaseMs = LEASE_MS) {
  const { url, die } = await wireOf(t, redis)
  const permits = await openRedisPermits({
    ...{ client: connectRedis({ url }), listener: connectRedis({ url }) },
    ...{ keys: queueKeys(QUEUE), limitsOf: () => ({ concurrency: 2 }), life: beginLife(node), leaseMs },
    monotonic: () => performance.now(),
    emit: () => undefined,
  })
  lastly(t, () => permits.close())
  return { permits, die }
}

async function schedulerOf(t: TestContext, redis: RedisServer, node: string) {
  const { url, die } = await wireOf(t, redis)
  const client = connectRedis({ url })
  await connected(client, START_MS)
  const scheduler = createBullmqScheduler({
    ...{ client, keys: queueKeys(QUEUE), life: beginLife(node), now: Date.now },
    connectForJobs: () => connectRedisForBullmq({ url }),
    monotonic: () => performance.now(),
    emit: () => undefined,
  })
  lastly(t, () => scheduler.stop(0))
  return { scheduler, die }
}

async function wireOf(t: TestContext, redis: RedisServer) {
  wires += 1
  const proxy = await redisProxy(redis.socket, join(redis.directory, `wire-${wires}.sock`))
  lastly(t, () => proxy[Symbol.asyncDispose]())
  return {
    url: proxy.socket,
    die: async () => {
      proxy.fallSilent()
      await proxy[Symbol.asyncDispose]()
    },
  }
}

async function until(condition: () => boolean, ms = START_MS): Promise<void> {
  const giveUpAt = performance.now() + ms
  while (!condition()) {
    assert.ok(performance.now() < giveUpAt, `this never happened: ${condition.toString()}`)
    await sleep(5)
  }
}
