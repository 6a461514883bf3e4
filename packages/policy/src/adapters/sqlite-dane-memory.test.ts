/** The memory of DANE in a real file: the contract, and what only this adapter promises. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, type TestContext, test } from 'node:test'
import { parseDomainName } from '../domain-name.ts'
import { type DaneMemoryBed, daneMemoryContract } from '../ports/dane-memory.contract.ts'
import { DaneMemoryUnavailable } from '../ports/dane-memory.ts'
import { openSqlitePolicyCache, type SqlitePolicyCache } from './sqlite-policy-cache.ts'

const KEEPS = 100

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'dane-memory-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

function open(dataDir: string): SqlitePolicyCache {
  const opened = openSqlitePolicyCache({ dataDir, now: () => 0, daneSubjectsMax: KEEPS })
  assert(opened.ok, JSON.stringify(opened))
  return opened.value
}

function bedFor(t: TestContext): DaneMemoryBed {
  const dataDir = folder(t)
  let store: SqlitePolicyCache | undefined
  t.after(() => store?.close())
  return {
    keeps: KEEPS,
    keepsAtMost: KEEPS + 257,
    reopen: async () => {
      store?.close()
      store = open(dataDir)
      return store.daneMemory
    },
  }
}

describe('the contract', () => daneMemoryContract(bedFor))

test('a store that cannot answer rejects, which is not "never seen"', async (t) => {
  const store = open(folder(t))
  store.close()
  const host = parseDomainName('mx.test')
  assert(host.ok)
  const subject = { kind: 'tlsa', host: host.value, port: 25 } as const
  await assert.rejects(store.daneMemory.lastSeen(subject), DaneMemoryUnavailable)
  await assert.rejects(store.daneMemory.remember(subject, 1), DaneMemoryUnavailable)
  await assert.rejects(store.daneMemory.forget(subject), DaneMemoryUnavailable)
})

test('a policy cache of before there was such a memory gets one, and keeps its policies', async (t) => {
  const dataDir = folder(t)
  open(dataDir).close()
  const db = new DatabaseSync(join(dataDir, 'policy.db'))
  db.exec('DROP TABLE dane_seen; PRAGMA user_version = 2')
  db.close()
  const store = open(dataDir)
  const nextHop = parseDomainName('example.test')
  assert(nextHop.ok)
  await store.daneMemory.remember({ kind: 'mx', nextHop: nextHop.value }, 7)
  assert.equal(await store.daneMemory.lastSeen({ kind: 'mx', nextHop: nextHop.value }), 7)
  store.close()
})
