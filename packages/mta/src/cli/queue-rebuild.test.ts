/** What an operator is told of a rebuild. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { openSqliteSpool } from '../spool/adapters/sqlite-spool.ts'
import { message } from '../spool/spool.fixture.ts'
import { rebuildText } from './rebuild-text.ts'
import { TerminalLab } from './terminal-lab.ts'

async function withQueue(use: (lab: TerminalLab, damage: (sql: string) => void) => Promise<void>): Promise<void> {
  using lab = new TerminalLab()
  const dataDir = join(lab.directory, 'data')
  const opened = await openSqliteSpool({ dataDir, maxBytes: 64 * 1024 ** 2, emit: () => undefined })
  assert.ok(opened.ok)
  for (const n of [1, 2]) await opened.value.accept(message([n]))
  await opened.value.close()
  await use(lab, (sql) => {
    const db = new DatabaseSync(join(dataDir, 'spool.db'))
    db.exec(sql)
    db.close()
  })
}

test('a queue that is right is left as it is', () =>
  withQueue(async (lab) => {
    const looked = { code: 0, out: '2 messages in 2 lanes looked at.\nEverything is right.\n', err: '' }
    assert.deepEqual(await lab.run('queue', 'rebuild'), looked)
    assert.deepEqual(await lab.run('queue', 'rebuild', '--check'), looked)
  }))

test('what is wrong is told by a check, told and mended by a rebuild, and not found again', () =>
  withQueue(async (lab, damage) => {
    damage('DELETE FROM lane')
    const wrong = '  2 lanes with mail that were not due at any time (mx:[192.0.2.1]:25, mx:[192.0.2.2]:25)\n'
    const looked = '2 messages in 2 lanes looked at.\n'
    assert.deepEqual(await lab.run('queue', 'rebuild', '--check'), {
      ...{ code: 1, err: '' },
      out: `${looked}Wrong, and left so:\n${wrong}`,
    })
    assert.deepEqual(await lab.run('queue', 'rebuild'), {
      ...{ code: 0, err: '' },
      out: `${looked}Wrong until now:\n${wrong}Everything is right now.\n`,
    })
    const again = await lab.run('queue', 'rebuild', '--json')
    assert.deepEqual(JSON.parse(again.out), { before: { messages: 2, lanes: 2, findings: [] } })
  }))

test('what no rebuild can make is told as such, and a running relay keeps its queue', () =>
  withQueue(async (lab, damage) => {
    damage('DELETE FROM message WHERE seq = 1')
    const { code, out } = await lab.run('queue', 'rebuild')
    assert.equal(code, 1)
    assert.match(out, /Cannot be mended from the messages, because it is of them:\n {2}1 deliveries without a message/)
    const opened = await openSqliteSpool({
      ...{ dataDir: join(lab.directory, 'data'), maxBytes: 1e9 },
      emit: () => undefined,
    })
    assert.ok(opened.ok)
    const busy = await lab.run('queue', 'rebuild')
    await opened.value.close()
    assert.equal(busy.code, 1)
    assert.match(busy.err, /another relay runs on this data_dir/)
  }))

test('numbers stand below each other, and more than three examples end in an ellipsis', () => {
  const report = { messages: 1000, lanes: 1 } as const
  const findings = [
    { kind: 'lane-missing', count: 1, examples: ['a'] },
    { kind: 'delivery-missing', count: 120, examples: ['x', 'y', 'z'] },
  ] as const
  assert.equal(
    rebuildText({ ...report, findings }, { ...report, findings: [{ kind: 'lane-far', count: 1, examples: [] }] }),
    '1000 messages in 1 lane looked at.\nWrong until now:\n' +
      '    1 lanes with mail that were not due at any time (a)\n' +
      '  120 deliveries that nobody would have tried (x, y, z, …)\n' +
      'Found again by a second look:\n  1 lanes that were due long after their mail\n',
  )
})
