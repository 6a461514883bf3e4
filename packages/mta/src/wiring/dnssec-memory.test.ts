import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { LogEvent } from '../observability/log-events.ts'
import { openDnssecMemory } from './dnssec-memory.ts'

test('a memory that cannot be written is told, and written as soon as it can be', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'dnssec-memory-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const dataDir = join(directory, 'data')
  const events: LogEvent[] = []
  const memory = await openDnssecMemory(dataDir, (event) => events.push(event), 5)
  assert.equal(memory.remembered, false)
  writeFileSync(dataDir, 'in the way')
  await memory.remember('on')
  assert.deepEqual(
    events.map((event) => (event.event === 'dnssec-memory-failed' ? event.operation : event.event)),
    ['write'],
  )
  rmSync(dataDir)
  while (!existsSync(join(dataDir, 'dane-enabled'))) await pause(5)
  assert.equal((await openDnssecMemory(dataDir, () => undefined)).remembered, true)
})
