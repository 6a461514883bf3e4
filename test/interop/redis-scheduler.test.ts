/** The lane scheduler of many processes, on a real redis-server. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import type { LaneId } from '../../packages/mta/src/delivery/lane.ts'
import { connected, connectRedis, type RedisClient } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import { type QueueKeys, queueKeys } from '../../packages/mta/src/redis/keys.ts'
import { laneSchedulerContract } from '../../packages/mta/src/schedule/lane-scheduler.contract.ts'
import type { TurnEnd } from '../../packages/mta/src/schedule/lane-scheduler.ts'
import { type RedisProxy, redisProxy } from '../lab/redis-proxy.ts'
import { openScheduler, type ScheduleOfTest, spoolOf } from '../lab/redis-schedule.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'

let redis: RedisServer
let queues = 0
before(async () => {
  redis = await startRedis()
})
const spools: AsyncDisposable[] = []
after(async () => {
  for (const spool of spools) await spool[Symbol.asyncDispose]()
  await redis[Symbol.asyncDispose]()
})

laneSchedulerContract(async () => {
  queues += 1
  const queue = `contract-${queues}`
  const { scheduler } = await openScheduler(redis.socket, queue)
  const spool = await spoolOf(redis.socket, queue)
  spools.push(spool)
  return { scheduler, spool }
})

const LANE = 'mx:a.example:25' as LaneId
/** A second is promised, and a machine that has more to do gets another. What is missed is found after ten. */
const LATE_MS = 2_000
const idle = { kind: 'idle' } as const

