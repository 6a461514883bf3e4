import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { spoolContract } from '../spool.contract.ts'
import type { SpoolPlace } from '../spool.fixture.ts'
import { agesContract } from '../spool-ages.contract.ts'
import { spoolMovesContract } from '../spool-moves.contract.ts'
import type { StoredSpool } from '../stored-spool.ts'
import { openSqliteSpool } from './sqlite-spool.ts'

async function open(place: SpoolPlace): Promise<StoredSpool> {
  const opened = await openSqliteSpool({
    dataDir: place.dataDir,
    maxBytes: place.maxBytes,
    now: () => place.clock.now,
    emit: ({ event }) => place.events.push(event),
    hooks: {
      faults: place.faults,
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
spoolContract(open, { inlineBytesMax: 256 * 1024 })
describe('ages and rules', { concurrency: 4 }, () => agesContract(open))
