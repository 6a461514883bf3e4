/** The embedded spool under the faults of `spool-fault-passes.ts`, and without its thread. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSqliteSpool } from '../../packages/mta/src/spool/adapters/sqlite-spool.ts'
import { SpoolFaults } from '../../packages/mta/src/spool/faults.ts'
import { COMMITS, proveEveryFault, proveLoad } from './spool-fault-passes.ts'

test('each step fails once, or its answer is lost once, at each pass: nothing is lost, nothing is sent twice', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'spool-faults-'))
  const faults = new SpoolFaults()
  let failures = 0
  const opened = await openSqliteSpool({
    dataDir,
    maxBytes: 64 * 1024 * 1024,
    emit: ({ event }) => {
      if (event === 'spool-failing') failures += 1
    },
    hooks: { faults, probeIntervalMs: 2 },
  })
  assert.ok(opened.ok)
  t.after(async () => {
    await opened.value.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  await proveEveryFault(t, opened.value, faults)
  t.diagnostic(`${failures} times the store was seen failing`)
})

test("the store's thread ends again and again: another takes over with every lease", async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'spool-faults-'))
  const faults = new SpoolFaults()
  let restarts = 0
  const opened = await openSqliteSpool({
    dataDir,
    maxBytes: 64 * 1024 * 1024,
    emit: ({ event }) => {
      if (event === 'spool-thread-restarted') restarts += 1
    },
    hooks: { faults, probeIntervalMs: 2 },
  })
  assert.ok(opened.ok)
  t.after(async () => {
    await opened.value.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  for (let skip = 0; skip < COMMITS; skip += 1) {
    faults.arm('thread', { act: 'fail', skip: skip * 2 })
    await proveLoad(opened.value, `thread at pass ${skip * 2}`)
  }
  assert.equal(restarts, COMMITS)
})
