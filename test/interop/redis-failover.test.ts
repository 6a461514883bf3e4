/**
 * Redis that fails over under load, with relays as processes: the master is killed while they accept and deliver, behind
 * Sentinels (three, a master, a replica) and in a Cluster (three masters, three replicas). On Debian's Redis 7.0 only
 * `relaxed` starts there: what is lost and repeated is printed, and lies in the window that
 * docs/operating/redis-failover.md promises. `test/soak/failover` is the same at full size.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { type RedisFailover, redisBehindSentinels, redisCluster } from '../lab/redis-failover.ts'
import { failoverText } from '../soak/failover/failover-report.ts'
import { runFailovers } from '../soak/failover/failover-run.ts'

const HERMETIC = new URL('../../hermetic', import.meta.url).pathname
const PLAN = { relays: 2, messages: 300, failovers: 1, largeShare: 0.05, cutLinkMs: 0 }

for (const [what, make] of [
  ['behind Sentinels', redisBehindSentinels],
  ['in a Cluster', redisCluster],
] as const) {
  test(`a master ${what} dies under load: all goes on by itself, strict does not start there`, async (t) => {
    const redis = await make()
    try {
      const refused = await strictStart(redis)
      assert.match(refused, /may lose mail that was answered 250: replicas: (?:1|cluster); a failover may lose/)
      const seed = Math.floor(Math.random() * 2 ** 31)
      const result = await runFailovers(redis, { ...PLAN, seed })
      for (const line of failoverText(result)) t.diagnostic(line)
      assert.equal(result.accepted, PLAN.messages)
      assert.equal(result.queue.messages, result.queue.quarantined, 'nothing waits any more')
      const { lost, repeated } = result.accounts
      assert.deepEqual(
        [...lost, ...repeated].filter(({ beforeDeathMs }) => beforeDeathMs === undefined),
        [],
        `inside the window (seed ${seed})`,
      )
      assert.ok((result.told.get('spool-recovered') ?? 0) >= PLAN.relays, 'every relay noticed')
    } finally {
      await redis[Symbol.asyncDispose]()
    }
  })
}

/** What `hermetic start` says, which must not start. */
async function strictStart(redis: RedisFailover): Promise<string> {
  const dir = join(redis.directory, 'strict')
  await mkdir(dir)
  const file = join(dir, 'hermetic.toml')
  await writeFile(
    file,
    `hostname = "relay.example.test"\n[queue]\nengine = "redis"\n${redis.settings}\ncontent_dir = "${dir}/content"\n`,
  )
  return new Promise((resolve, reject) => {
    execFile(HERMETIC, ['start', '--config', file], { cwd: dir }, (error, _out, err) => {
      if (error === null) reject(new Error('it started'))
      else resolve(err)
    })
  })
}