describe('lanes of many processes', () => {
  test('a far wake of a turn after the near one of a submitter: each is served within a second', async (t) => {
    const { keys, client, node } = await cluster(t)
    const turns: number[] = []
    const [near, far] = [Date.now() + 600, Date.now() + 3_000]
    const worker = await node()
    const submitter = await node()
    await worker.scheduler.run(
      async () => {
        turns.push(Date.now())
        await client.zremrangebyscore(keys.laneDue(LANE), '-inf', Date.now())
        if (turns.length > 1) return idle
        // Another process accepts while this turn runs, and then this turn settles for much later.
        await put(client, keys, { delivery: 'accepted', dueAt: near })
        submitter.scheduler.wake(LANE, near)
        await put(client, keys, { delivery: 'deferred', dueAt: far })
        worker.scheduler.wake(LANE, far)
        return idle
      },
      { slots: 1 },
    )
    await put(client, keys, { delivery: 'first', dueAt: Date.now() })
    worker.scheduler.wake(LANE)
    await until(() => turns.some((at) => at >= far))
    for (const due of [near, far]) {
      const late = Math.min(...turns.filter((at) => at >= due)) - due
      assert.ok(late < LATE_MS, `${late} ms late`)
    }
  })

  test('two workers on one lane: every wake is followed by a turn, and the turns do not overlap', async (t) => {
    const { node } = await cluster(t)
    const starts: number[] = []
    let running = 0
    let most = 0
    const nodes = [await node(), await node()]
    for (const { scheduler } of nodes) {
      await scheduler.run(
        async () => {
          starts.push(performance.now())
          running += 1
          most = Math.max(most, running)
          await pause(Math.random() * 3)
          running -= 1
          return idle
        },
        { slots: 3 },
      )
    }
    const waits: number[] = []
    for (let n = 0; n < 200; n += 1) {
      const woken = performance.now()
      nodes[n % 2]?.scheduler.wake(LANE)
      await until(() => starts.some((at) => at >= woken))
      waits.push((starts.find((at) => at >= woken) ?? 0) - woken)
      await pause(Math.random() * 4)
    }
    assert.equal(most, 1)
    waits.sort((a, b) => a - b)
    assert.ok((waits.at(-1) ?? 0) < LATE_MS)
    t.diagnostic(`wake to turn: median ${waits[100]?.toFixed(1)} ms, worst ${waits.at(-1)?.toFixed(1)} ms`)
  })

  test('a parked lane is woken from another process', async (t) => {
    const { node } = await cluster(t)
    let turns = 0
    const [worker, submitter] = [await node(), await node()]
    const turn = async (): Promise<TurnEnd> => {
      turns += 1
      return turns === 1 ? { kind: 'parked', retryAfterMs: 60_000 } : idle
    }
    await worker.scheduler.run(turn, { slots: 1 })
    await submitter.scheduler.run(turn, { slots: 1 })
    worker.scheduler.wake(LANE)
    await until(() => turns === 1)
    await pause(20)
    submitter.scheduler.wake(LANE)
    await until(() => turns === 2)
  })

  test('a lane whose back-off another process knows is not run there either', async (t) => {
    const { node } = await cluster(t)
    let endsAt = 0
    let ranAt = 0
    const [one, two] = [await node(), await node()]
    await one.scheduler.run(
      async () => {
        if (endsAt > 0) {
          ranAt = Date.now()
          return idle
        }
        endsAt = Date.now() + 400
        return { kind: 'backoff', until: endsAt }
      },
      { slots: 1 },
    )
    one.scheduler.wake(LANE)
    await until(() => endsAt > 0)
    await pause(50)
    await two.scheduler.run(
      async () => {
        ranAt = Date.now()
        return idle
      },
      { slots: 1 },
    )
    two.scheduler.wake(LANE)
    await until(() => ranAt > 0)
    assert.ok(ranAt >= endsAt, `${endsAt - ranAt} ms early`)
  })

  for (const [what, text] of [
    ['a take', 'lanes-takes'],
    ['a job', ':lanes:meta'],
    ['the end of a turn', ':lane:mx:a'],
  ] as const) {
    test(`the lost answer to ${what} loses no lane`, async (t) => {
      const { proxy, client, keys, node } = await cluster(t)
      let turns = 0
      const { scheduler } = await node(proxy.socket)
      await scheduler.run(
        async () => {
          turns += 1
          await client.del(keys.laneDue(LANE))
          return idle
        },
        { slots: 1 },
      )
      scheduler.wake(LANE)
      await until(() => turns === 1)
      await pause(100)
      // Not by a wake, which would be repeated with the take.
      await put(client, keys, { delivery: 'accepted', dueAt: Date.now() })
      proxy.loseAnswerTo(text)
      await until(() => proxy.lost === 1 && turns >= 2, 5_000)
    })
  }

  for (const kind of ['idle', 'parked'] as const) {
    test(`an entry that was lowered while a turn ran is kept when the turn ends ${kind}`, async (t) => {
      const { client, keys, node } = await cluster(t)
      const turns: number[] = []
      const { scheduler } = await node()
      await scheduler.run(
        async () => {
          turns.push(Date.now())
          if (turns.length > 1) return idle
          // As a permit does that returns elsewhere: the lane has no delivery that would say so too.
          await client.zadd(keys.due, 'LT', Date.now(), LANE)
          return kind === 'idle' ? idle : { kind, retryAfterMs: 60_000 }
        },
        { slots: 1 },
      )
      scheduler.wake(LANE)
      await until(() => turns.length === 2)
      assert.ok((turns[1] ?? 0) - (turns[0] ?? 0) < LATE_MS)
    })
  }

  test('a worker whose connections fall silent is told, and works again with new ones', async (t) => {
    const { proxy, node } = await cluster(t)
    let turns = 0
    const { scheduler, events } = await node(redis.socket, proxy.socket)
    await scheduler.run(
      async () => {
        turns += 1
        return idle
      },
      { slots: 2 },
    )
    scheduler.wake(LANE)
    await until(() => turns === 1)
    assert.equal(scheduler.trouble(), undefined)
    proxy.fallSilent()
    scheduler.wake('mx:b.example:25' as LaneId)
    await until(() => events.some(({ event }) => event === 'lane-worker-idle'))
    await until(() => turns === 2)
    assert.equal(scheduler.trouble(), undefined)
  })

  for (const how of ['pause', 'stop'] as const) {
    test(`a node in ${how} hands over the lane whose last reply it still waits for, and those that wait there`, async (t) => {
      const { client, keys, node } = await cluster(t)
      const [leaving, other] = [await node(), await node()]
      let lastReply = (): void => {}
      const replied = new Promise<void>((resolve) => {
        lastReply = resolve
      })
      t.after(() => lastReply())
      let began = false
      await leaving.scheduler.run(
        async () => {
          began = true
          await replied
          return idle
        },
        { slots: 1 },
      )
      await put(client, keys, { delivery: 'one', dueAt: Date.now() })
      await until(() => began)
      const waiting = 'mx:waiting.example:25' as LaneId
      leaving.scheduler.wake(waiting)
      await pause(30)
      const ran = new Set<LaneId>()
      const turnThere = async (lane: LaneId): Promise<TurnEnd> => {
        ran.add(lane)
        await client.del(keys.laneDue(lane))
        return idle
      }
      const leftAt = Date.now()
      const left = leaving.scheduler[how](10_000)
      await other.scheduler.run(turnThere, { slots: 2 })
      await until(() => ran.has(LANE) && ran.has(waiting), LATE_MS)
      t.diagnostic(`both lanes ran elsewhere ${Date.now() - leftAt} ms later`)
      lastReply()
      await left
      assert.ok(Date.now() - leftAt < LATE_MS)
    })
  }

  test('what an operator wakes at a paused node is run by another', async (t) => {
    const { node } = await cluster(t)
    const [paused, other] = [await node(), await node()]
    const ran: string[] = []
    const turn = (name: string) => async (): Promise<TurnEnd> => {
      ran.push(name)
      return ran.length === 1 ? { kind: 'backoff', until: Date.now() + 60_000 } : idle
    }
    await other.scheduler.run(turn('other'), { slots: 1 })
    other.scheduler.wake(LANE)
    await until(() => ran.length === 1)
    await paused.scheduler.run(turn('paused'), { slots: 1 })
    await paused.scheduler.pause(100)
    await pause(20)
    paused.scheduler.wake(LANE, undefined, 'operator')
    await until(() => ran.length === 2, LATE_MS)
    assert.deepEqual(ran, ['other', 'other'])
  })

  test('without Redis a worker is in trouble, and out of it afterwards', async (t) => {
    await using own = await startRedis()
    const { scheduler, events } = await openScheduler(own.socket, 'away')
    t.after(() => scheduler.stop(100))
    let turns = 0
    await scheduler.run(
      async () => {
        turns += 1
        return idle
      },
      { slots: 1 },
    )
    await own.stop()
    scheduler.wake(LANE)
    await until(() => scheduler.trouble() !== undefined)
    assert.equal(turns, 0)
    await own.start()
    await until(() => turns === 1 && scheduler.trouble() === undefined)
    const told = events.map(({ event }) => event)
    assert.deepEqual(told, ['lane-jobs-unavailable', 'lane-jobs-available'])
    await scheduler.stop(100)
  })
})

