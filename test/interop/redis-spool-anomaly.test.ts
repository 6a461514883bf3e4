/** The anomaly suite of the embedded spool, on Redis: faults at every step, and kill -9 at every step. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openRedisSpool } from '../../packages/mta/src/spool/adapters/redis-spool.ts'
import { SpoolFaults } from '../../packages/mta/src/spool/faults.ts'
import type { StoredSpool } from '../../packages/mta/src/spool/stored-spool.ts'
import { COMMITS, proveEveryFault, proveLoad } from '../anomaly/spool-fault-passes.ts'
import { proveEveryKill } from '../anomaly/spool-kill.ts'
import { startRedis } from '../lab/redis-server.ts'

async function faultySpool(t: TestContext): Promise<{ readonly spool: StoredSpool; readonly faults: SpoolFaults }> {
  const redis = await startRedis()
  const directory = mkdtempSync(join(tmpdir(), 'redis-spool-faults-'))
  const faults = new SpoolFaults()
  const opened = await openRedisSpool({
    address: { url: redis.socket },
    queue: 'faults',
    durability: 'strict',
    dataDir: join(directory, 'data'),
    contentDir: join(directory, 'content'),
    maxBytes: 64 * 1024 * 1024,
    emit: () => undefined,
    hooks: { faults, probeIntervalMs: 2 },
  })
  assert.ok(opened.ok)
  t.after(async () => {
    await opened.value.close()
    await redis[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true, force: true })
  })
  return { spool: opened.value, faults }
}

test('each step fails once, or its answer is lost once, at each pass: nothing is lost, nothing is sent twice', async (t) => {
  const { spool, faults } = await faultySpool(t)
  await proveEveryFault(t, spool, faults)
})

test('the connection ends again and again: another takes over with every lease', async (t) => {
  const { spool, faults } = await faultySpool(t)
  for (let skip = 0; skip < COMMITS; skip += 1) {
    faults.arm('thread', { act: 'fail', skip: skip * 2 })
    await proveLoad(spool, `connection at pass ${skip * 2}`)
    assert.equal(faults.left('thread'), 0)
  }
})

test('kill -9 at every durable step: nothing acknowledged is lost, nothing settled comes back', async (t) => {
  const redis = await startRedis()
  t.after(() => redis[Symbol.asyncDispose]())
  await proveEveryKill(t, redis.socket)
})
