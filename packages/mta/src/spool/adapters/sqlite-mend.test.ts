/** What a damaged `spool.db` says of itself, and that mail flows again: lanes, columns and indexes made from the messages. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { claimAll, deferred, lane, message, NOON, settlement } from '../spool.fixture.ts'
import { openSqliteSpool } from './sqlite-spool.ts'

/** Four messages in three lanes, one held, one due later. */
async function world(t: TestContext) {
  const dataDir = mkdtempSync(join(tmpdir(), 'mend-'))
  const open = async () => {
    const opened = await openSqliteSpool({ dataDir, maxBytes: 1e9, now: () => NOON + 1, emit: () => undefined })
    assert.ok(opened.ok, JSON.stringify(opened))
    t.after(() => opened.value.close())
    return opened.value
  }
  const spool = await open()
  const [one, two, held, later] = [message([1]), message([1, 2]), message([2]), message([3])]
  for (const each of [one, two, held, later]) await spool.accept(each)
  await spool.admin.change([held.id], { kind: 'hold', reason: 'audit' })
  const [claim] = await claimAll(spool, 3)
  assert.ok(claim !== undefined)
  await spool.settle(claim.token, settlement('a', [deferred()]))
  await spool.close()
  t.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const damage = (sql: string): void => {
    for (const part of sql.split('|')) {
      const db = new DatabaseSync(join(dataDir, 'spool.db'), { defensive: false })
      db.exec(part)
      db.close()
    }
  }
  return { open, damage, dataDir }
}

test('nothing is found in a store that is right, and nothing of it is changed', async (t) => {
  const { open } = await world(t)
  const spool = await open()
  assert.deepEqual(await spool.mend({ fix: true }), { messages: 4, lanes: 3, findings: [] })
  assert.deepEqual(await spool.dueLanes({ before: NOON + 1, limit: 9 }), [
    { lane: lane(1), dueAt: NOON },
    { lane: lane(2), dueAt: NOON },
  ])
  await spool.close()
})

for (const [what, sql, finding] of [
  [
    'all lanes are missing',
    'DELETE FROM lane',
    { kind: 'lane-missing', count: 3, examples: [lane(1), lane(2), lane(3)] },
  ],
  [
    'a lane is due much too late',
    "UPDATE lane SET due_at = 9e15 WHERE id LIKE '%.1]:25'",
    { kind: 'lane-far', count: 1, examples: [lane(1)] },
  ],
  ['sums of open recipients are wrong', 'UPDATE delivery SET open = 7', { kind: 'column-wrong', count: 5 }],
  ['domains are wrong', "UPDATE delivery SET domains = ''", { kind: 'column-wrong', count: 5 }],
  ['classes are wrong', 'UPDATE delivery SET class = 2', { kind: 'column-wrong', count: 5 }],
  ['senders are wrong', "UPDATE message SET sender = 'x'", { kind: 'column-wrong', count: 4 }],
  [
    'an index does not know a change',
    // Each part with the schema as the one before has left it.
    "PRAGMA writable_schema = ON; CREATE TABLE kept AS SELECT * FROM sqlite_schema WHERE name = 'delivery_due'; DELETE FROM sqlite_schema WHERE name = 'delivery_due'|" +
      'UPDATE delivery SET due_at = due_at + 1 WHERE row = 65536|' +
      'PRAGMA writable_schema = ON; INSERT INTO sqlite_schema SELECT * FROM kept; DROP TABLE kept',
    { kind: 'index-damaged' },
  ],
] as const) {
  test(`${what}: a check tells and changes nothing, a rebuild mends, and then nothing is found`, async (t) => {
    const { open, damage } = await world(t)
    damage(sql)
    const spool = await open()
    const told = await spool.mend({ fix: false })
    assert.partialDeepStrictEqual(told.findings[0], finding)
    assert.deepEqual((await spool.mend({ fix: true })).findings, told.findings)
    assert.deepEqual((await spool.mend({ fix: false })).findings, [])
    assert.equal((await claimAll(spool, 1)).length, 2)
    assert.deepEqual(
      (await spool.dueLanes({ before: NOON * 2, limit: 9 })).map((due) => due.lane),
      [lane(2), lane(3)],
    )
    assert.equal((await spool.admin.summary()).messages, 4)
    await spool.close()
  })
}

test('a delivery without its message is told, and left', async (t) => {
  const { open, damage } = await world(t)
  damage('DELETE FROM message WHERE seq = 1')
  const spool = await open()
  for (let n = 0; n < 2; n += 1) {
    assert.deepEqual((await spool.mend({ fix: true })).findings, [
      { kind: 'delivery-without-message', count: 1, examples: ['65536'] },
    ])
  }
  await spool.close()
})
