import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { newQueueId } from '../queue-id.ts'
import { claimAll, lane } from '../spool.fixture.ts'
import { writeStoreOfVersion1 } from './sqlite-schema-1.fixture.ts'
import { openSqliteSpool } from './sqlite-spool.ts'

const open = (dataDir: string) => openSqliteSpool({ dataDir, maxBytes: 1024 * 1024, emit: () => undefined })

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'schema-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Names, sizes, modes and times. No contents: closing a descriptor of an open store here would drop its lock. */
function outline(path: string): unknown {
  return readdirSync(path, { recursive: true, withFileTypes: true }).map((entry) => {
    const full = join(entry.parentPath, entry.name)
    const { mode, mtimeMs, size } = statSync(full)
    return [full, mode, mtimeMs, size]
  })
}

/** What "untouched" means for a store that nobody has open. */
function picture(path: string): unknown {
  return readdirSync(path, { recursive: true, withFileTypes: true }).map((entry) => {
    const full = join(entry.parentPath, entry.name)
    const { mode, mtimeMs } = statSync(full)
    return [full, mode, mtimeMs, entry.isFile() ? createHash('sha256').update(readFileSync(full)).digest('hex') : '']
  })
}

test('a second opening of the same data_dir is refused, here and in another process, and touches nothing', async (t) => {
  const dataDir = folder(t)
  const first = await open(dataDir)
  assert.ok(first.ok)
  t.after(() => first.value.close())
  const before = outline(dataDir)
  const refused = { ok: false, error: { kind: 'locked', path: join(dataDir, 'spool.db') } }
  assert.deepEqual(await open(join(dataDir, '.')), refused)

  const script = `
    const { openSqliteSpool } = await import(${JSON.stringify(import.meta.resolve('./sqlite-spool.ts'))})
    const opened = await openSqliteSpool({ dataDir: ${JSON.stringify(dataDir)}, maxBytes: 1e6, emit: () => undefined })
    process.stdout.write(JSON.stringify(opened))
    process.exit()`
  const file = join(folder(t), 'second.mjs')
  writeFileSync(file, script)
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [output] = await Promise.all([child.stdout.toArray(), once(child, 'close')])
  assert.deepEqual(JSON.parse(Buffer.concat(output).toString()), refused)
  assert.deepEqual(outline(dataDir), before)
  assert.equal((await first.value.admin.summary()).messages, 0)
})

test('what is closed can be opened again, with everything for its owner only', async (t) => {
  const dataDir = join(folder(t), 'new', 'place')
  for (let n = 0; n < 2; n += 1) {
    const opened = await open(dataDir)
    assert.ok(opened.ok)
    assert.equal(statSync(dataDir).mode & 0o777, 0o700)
    for (const name of readdirSync(dataDir)) assert.equal(statSync(join(dataDir, name)).mode & 0o077, 0, name)
    await opened.value.close()
  }
})

for (const [kind, make] of [
  ['text', (path: string) => writeFileSync(path, 'not a database, but precious\n'.repeat(10))],
  ['zeros', (path: string) => writeFileSync(path, Buffer.alloc(8192))],
  [
    "another program's SQLite file",
    (path: string) => {
      const other = new DatabaseSync(path)
      other.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (a); PRAGMA user_version = 1')
      other.close()
    },
  ],
] as const) {
  test(`${kind} in place of the store is refused and untouched`, async (t) => {
    const dataDir = folder(t)
    make(join(dataDir, 'spool.db'))
    const before = picture(dataDir)
    const path = join(dataDir, 'spool.db')
    const damaged = kind === "another program's SQLite file" ? {} : { damaged: true }
    assert.deepEqual(await open(dataDir), { ok: false, error: { kind: 'foreign-file', path, ...damaged } })
    assert.deepEqual(picture(dataDir), before)
  })
}

test('a store of a newer version is refused and untouched', async (t) => {
  const dataDir = folder(t)
  const opened = await open(dataDir)
  assert.ok(opened.ok)
  await opened.value.close()
  const path = join(dataDir, 'spool.db')
  const db = new DatabaseSync(path)
  db.exec('PRAGMA user_version = 8')
  db.close()
  const before = picture(dataDir)
  assert.deepEqual(await open(dataDir), { ok: false, error: { kind: 'newer-schema', path, found: 8, supported: 7 } })
  assert.deepEqual(picture(dataDir), before)
})

test('a store of version 1 is brought up to date with everything in it, once', async (t) => {
  const dataDir = folder(t)
  const path = join(dataDir, 'spool.db')
  const [plain, tagged] = [newQueueId(), newQueueId()]
  writeStoreOfVersion1(path, [
    { id: plain, lane: lane(), requireTls: false },
    { id: tagged, lane: lane(), requireTls: true },
  ])
  for (let n = 0; n < 2; n += 1) {
    const opened = await open(dataDir)
    assert.ok(opened.ok, JSON.stringify(opened))
    const claims = await claimAll(opened.value)
    assert.deepEqual(
      claims.map(({ id, envelope }) => [id, envelope.tls, 'requireTls' in envelope, envelope.dsn]),
      [
        [plain, 'default', false, { envid: 'x' }],
        [tagged, 'requiretls', false, { envid: 'x' }],
      ],
    )
    const content = await opened.value.open(tagged)
    assert.equal(content.kind === 'memory' && Buffer.from(content.bytes).toString(), 'Hello\n')
    await opened.value.close()
  }
  // Its header says so: a version 1 refuses it.
  assert.equal(readFileSync(path).readUInt32BE(60), 7)
})

test('mail that was kept with a priority is claimed by its class after the store was brought up to date', async (t) => {
  const dataDir = folder(t)
  const path = join(dataDir, 'spool.db')
  const ids = [newQueueId(), newQueueId(), newQueueId()]
  writeStoreOfVersion1(
    path,
    ids.map((id) => ({ id, lane: lane(), requireTls: false })),
  )
  const db = new DatabaseSync(path)
  const set = db.prepare("UPDATE message SET envelope = json_set(envelope, '$.priority', ?) WHERE id = ?")
  for (const [at, priority] of [-4, 3, 4].entries()) set.run(priority, ids[at] ?? '')
  db.close()
  const opened = await open(dataDir)
  assert.ok(opened.ok, JSON.stringify(opened))
  assert.deepEqual(
    (await claimAll(opened.value)).map(({ id }) => id),
    ids.toReversed(),
  )
  await opened.value.close()
})

test('a creation that was cut short is begun again', async (t) => {
  const dataDir = folder(t)
  writeFileSync(join(dataDir, 'spool.db'), '')
  const opened = await open(dataDir)
  assert.ok(opened.ok)
  await opened.value.close()
})

test('a data_dir that is no directory is refused with the reason', async (t) => {
  const path = join(folder(t), 'file')
  writeFileSync(path, '')
  const opened = await open(path)
  assert.deepEqual(opened, { ok: false, error: { kind: 'unusable-directory', path, detail: 'EEXIST' } })
})

test('the first start makes the directory, and a file in its way is named', async (t) => {
  const dataDir = folder(t)
  mkdirSync(join(dataDir, 'spool.db'))
  chmodSync(dataDir, 0o700)
  const opened = await open(dataDir)
  assert.equal(opened.ok, false)
  assert.equal(!opened.ok && opened.error.kind, 'not-a-file')
})
