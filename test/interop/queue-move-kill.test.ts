/**
 * A move from the embedded engine to Redis by the command line, killed again and again wherever it is: in the end every
 * message is in one place, as it was.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { fill, queueOf } from '../../packages/mta/src/queue-move/queue-move.fixture.ts'
import { openRedisSideDoor } from '../../packages/mta/src/spool/adapters/redis-side-door.ts'
import { openSqliteSpool } from '../../packages/mta/src/spool/adapters/sqlite-spool.ts'
import { contents, wholeMessages } from '../../packages/mta/src/spool/whole-message.fixture.ts'
import { QUEUE_NAME } from '../../packages/mta/src/wiring/redis-ground.ts'
import { startRedis } from '../lab/redis-server.ts'

const MAIN = fileURLToPath(new URL('../../packages/mta/src/cli/main.ts', import.meta.url))
const MESSAGES = 800
/** A process needs about so long until it begins to work. */
const BEGINS_MS = 400
const RUNS_MAX = 60

test('a move that is killed again and again ends with every message in one place', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'move-kill-'))
  await using redis = await startRedis()
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const settings = (name: string, queue: string): string => {
    const path = join(directory, `${name}.toml`)
    writeFileSync(path, `hostname = "${name}.example"\ndata_dir = "${join(directory, name)}"\n${queue}`)
    return path
  }
  const from = settings('from', '')
  const contentDir = join(directory, 'content')
  const to = settings('to', `[queue]\nengine = "redis"\nredis_url = "${redis.socket}"\ncontent_dir = "${contentDir}"\n`)

  const source = { dataDir: join(directory, 'from'), maxBytes: 1e9, emit: () => undefined }
  const opened = await openSqliteSpool(source)
  assert.ok(opened.ok)
  const rows = fc.sample(fc.tuple(wholeMessages, contents), MESSAGES)
  await fill(opened.value, rows)
  await opened.value.close()

  const file = join(directory, 'queue')
  const exports = await untilDone(['queue', 'export', '--move', file, '--config', from])
  const imports = await untilDone(['queue', 'import', file, '--config', to])
  t.diagnostic(`killed ${exports} times while it wrote, ${imports} times while it read`)
  assert.ok(exports > 0 && imports > 0)

  const emptied = await openSqliteSpool(source)
  assert.ok(emptied.ok)
  assert.equal((await emptied.value.admin.summary()).messages, 0)
  await emptied.value.close()
  const door = await openRedisSideDoor({
    ...{ ...source, dataDir: join(directory, 'to'), contentDir },
    ...{ address: { url: redis.socket }, queue: QUEUE_NAME, durability: 'strict' },
  })
  assert.ok(door.ok)
  assert.deepEqual(
    await queueOf(door.value),
    [...rows].sort(([a], [b]) => (a.id < b.id ? -1 : 1)),
  )
  assert.deepEqual((await door.value.mend({ fix: false })).findings, [])
  await door.value.close()
})

/** Kills it a little later each time; answers how often. */
async function untilDone(args: readonly string[]): Promise<number> {
  for (let run = 0; run < RUNS_MAX; run += 1) {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
    const errors = child.stderr.toArray()
    const timer = setTimeout(() => child.kill('SIGKILL'), BEGINS_MS + run * 120 + Math.random() * 120)
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    clearTimeout(timer)
    if (signal === 'SIGKILL') continue
    assert.equal(code, 0, Buffer.concat(await errors).toString())
    return run
  }
  return assert.fail('it never came to its end')
}
