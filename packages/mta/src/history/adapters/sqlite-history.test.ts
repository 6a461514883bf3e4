import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { newQueueId } from '../../spool/queue-id.ts'
import { deliveryHistoryContract } from '../delivery-history.contract.ts'
import { HistoryUnavailable } from '../delivery-history.ts'
import { acceptedEntry } from '../history.fixture.ts'
import { SqliteHistory, type SqliteHistoryOptions } from './sqlite-history.ts'

function temporary(): string {
  return mkdtempSync(join(tmpdir(), 'hermetic-history-'))
}

deliveryHistoryContract(async () => {
  const dataDir = temporary()
  return {
    open: async (options) => new SqliteHistory({ ...options, dataDir }),
    dispose: async () => rmSync(dataDir, { recursive: true }),
  }
})

describe('history.db', () => {
  async function world(
    use: (dataDir: string, open: (more?: Partial<SqliteHistoryOptions>) => SqliteHistory) => Promise<void>,
  ): Promise<void> {
    const dataDir = temporary()
    const opened: SqliteHistory[] = []
    try {
      await use(dataDir, (more) => {
        const history = new SqliteHistory({
          ...{ dataDir, retentionMs: 1_000_000, maxBytes: 2 ** 30, now: () => 1_000 },
          ...more,
        })
        opened.push(history)
        return history
      })
    } finally {
      for (const history of opened) await history.close()
      rmSync(dataDir, { recursive: true })
    }
  }

  const reason =
    (expected: string) =>
    (error: unknown): boolean =>
      error instanceof HistoryUnavailable && error.reason === expected

  const found = async (history: SqliteHistory, id: ReturnType<typeof newQueueId>): Promise<boolean> =>
    (await history.find({ by: { kind: 'id', id }, limit: 1 })).messages.length === 1

  test('is readable by its owner only, and only as long as it has one', () =>
    world(async (dataDir, open) => {
      const history = open()
      const other = open()
      await history.record([acceptedEntry()])
      assert.equal(statSync(join(dataDir, 'history.db')).mode & 0o777, 0o600)
      await assert.rejects(other.record([acceptedEntry()]), reason('locked'))
      await history.close()
      assert.equal((await other.record([acceptedEntry()])).records, 2)
    }))

  test('of another program, or of a newer version, is left alone', () =>
    world(async (dataDir, open) => {
      const path = join(dataDir, 'history.db')
      const foreign = new DatabaseSync(path)
      foreign.exec('CREATE TABLE theirs (x); PRAGMA user_version = 1')
      foreign.close()
      const before = readFileSync(path)
      const history = open()
      await assert.rejects(history.record([acceptedEntry()]), reason('foreign-file'))
      assert.deepEqual(readFileSync(path), before)
      rmSync(path)
      await history.record([acceptedEntry()])
      await history.close()
      const newer = new DatabaseSync(path)
      newer.exec('PRAGMA user_version = 99')
      newer.close()
      await assert.rejects(open().record([acceptedEntry()]), reason('newer-schema'))
    }))

  for (const [damage, harm] of [
    ['no SQLite file', (path: string) => writeFileSync(path, 'x'.repeat(8_192))],
    ['cut short', (path: string) => truncateSync(path, 4_096)],
    [
      'overwritten behind its header',
      (path: string) => {
        const bytes = readFileSync(path)
        writeFileSync(path, Buffer.concat([bytes.subarray(0, 100), Buffer.alloc(bytes.length - 100, 0xff)]))
      },
    ],
  ] as const) {
    test(`that is ${damage} is moved aside, and begun anew`, () =>
      world(async (dataDir, open) => {
        const path = join(dataDir, 'history.db')
        const first = open()
        await first.record([acceptedEntry()])
        await first.close()
        harm(path)
        const history = open()
        await assert.rejects(history.record([acceptedEntry()]), reason('damaged'))
        assert.equal(existsSync(`${path}.damaged`), true)
        assert.equal((await history.record([acceptedEntry()])).records, 1)
      }))

    test(`that is ${damage} is left to its owner by who only reads`, () =>
      world(async (dataDir, open) => {
        const path = join(dataDir, 'history.db')
        const first = open()
        await first.record([acceptedEntry()])
        await first.close()
        harm(path)
        const reader = open({ mend: false })
        await assert.rejects(reader.find({ by: { kind: 'id', id: newQueueId() }, limit: 1 }), reason('damaged'))
        assert.equal(existsSync(`${path}.damaged`), false)
      }))
  }

  test('that is deleted in use is told once, and begun anew', () =>
    world(async (dataDir, open) => {
      const path = join(dataDir, 'history.db')
      const history = open()
      const [before, after] = [acceptedEntry(), acceptedEntry()]
      await history.record([before])
      rmSync(path)
      await assert.rejects(history.record([after]), reason('gone'))
      await history.record([after])
      assert.equal(existsSync(path), true)
      assert.deepEqual([await found(history, before.id), await found(history, after.id)], [false, true])
      await history.close()
      assert.equal(await found(open(), after.id), true, 'it is in the file')
    }))

  test('that is full refuses, keeps what it has, and takes again what fits', () =>
    world(async (_, open) => {
      const history = open({ pagesMax: 16 })
      const kept = acceptedEntry()
      await history.record([kept])
      const noise = Array.from({ length: 1_000 }, () =>
        acceptedEntry({ messageId: newQueueId(), sender: newQueueId() }),
      )
      await assert.rejects(history.record(noise), reason('full'))
      assert.equal(await found(history, kept.id), true)
      const later = acceptedEntry()
      await history.record([later])
      assert.equal(await found(history, later.id), true)
    }))

  test('keeps what it answered for when the process is killed', () =>
    world(async (dataDir, open) => {
      const recorder = `
        import { SqliteHistory } from ${JSON.stringify(new URL('./sqlite-history.ts', import.meta.url).href)}
        import { acceptedEntry } from ${JSON.stringify(new URL('../history.fixture.ts', import.meta.url).href)}
        const options = { dataDir: ${JSON.stringify(dataDir)}, retentionMs: 1e6, maxBytes: 2 ** 30, now: () => 1000 }
        const history = new SqliteHistory(options)
        for (;;) {
          const entry = acceptedEntry()
          await history.record([entry])
          process.stdout.write(entry.id + '\\n')
        }`
      const program = join(dataDir, 'recorder.mjs')
      writeFileSync(program, recorder)
      const child = spawn(process.execPath, [program])
      let said = ''
      child.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        if (said.split('\n').length > 20) child.kill('SIGKILL')
      })
      await new Promise((resolve) => child.once('close', resolve))
      const answered = said.split('\n').slice(0, -1)
      assert.ok(answered.length >= 20)
      const history = open()
      for (const id of answered) assert.equal(await found(history, id as ReturnType<typeof newQueueId>), true, id)
      await history.close()
      const check = new DatabaseSync(join(dataDir, 'history.db'))
      assert.deepEqual({ ...check.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
      check.close()
    }))
})
