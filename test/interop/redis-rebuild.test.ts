/**
 * A schedule that somebody damaged, on a real Redis: what a rebuild says of it, and that every message is delivered once
 * afterwards, also while relays work.
 */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { LaneId } from '../../packages/mta/src/delivery/lane.ts'
import { connected, connectRedis } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { queueKeys } from '../../packages/mta/src/redis/keys.ts'
import { mendSchedule } from '../../packages/mta/src/schedule/adapters/bullmq-mend.ts'
import { joinedFindings, type MendFinding, type MendKind } from '../../packages/mta/src/spool/mend-report.ts'
import { claimAll, delivered, eventually, lane, settlement } from '../../packages/mta/src/spool/spool.fixture.ts'
import type { StoredSpool } from '../../packages/mta/src/spool/stored-spool.ts'
import { openScheduler } from '../lab/redis-schedule.ts'
import { messageNow, RedisSpoolLab } from './redis-spool-lab.ts'

const keys = queueKeys('test')
const J = `${keys.tag}:lanes:`
const S = keys.spool

class Damaged {
  readonly lab: RedisSpoolLab
  readonly spool: StoredSpool
  readonly client: ReturnType<typeof connectRedis>

  private constructor(lab: RedisSpoolLab, spool: StoredSpool, client: ReturnType<typeof connectRedis>) {
    this.lab = lab
    this.spool = spool
    this.client = client
  }

  /** `messages` in three lanes, of which nothing is given out yet. */
  static async with(t: TestContext, messages: number): Promise<Damaged> {
    const lab = await RedisSpoolLab.start(t)
    const { spool } = await lab.open()
    for (let n = 0; n < messages; n += 1) await spool.accept(messageNow([1 + (n % 3)]))
    const client = connectRedis({ url: lab.redis.socket })
    await connected(client, 5000)
    t.after(() => client.disconnect())
    return new Damaged(lab, spool, client)
  }

  async mend(fix: boolean): Promise<readonly MendFinding[]> {
    const { findings } = await this.spool.mend({ fix })
    return joinedFindings([...findings, ...(await mendSchedule({ client: this.client, keys, fix }))])
  }

  async kinds(fix: boolean): Promise<Partial<Record<MendKind, number>>> {
    return Object.fromEntries((await this.mend(fix)).map(({ kind, count }) => [kind, count]))
  }

  /** Nodes that deliver everything at once, and how often each message was tried. */
  async nodes(count: number): Promise<{ readonly tries: Map<string, number> } & AsyncDisposable> {
    const tries = new Map<string, number>()
    const turn = async (id: LaneId) => {
      const claims = await this.spool.claim(id, { limit: 10, leaseMs: 60_000 })
      for (const { id: message, token } of claims) {
        tries.set(message, (tries.get(message) ?? 0) + 1)
        await this.spool.settle(token, settlement(token, [delivered()]))
      }
      return claims.length === 0 ? ({ kind: 'idle' } as const) : ({ kind: 'more' } as const)
    }
    const opened = await Promise.all(Array.from({ length: count }, () => openScheduler(this.lab.redis.socket, 'test')))
    for (const { scheduler } of opened) await scheduler.run(turn, { slots: 4 })
    const stop = async () => void (await Promise.all(opened.map(({ scheduler }) => scheduler.stop(1000))))
    return { tries, [Symbol.asyncDispose]: stop }
  }

  async empty(): Promise<void> {
    await eventually('everything is delivered', async () => (await this.spool.admin.summary()).messages === 0)
  }
}

const far = () => String(Date.now() + 90 * 86_400_000)

