/** The store of results on a real file: the contract, and what only this adapter promises. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, type TestContext, test } from 'node:test'
import { type ResultStoreBed, resultStoreContract } from '../ports/result-store.contract.ts'
import { ResultStoreUnavailable } from '../ports/result-store.ts'
import { DAY, RECIPIENT } from '../report.fixture.ts'
import { EMPTY_TALLY } from '../tally.ts'
import { openSqliteResultStore, type SqliteResultStore } from './sqlite-result-store.ts'

const START = Date.UTC(2026, 10, 22)

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'result-store-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

interface Bed extends ResultStoreBed {
  readonly dataDir: string
  readonly reopen: () => Promise<SqliteResultStore>
}

function bedFor(t: TestContext): Bed {
  let open: SqliteResultStore | undefined
  const bed: Bed = {
    dataDir: folder(t),
    now: START,
    damage: async (part, { policyDomain, day, text }) => {
      open?.close()
      const db = new DatabaseSync(join(bed.dataDir, 'tlsrpt.db'))
      const column = { sum: 'tally', targets: 'targets', domain: 'domain' }[part]
      db.prepare(`UPDATE report SET ${column} = ? WHERE day = ? AND domain = ?`).run(text, day, policyDomain)
      db.close()
    },
    reopen: async () => {
      open?.close()
      const opened = openSqliteResultStore({ dataDir: bed.dataDir, now: () => bed.now })
      assert.ok(opened.ok, JSON.stringify(opened))
      open = opened.value
      return open
    },
  }
  t.after(() => open?.close())
  return bed
}

const problem = (dataDir: string) => {
  const opened = openSqliteResultStore({ dataDir, now: () => START })
  if (opened.ok) opened.value.close()
  return opened.ok ? 'none' : opened.error.kind
}

describe('the contract', () => resultStoreContract(bedFor))

test('the file has one owner, and nobody else may read it', async (t) => {
  const bed = bedFor(t)
  const store = await bed.reopen()
  assert.equal(problem(bed.dataDir), 'locked')
  assert.equal(statSync(join(bed.dataDir, 'tlsrpt.db')).mode & 0o777, 0o600)
  store.close()
  assert.equal(problem(bed.dataDir), 'none')
})

test('a foreign file, a newer one and a folder that is none are refused and left alone', async (t) => {
  const foreign = folder(t)
  writeFileSync(
    join(foreign, 'tlsrpt.db'),
    'not a store of ours, but a text that is long enough to have a header. '.repeat(9),
  )
  assert.equal(problem(foreign), 'foreign-file')
  const other = folder(t)
  const db = new DatabaseSync(join(other, 'tlsrpt.db'))
  db.exec('CREATE TABLE theirs (x)')
  db.close()
  assert.equal(problem(other), 'foreign-file')
  const bed = bedFor(t)
  ;(await bed.reopen()).close()
  const newer = new DatabaseSync(join(bed.dataDir, 'tlsrpt.db'))
  newer.exec('PRAGMA user_version = 99')
  newer.close()
  assert.equal(problem(bed.dataDir), 'newer-schema')
  assert.equal(problem(join(foreign, 'tlsrpt.db')), 'unusable-directory')
})

test('a store that cannot answer says so, and does not say that there is nothing', async (t) => {
  const store = await bedFor(t).reopen()
  store.close()
  await assert.rejects(store.tally(RECIPIENT, DAY), ResultStoreUnavailable)
  await assert.rejects(
    store.addBatch('1', [{ day: DAY, policyDomain: RECIPIENT, tally: EMPTY_TALLY }]),
    ResultStoreUnavailable,
  )
})

test('a damaged sum is no answer, and the complaint does not quote it', async (t) => {
  const bed = bedFor(t)
  const store = await bed.reopen()
  await store.addBatch('1', [{ day: DAY, policyDomain: RECIPIENT, tally: EMPTY_TALLY }])
  store.close()
  const db = new DatabaseSync(join(bed.dataDir, 'tlsrpt.db'))
  db.exec("UPDATE report SET tally = 'marker of 192.0.2.77'")
  db.close()
  const complaint = { name: 'ResultStoreUnavailable', message: 'the store of results could not tally: SyntaxError' }
  await assert.rejects((await bed.reopen()).tally(RECIPIENT, DAY), complaint)
})
