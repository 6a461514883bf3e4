import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type SuppressionWorld, suppressionContract } from '../suppression-list.contract.ts'
import type { SuppressionKey } from '../suppression-list.ts'
import { openSqliteSuppression, type SqliteSuppression } from './sqlite-suppression.ts'

const directories: string[] = []
after(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'hermetic-suppression-'))
  directories.push(directory)
  return directory
}

function opened(dataDir: string, world: SuppressionWorld): SqliteSuppression {
  const list = openSqliteSuppression({ dataDir, ...world })
  assert(list.ok)
  return list.value
}

suppressionContract(async (world) => {
  const list = opened(newDirectory(), world)
  return { list, [Symbol.asyncDispose]: async () => list.close() }
})

const WORLD: SuppressionWorld = {
  terms: () => ({ strikes: 1, windowMs: 1, expiryMs: 1_000, entriesMax: 10 }),
  now: () => 0,
}

test('it survives a restart, and only its owner reads it', async () => {
  const dataDir = newDirectory()
  const first = opened(dataDir, WORLD)
  await first.note({ refused: [{ address: 'a@example.com' as SuppressionKey, status: '5.1.1' }], delivered: [] })
  first.close()
  const second = opened(dataDir, WORLD)
  assert.equal(await second.count(), 1)
  second.close()
  assert.equal(statSync(join(dataDir, 'suppression.db')).mode & 0o777, 0o600)
})

test('a file of somebody else is not touched', () => {
  const dataDir = newDirectory()
  writeFileSync(join(dataDir, 'suppression.db'), 'not a database at all, and long enough to look at')
  const refused = openSqliteSuppression({ dataDir, ...WORLD })
  assert.equal(refused.ok, false)
})
