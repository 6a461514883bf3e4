/**
 * The contract of the spool on a real redis-server with an append-only file: the same suite as for the embedded
 * engine, each test in a queue of its own.
 */
import assert from 'node:assert/strict'
import { basename, join } from 'node:path'
import { after, before, describe } from 'node:test'
import { openRedisSpool } from '../../packages/mta/src/spool/adapters/redis-spool.ts'
import { spoolContract } from '../../packages/mta/src/spool/spool.contract.ts'
import type { SpoolPlace } from '../../packages/mta/src/spool/spool.fixture.ts'
import { agesContract } from '../../packages/mta/src/spool/spool-ages.contract.ts'
import { spoolMovesContract } from '../../packages/mta/src/spool/spool-moves.contract.ts'
import type { StoredSpool } from '../../packages/mta/src/spool/stored-spool.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'

let redis: RedisServer | undefined
before(async () => {
  redis = await startRedis()
})
after(() => redis?.[Symbol.asyncDispose]())

async function open(place: SpoolPlace): Promise<StoredSpool> {
  assert.ok(redis !== undefined)
  const opened = await openRedisSpool({
    address: { url: redis.socket },
    queue: basename(place.dataDir),
    durability: 'strict',
    dataDir: place.dataDir,
    contentDir: join(place.dataDir, 'content'),
    maxBytes: place.maxBytes,
    emit: ({ event }) => place.events.push(event),
    hooks: {
      faults: place.faults,
      time: () => place.clock.now,
      monotonicNow: () => place.clock.mono,
      diskFreeBytes: () => place.disk.freeBytes,
      probeIntervalMs: 10,
      ...(place.acceptMs === undefined ? {} : { acceptMs: place.acceptMs }),
    },
  })
  assert.ok(opened.ok, JSON.stringify(opened))
  return opened.value
}

spoolMovesContract(open)
spoolContract(open, { inlineBytesMax: 16 * 1024 })
describe('ages and rules', { concurrency: 4 }, () => agesContract(open))
