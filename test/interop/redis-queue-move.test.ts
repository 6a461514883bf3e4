/** Mail that moves from the embedded engine to Redis and back, and out of a queue on which relays work. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { exportFile } from '../../packages/mta/src/queue-move/export-file.ts'
import { importQueue } from '../../packages/mta/src/queue-move/import-queue.ts'
import { fill, octetsOf, queueOf } from '../../packages/mta/src/queue-move/queue-move.fixture.ts'
import { openRedisSideDoor } from '../../packages/mta/src/spool/adapters/redis-side-door.ts'
import { openSqliteSpool } from '../../packages/mta/src/spool/adapters/sqlite-spool.ts'
import { delivered, lane, settlement } from '../../packages/mta/src/spool/spool.fixture.ts'
import { contents, wholeMessages } from '../../packages/mta/src/spool/whole-message.fixture.ts'
import { messageNow, RedisSpoolLab } from './redis-spool-lab.ts'

const header = (kind: 'move' | 'copy') =>
  ({ ...{ file: randomUUID(), kind, from: 'old.example', at: Date.now(), version: '0' } }) as const
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 20)))

async function embedded(t: TestContext, dataDir: string) {
  const opened = await openSqliteSpool({ dataDir, maxBytes: 1e9, emit: () => undefined })
  assert.ok(opened.ok)
  t.after(() => opened.value.close())
  return opened.value
}

test('a queue that goes from the embedded engine to Redis and back is the same in every field', async (t) => {
  const lab = await RedisSpoolLab.start(t)
  const [first, last] = [
    await embedded(t, join(lab.directory, 'first')),
    await embedded(t, join(lab.directory, 'last')),
  ]
  const rows = fc.sample(fc.tuple(wholeMessages, contents), 400)
  await fill(first, rows)
  const before = await queueOf(first)
  const { spool: redis } = await lab.open({ maxBytes: 1e9 })
  for (const [n, from, to] of [
    [1, first, redis],
    [2, redis, last],
  ] as const) {
    const path = join(lab.directory, `file-${n}`)
    const moved = await exportFile({ queue: from, path, header: header('move'), pause })
    assert.deepEqual(moved.ok && [moved.value.messages, moved.value.removal?.removed], [400, 400])
    const taken = await importQueue({ moves: to.moves, source: octetsOf(path), deliverCopies: false })
    assert.deepEqual([taken.kind, taken.entered], ['done', 400])
    assert.deepEqual(await queueOf(to), before)
    assert.deepEqual((await to.mend({ fix: false })).findings, [])
    assert.equal((await from.admin.summary()).messages, 0)
    assert.deepEqual((await from.mend({ fix: false })).findings, [])
  }
})

test('a move out of a queue on which relays work takes what they do not deliver, and every message is in one place', async (t) => {
  const lab = await RedisSpoolLab.start(t)
  const { spool: relay } = await lab.open()
  const door = await openRedisSideDoor(lab.options())
  assert.ok(door.ok)
  t.after(() => door.value.close())
  const all = Array.from({ length: 300 }, (_, n) => messageNow([1 + (n % 3)]))
  for (const one of all) await relay.accept(one)
  const deliveredHere: string[] = []
  let working = true
  const work = (async () => {
    for (let n = 0; working; n += 1) {
      const claims = await relay.claim(lane(1 + (n % 3)), { limit: 4, leaseMs: 60_000 })
      await pause(5)
      for (const { id, token } of claims) {
        await relay.settle(token, settlement(token, [delivered()]))
        deliveredHere.push(id)
      }
    }
  })()
  const path = join(lab.directory, 'file')
  const moved = await exportFile({ queue: door.value, path, header: header('move'), pause })
  working = false
  await work
  assert.ok(moved.ok)
  assert.deepEqual([moved.value.left, moved.value.removal?.kept, moved.value.removal?.stillHeld], [[], 0, []])
  assert.equal((await relay.admin.summary()).messages, 0)
  const target = await embedded(t, join(lab.directory, 'target'))
  await importQueue({ moves: target.moves, source: octetsOf(path), deliverCopies: false })
  const there = (await queueOf(target)).map(([{ id }]) => id)
  assert.ok(deliveredHere.length > 0 && there.length > 0, `${deliveredHere.length} and ${there.length}`)
  assert.deepEqual([...deliveredHere, ...there].sort(), all.map(({ id }) => id).sort())
})

test('two imports of one file at the same time take each message once', async (t) => {
  const lab = await RedisSpoolLab.start(t)
  const source = await embedded(t, join(lab.directory, 'source'))
  await fill(source, fc.sample(fc.tuple(wholeMessages, contents), 600))
  const path = join(lab.directory, 'file')
  await exportFile({ queue: source, path, header: header('move'), pause })
  const doors = [await lab.open({ maxBytes: 1e9 }), await lab.open({ maxBytes: 1e9 })]
  const taken = await Promise.all(
    doors.map(({ spool }) => importQueue({ moves: spool.moves, source: octetsOf(path), deliverCopies: false })),
  )
  assert.equal(
    taken.reduce((sum, { entered }) => sum + entered, 0),
    600,
  )
  assert.ok(taken.some(({ kind }) => kind === 'done'))
  assert.equal((await doors[0]?.spool.admin.summary())?.messages, 600)
})