interface Cluster {
  /** Another way to the same server. */
  readonly proxy: RedisProxy
  readonly keys: QueueKeys
  readonly client: RedisClient
  node(url?: string, jobsUrl?: string): Promise<ScheduleOfTest>
}

/** A queue of its own; nodes stop with the test. */
async function cluster(t: TestContext): Promise<Cluster> {
  queues += 1
  const queue = `cluster-${queues}`
  const client = connectRedis({ url: redis.socket })
  await connected(client, 5_000)
  const proxy = await redisProxy(redis.socket, join(redis.directory, `${queue}.sock`))
  const nodes: ScheduleOfTest[] = []
  t.after(async () => {
    await Promise.all(nodes.map(({ scheduler }) => scheduler.stop(200)))
    client.disconnect()
    await proxy[Symbol.asyncDispose]()
  })
  return {
    proxy,
    keys: queueKeys(queue),
    client,
    node: async (url = redis.socket, jobsUrl = url) => {
      const limits = { leaseMs: 3_000, lockMs: 1_000, idleMs: 700 }
      const one = await openScheduler(url, queue, { limits, jobsUrl })
      nodes.push(one)
      return one
    },
  }
}

/** What accept and settle do to the schedule. */
async function put(
  client: RedisClient,
  keys: QueueKeys,
  { delivery, dueAt }: { readonly delivery: string; readonly dueAt: number },
): Promise<void> {
  await client.multi().zadd(keys.laneDue(LANE), dueAt, delivery).zadd(keys.due, 'LT', dueAt, LANE).exec()
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function until(condition: () => boolean, ms = 15_000): Promise<void> {
  const giveUpAt = Date.now() + ms
  while (!condition()) {
    assert.ok(Date.now() < giveUpAt, `this never happened: ${condition.toString()}`)
    await pause(1)
  }
}
