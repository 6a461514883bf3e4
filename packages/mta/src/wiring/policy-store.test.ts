/** `policy.db` deleted under a relay: noticed by looking, told once, and said to operators until the restart. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PolicyEvent } from '@hermetic/policy'
import { openFilePolicies } from './policy-store.ts'

test('a file that is gone is told once, and one that is replaced as well', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'policy-store-'))
  t.after(() => rmSync(dataDir, { recursive: true, force: true }))
  t.mock.timers.enable({ apis: ['setInterval'] })
  const events: PolicyEvent[] = []
  const opened = openFilePolicies(dataDir, (event) => void events.push(event), 1_000)
  assert.ok(opened.ok)
  const store = opened.value
  t.mock.timers.tick(1_000)
  assert.deepEqual([events, store.trouble()], [[], undefined])
  rmSync(join(dataDir, 'policy.db'))
  t.mock.timers.tick(3_000)
  assert.deepEqual(events, [{ event: 'policy-file-gone', state: 'written-again' }])
  assert.match(store.trouble() ?? '', /policy\.db was deleted .* restart the relay/)
  rmSync(join(dataDir, 'policy.db'))
  writeFileSync(join(dataDir, 'policy.db'), 'another')
  t.mock.timers.tick(2_000)
  assert.deepEqual(events.slice(1), [{ event: 'policy-file-gone', state: 'another' }])
  assert.match(store.trouble() ?? '', /policy\.db was replaced/)
  store.close()
})
