/** The lane scheduler over the real spool on Redis: what accept and settle write is what lanes are run by. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { LaneId } from '../../packages/mta/src/delivery/lane.ts'
import { openRedisSpool } from '../../packages/mta/src/spool/adapters/redis-spool.ts'
import { deferred, delivered, lane, message, settlement } from '../../packages/mta/src/spool/spool.fixture.ts'
import { openScheduler } from '../lab/redis-schedule.ts'
import { startRedis } from '../lab/redis-server.ts'

/** A second is promised, and a machine that has more to do gets another. What is missed is found after ten. */
const LATE_MS = 2_000
const MESSAGES = 60
const LANES = 6
const DAY_MS = 86_400_000

test('every accepted message is claimed within a second by one of two nodes, and again when it was deferred', async () => {
  await using redis = await startRedis()
  const queue = 'joint'
  const opened = await openRedisSpool({
    ...{ address: { url: redis.socket }, queue, durability: 'strict', maxBytes: 1e9, emit: () => {} },
    dataDir: join(redis.directory, 'data'),
    contentDir: join(redis.directory, 'content'),
  })
  assert.ok(opened.ok, JSON.stringify(opened))
  const spool = opened.value
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => spool.close())
  const nodes = [await openScheduler(redis.socket, queue), await openScheduler(redis.socket, queue)]
  for (const { scheduler } of nodes) cleanup.defer(() => scheduler.stop(1_000))
  const dueAt = new Map<string, number>()
  const attempts = new Map<string, number>()
  let worst = 0
  const turn = async (id: LaneId) => {
    const claims = await spool.claim(id, { limit: 10, leaseMs: 60_000 })
    for (const claim of claims) {
      const attempt = (attempts.get(claim.id) ?? 0) + 1
      attempts.set(claim.id, attempt)
      worst = Math.max(worst, Date.now() - (dueAt.get(claim.id) ?? Number.NaN))
      const again = Date.now() + 300
      dueAt.set(claim.id, again)
      const outcome = attempt === 1 ? { ...deferred(), dueAt: again } : delivered()
      await spool.settle(claim.token, settlement(`${claim.token}/${attempt}`, [outcome]))
    }
    return claims.length === 0 ? ({ kind: 'idle' } as const) : ({ kind: 'more' } as const)
  }
  for (const { scheduler } of nodes) await scheduler.run(turn, { slots: 4 })
  for (let n = 0; n < MESSAGES; n += 1) {
    const now = Date.now()
    const one = message([1 + (n % LANES)], { receivedAt: now, expiresAt: now + DAY_MS })
    dueAt.set(one.id, now)
    assert.equal((await spool.accept(one)).kind, 'accepted')
    // Only every other message is told of: the schedule does not depend on it.
    if (n % 2 === 0) nodes[0]?.scheduler.wake(lane(1 + (n % LANES)))
  }
  const giveUpAt = Date.now() + 10_000
  while ((await spool.admin.summary()).messages > 0) {
    assert.ok(Date.now() < giveUpAt, JSON.stringify(await spool.admin.summary()))
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.deepEqual([...new Set(attempts.values())], [2])
  assert.equal(attempts.size, MESSAGES)
  assert.ok(worst < LATE_MS, `${worst} ms late`)
})