describe('a damaged schedule', { concurrency: 4 }, () => {
  for (const [what, damage, found] of [
    ['nothing', async () => undefined, {}],
    ['the due times of all lanes', (r: R) => r.del(keys.due), { 'lane-missing': 3 }],
    ['a lane that is due in three months', async (r: R) => r.zadd(keys.due, await far(), lane(1)), { 'lane-far': 1 }],
    ['lanes that nobody has mail for', (r: R) => r.zadd(keys.due, 1, lane(8), far(), lane(9)), { 'lane-stray': 2 }],
    ['a back-off without an end', (r: R) => r.hset(keys.backoff, lane(1), far()), { 'backoff-far': 1 }],
    ['all lanes', (r: R) => r.del(...[1, 2, 3].map((n) => keys.laneDue(lane(n)))), { 'delivery-missing': 12 }],
    ['the list of messages', (r: R) => r.del(`${S}ids`), { 'message-not-listed': 12 }],
    [
      'entries for messages that are not there',
      async (r: R) => {
        const id = messageNow().id
        await r.zadd(`${S}ids`, 0, id)
        await r.zadd(keys.laneDue(lane(1)), 5, `${id}/0`)
        await r.zadd(keys.laneDue(lane(7)), 5, `${id}/0`)
        await r.zadd(`${S}leases`, far(), `${id}/0`)
        await r.zadd(`${S}stopped`, 0, `${id}/0`)
      },
      { 'message-not-there': 1, 'delivery-stray': 2, 'lease-stray': 1, 'stopped-stray': 1 },
    ],
    [
      'the class of a message',
      async (r: R) => {
        for (const id of (await r.zrange(`${S}ids`, '0', '-1')).slice(0, 2)) await r.hset(`${S}m:${id}`, 'p', 'b')
      },
      { 'class-wrong': 2 },
    ],
    ['the sum of bytes', (r: R) => r.set(`${S}bytes`, '7'), { 'size-wrong': 1 }],
    [
      'keys of another program',
      async (r: R) => {
        for (const key of [keys.due, keys.taken, `${J}wait`, `${S}stopped`]) {
          await r.del(key)
          await r.set(key, 'x')
        }
      },
      { 'key-of-wrong-kind': 4 },
    ],
    [
      'jobs that nobody takes',
      async (r: R) => {
        await r.hset(`${J}41`, 'data', JSON.stringify({ lane: lane(1), slot: 0 }), 'deid', `${lane(1)}#0`)
        await r.set(`${J}de:${lane(1)}#0`, '41')
        await r.set(`${J}de:${lane(2)}#0`, '42')
        await r.rpush(`${J}wait`, '43')
        await r.zadd(`${J}delayed`, far(), '44')
        await r.hset(`${J}meta`, 'paused', '1')
      },
      { 'job-stray': 2, 'jobs-paused': 1, 'job-counter': 1 },
    ],
  ] as const) {
    test(`${what}: a check tells and changes nothing, a rebuild mends once, and all mail is delivered once`, async (t) => {
      const world = await Damaged.with(t, 12)
      await damage(world.client)
      const told = await world.kinds(false)
      assert.partialDeepStrictEqual(told, found)
      if (what === 'nothing') assert.deepEqual(told, {})
      assert.partialDeepStrictEqual(await world.kinds(true), found)
      assert.deepEqual(await world.kinds(false), {})
      await using nodes = await world.nodes(2)
      await world.empty()
      assert.deepEqual([...new Set(nodes.tries.values())], [1])
      assert.equal(nodes.tries.size, 12)
    })
  }
})

type R = Damaged['client']

test('mail that somebody may have in hands is not given out again before its lease would have ended', async (t) => {
  const { spool, client, ...world } = await Damaged.with(t, 3)
  const [claim] = await claimAll(spool, 1)
  assert.ok(claim !== undefined)
  await client.del(`${S}leases`)
  const damaged = Object.assign(Object.create(Damaged.prototype) as Damaged, { spool, client, ...world })
  assert.deepEqual(await damaged.kinds(true), { 'delivery-in-doubt': 1 })
  assert.deepEqual(await claimAll(spool, 1), [])
  assert.deepEqual([...(await spool.renew([claim.token], 60_000))], [claim.token])
  assert.deepEqual(await spool.settle(claim.token, settlement('a', [delivered()])), { kind: 'settled' })
  assert.deepEqual(await damaged.kinds(false), {})
})

test('what was given out and is free as well is taken out of its lane', async (t) => {
  const world = await Damaged.with(t, 3)
  const [claim] = await claimAll(world.spool, 1)
  assert.ok(claim !== undefined)
  await world.client.zadd(keys.laneDue(lane(1)), 5, `${claim.id}/0`)
  assert.deepEqual(await world.kinds(true), { 'delivery-twice': 1 })
  assert.deepEqual(await claimAll(world.spool, 1), [])
})

test('held mail that no list names is found again by its state', async (t) => {
  const world = await Damaged.with(t, 3)
  const [{ id } = assert.fail()] = await world.spool.admin.list({}, { limit: 1 })
  await world.spool.admin.change([id], { kind: 'hold', reason: 'x' })
  await world.client.del(`${S}stopped`)
  assert.deepEqual(await world.kinds(true), { 'stopped-missing': 1 })
  assert.equal((await world.spool.admin.list({ state: 'held' }, { limit: 9 })).length, 1)
})

test('a rebuild while relays work finds nothing wrong in what they do, and doubles nothing', async (t) => {
  const world = await Damaged.with(t, 0)
  await using nodes = await world.nodes(2)
  const { tries } = nodes
  const found: MendFinding[] = []
  for (let n = 0; n < 200; n += 1) {
    const accepted = world.spool.accept(messageNow([1 + (n % 20)]))
    if (n % 5 === 0) found.push(...(await world.mend(true)))
    await accepted
  }
  await world.empty()
  assert.equal(tries.size, 200)
  assert.deepEqual([...new Set(tries.values())], [1])
  assert.deepEqual(found, [])
})

test('keys of lanes and jobs that go while relays work are made again by a rebuild', async (t) => {
  const world = await Damaged.with(t, 0)
  await using nodes = await world.nodes(2)
  const { tries } = nodes
  for (let round = 0; round < 5; round += 1) {
    for (let n = 0; n < 30; n += 1) await world.spool.accept(messageNow([1 + (n % 10)]))
    const gone = (await world.client.keys(`${keys.tag}:*`)).filter((key) => !key.startsWith(S) || key.endsWith('ids'))
    if (gone.length > 0) await world.client.del(...gone)
    await world.mend(true)
  }
  await world.empty()
  assert.equal(tries.size, 150)
  assert.deepEqual([...new Set(tries.values())], [1])
})
