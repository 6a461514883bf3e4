/** That DANE was on, as a data_dir and as relays that share a Redis remember it: the same promises. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { LogEvent } from '../../packages/mta/src/observability/log-events.ts'
import { connected, connectRedis } from '../../packages/mta/src/redis/adapters/redis-connection.ts'
import {
  type DnssecMemory,
  openDnssecMemory,
  openSharedDnssecMemory,
} from '../../packages/mta/src/wiring/dnssec-memory.ts'
import { redisPolicyKeys } from '../../packages/policy/src/adapters/redis-scripts.ts'
import { sharedPolicies } from '../../packages/policy/src/adapters/redis-shared-policies.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'

interface Bed {
  /** As at the start of a process. */
  readonly open: () => Promise<DnssecMemory>
  readonly events: readonly LogEvent[]
  /** Puts something in its place that cannot be read. */
  readonly damage: () => Promise<unknown>
}

function inFile(t: TestContext): Bed {
  const dataDir = mkdtempSync(join(tmpdir(), 'dnssec-memory-'))
  t.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const events: LogEvent[] = []
  return {
    open: () => openDnssecMemory(dataDir, (event) => events.push(event)),
    events,
    damage: async () => mkdirSync(join(dataDir, 'dane-enabled')),
  }
}

async function inRedis(t: TestContext, server?: RedisServer): Promise<Bed> {
  const redis = server ?? (await startRedis())
  t.after(() => redis[Symbol.asyncDispose]())
  const client = connectRedis({ url: redis.socket })
  t.after(() => client.disconnect())
  assert.ok(await connected(client, 5_000))
  const events: LogEvent[] = []
  const name = 'main'
  const shared = sharedPolicies({ client, name, now: Date.now, emit: () => undefined })
  return {
    open: () => openSharedDnssecMemory(shared.daneEnabled, (event) => events.push(event)),
    events,
    damage: () => client.hset(`${redisPolicyKeys(name)}:dane-enabled`, 'x', '1'),
  }
}

for (const [where, bedOf] of [
  ['a data_dir', async (t: TestContext) => inFile(t)],
  ['Redis', (t: TestContext) => inRedis(t)],
] as const) {
  describe(`in ${where}`, () => {
    test('at first nothing is remembered; what is remembered is found at every start, until it is taken back', async (t) => {
      const { open, events } = await bedOf(t)
      const first = await open()
      assert.equal(first.remembered, false)
      await first.remember('off')
      await first.remember('on')
      assert.equal((await open()).remembered, true)
      const again = await open()
      await again.remember('on')
      assert.equal((await open()).remembered, true)
      await again.remember('off')
      assert.equal((await open()).remembered, false)
      assert.deepEqual(events, [])
    })

    test('what cannot be read was on, and is told', async (t) => {
      const { open, events, damage } = await bedOf(t)
      await damage()
      assert.equal((await open()).remembered, true)
      assert.deepEqual(
        events.map((one) => one.event === 'dnssec-memory-failed' && one.operation),
        ['read'],
      )
    })
  })
}

test('DANE of one relay is remembered by all, and so is the word of the operator that ends it', async (t) => {
  const { open } = await inRedis(t)
  const [one, other] = [await open(), await open()]
  await one.remember('on')
  assert.equal((await open()).remembered, true)
  await other.remember('off')
  assert.equal((await open()).remembered, false)
  await one.remember('on')
  assert.equal((await open()).remembered, true, 'what one read some time ago says little')
})

test('a Redis that does not answer says nothing about DANE: then it was on, and a write that fails is told', async (t) => {
  const server = await startRedis()
  const { open, events } = await inRedis(t, server)
  await server.stop('SIGKILL')
  const memory = await open()
  assert.equal(memory.remembered, true)
  await memory.remember('on')
  assert.deepEqual(
    events.map((one) => one.event === 'dnssec-memory-failed' && one.operation),
    ['read', 'write'],
  )
})
