/** Mail that moves from one spool to another, with everything that may stop it in between. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type { QueueFileHeader } from '../queue-file/queue-file.ts'
import { openSqliteSpool } from '../spool/adapters/sqlite-spool.ts'
import { claimAll, claimOne, delivered, lane, message, NOON, settlement } from '../spool/spool.fixture.ts'
import type { SpoolMoves } from '../spool/spool-moves.ts'
import { contents, wholeMessages } from '../spool/whole-message.fixture.ts'
import type { WholeMessage } from '../spool/whole-message.ts'
import { exportFile } from './export-file.ts'
import { importQueue } from './import-queue.ts'
import { fill, MoveWorld, octetsOf, queueOf } from './queue-move.fixture.ts'

const world = (t: TestContext): MoveWorld =>
  new MoveWorld(t, async (dataDir, faults) => {
    const hooks = { faults, probeIntervalMs: 10 }
    const opened = await openSqliteSpool({ dataDir, maxBytes: 1e9, now: () => NOON, emit: () => undefined, hooks })
    assert.ok(opened.ok)
    return opened.value
  })

const header = (kind: 'move' | 'copy'): QueueFileHeader => ({
  ...{ file: randomUUID(), kind, from: 'old.example', at: NOON, version: '0.1.0' },
})

const TOGETHER = { concurrency: 4 }

describe('a move', TOGETHER, () => {
  test('takes every message with everything about it, and leaves nothing behind', async (t) => {
    const { from, to, path } = await world(t).open()
    const rows = fc.sample(fc.tuple(wholeMessages, contents), 300)
    await fill(from, rows)
    const moved = await exportFile({ queue: from, path, header: header('move'), pause: noPause })
    assert.deepEqual(moved.ok && [moved.value.messages, moved.value.left, moved.value.removal], [
      300,
      [],
      { removed: 300, kept: 0, messages: 300, stillHeld: [] },
    ])
    assert.equal((await from.admin.summary()).messages, 0)
    const taken = await importQueue({ moves: to.moves, source: octetsOf(path), deliverCopies: false })
    assert.deepEqual(taken.kind === 'done' && [taken.entered, taken.alreadyThere, taken.earlier], [300, 0, 0])
    assert.deepEqual(await queueOf(to), inOrder(rows))
  })

  test('does not take what is being delivered: it is named, and no other part of it is lost', async (t) => {
    const { from, path } = await world(t).open()
    const [free, busy] = [message([1]), message([2, 3])]
    for (const one of [free, busy]) await from.accept(one)
    const [claim] = await claimAll(from, 2)
    assert.ok(claim !== undefined)
    const moved = await exportFile({ queue: from, path, header: header('move'), pause: noPause })
    assert.ok(moved.ok)
    assert.deepEqual(moved.value.left, [{ id: busy.id, why: 'in-delivery' }])
    assert.deepEqual(moved.value.removal, { removed: 1, kept: 0, messages: 1, stillHeld: [busy.id] })
    assert.deepEqual(await from.settle(claim.token, settlement('a', [delivered(0)])), { kind: 'settled' })
    await from.admin.change([busy.id], { kind: 'release' })
    assert.equal((await claimOne(from, 3)).id, busy.id)
  })

  test('waits for what is delivered soon', async (t) => {
    const { from, path } = await world(t).open()
    const busy = message([1, 2])
    await from.accept(busy)
    const [claim] = await claimAll(from, 1)
    assert.ok(claim !== undefined)
    const pause = async (): Promise<void> => void (await from.settle(claim.token, settlement('a', [delivered(0)])))
    const moved = await exportFile({ queue: from, path, header: header('move'), pause })
    assert.deepEqual(moved.ok && [moved.value.messages, moved.value.removal?.removed], [1, 1])
  })

  for (const at of ['in the middle of the file', 'before the file had its name', 'before the removal'] as const) {
    test(`that was stopped ${at} goes on, and every message is in one place in the end`, async (t) => {
      const { from, to, path } = await world(t).open()
      const rows = fc.sample(fc.tuple(wholeMessages, contents), 40)
      await fill(from, rows)
      const first = header('move')
      await stopped(from, { path, header: first, at })
      const again = await exportFile({ queue: from, path, header: header('move'), pause: noPause })
      assert.ok(again.ok, JSON.stringify(again))
      assert.deepEqual([again.value.removal?.removed, again.value.removal?.stillHeld], [40, []])
      assert.equal((await from.admin.summary()).messages, 0)
      assert.equal((await importQueue({ moves: to.moves, source: octetsOf(path), deliverCopies: false })).kind, 'done')
      assert.deepEqual(await queueOf(to), inOrder(rows))
    })
  }

  test('is not finished on the queue that it went to, nor on one that took its own mail back', async (t) => {
    const { from, to, path } = await world(t).open()
    await from.accept(message())
    await from.admin.change(
      [...(await queueOf(from))].map(([{ id }]) => id),
      { kind: 'hold', reason: 'audit' },
    )
    await exportFile({ queue: from, path, header: header('move'), pause: noPause })
    for (const queue of [to, from]) {
      await importQueue({ moves: queue.moves, source: octetsOf(path), deliverCopies: false })
      const again = await exportFile({ queue, path, header: header('move'), pause: noPause })
      assert.deepEqual(again, { ok: false, error: { kind: 'there-already', path } })
      assert.equal((await queue.admin.summary()).messages, 1)
    }
  })

  test('takes a notice along that a sender is still to get', async (t) => {
    const { from, to, path } = await world(t).open()
    await from.accept(message())
    const notices = [{ lane: lane(9), dueAt: NOON, recipients: [0] }]
    await from.settle((await claimOne(from)).token, settlement('a', [delivered()], { notices }))
    const before = await queueOf(from)
    await exportFile({ queue: from, path, header: header('move'), pause: noPause })
    await importQueue({ moves: to.moves, source: octetsOf(path), deliverCopies: false })
    assert.deepEqual(await queueOf(to), before)
    assert.equal((await claimAll(to, 9))[0]?.toReport?.length, 1)
  })
})

describe('a copy', TOGETHER, () => {
  test('leaves the queue as it is, and waits where it is taken in until somebody releases it', async (t) => {
    const { from, to, path } = await world(t).open()
    await from.accept(message())
    const before = await queueOf(from)
    const copied = await exportFile({ queue: from, path, header: header('copy'), pause: noPause })
    assert.deepEqual(copied, { ok: true, value: { messages: 1, contentOctets: 6, left: [] } })
    assert.deepEqual(await queueOf(from), before)
    await importQueue({ moves: to.moves, source: octetsOf(path), deliverCopies: false })
    assert.deepEqual(await claimAll(to), [])
    const [[{ deliveries }] = assert.fail()] = await queueOf(to)
    assert.match(deliveries[0]?.reason ?? '', /a copy from old\.example/)
    assert.equal((await claimAll(from)).length, 1)
  })

  test('is delivered at once when the operator says that the other queue is gone', async (t) => {
    const { from, to, path } = await world(t).open()
    await from.accept(message())
    await exportFile({ queue: from, path, header: header('copy'), pause: noPause })
    await importQueue({ moves: to.moves, source: octetsOf(path), deliverCopies: true })
    assert.deepEqual(await queueOf(to), await queueOf(from))
    assert.equal((await claimAll(to)).length, 1)
  })

  test('skips a message whose content is damaged, and names it', async (t) => {
    const { from, path, fromDir } = await world(t).open()
    const [good, bad] = [message(), message([2], { content: { kind: 'memory', bytes: Buffer.alloc(400_000, 1) } })]
    for (const one of [good, bad]) await from.accept(one)
    truncateSync(join(fromDir, 'content', bad.id.slice(-2), bad.id), 5)
    const copied = await exportFile({ queue: from, path, header: header('copy'), pause: noPause })
    assert.deepEqual(copied.ok && [copied.value.messages, copied.value.left], [
      1,
      [{ id: bad.id, why: 'content-unreadable' }],
    ])
  })

  test('never goes on with the file of a move, and never writes over a file', async (t) => {
    const { from, path } = await world(t).open()
    await from.accept(message())
    await stopped(from, { path, header: header('move'), at: 'before the file had its name' })
    const other = await exportFile({ queue: from, path, header: header('copy'), pause: noPause })
    assert.equal(!other.ok && other.error.kind, 'unfinished-other')
    writeFileSync(path, 'precious')
    const over = await exportFile({ queue: from, path, header: header('copy'), pause: noPause })
    assert.equal(!over.ok && over.error.kind, 'there-already')
    assert.equal(readFileSync(path, 'utf8'), 'precious')
  })
})

describe('an import', TOGETHER, () => {
  test('that is repeated adds nothing, also after its mail was delivered', async (t) => {
    const { from, to, path } = await world(t).open()
    for (let n = 0; n < 3; n += 1) await from.accept(message())
    await exportFile({ queue: from, path, header: header('move'), pause: noPause })
    await importQueue({ moves: to.moves, source: octetsOf(path), deliverCopies: false })
    const [claim] = await claimAll(to)
    assert.ok(claim !== undefined)
    await to.settle(claim.token, settlement('a', [delivered()]))
    const again = await importQueue({ moves: to.moves, source: octetsOf(path), deliverCopies: false })
    assert.deepEqual([again.kind, again.entered, again.alreadyThere, again.earlier], ['done', 0, 0, 3])
    assert.equal((await to.admin.summary()).messages, 2)
  })

  test('of a damaged file takes what is whole before the damage, tells the place, and goes on with a good one', async (t) => {
    const { from, to, path } = await world(t).open()
    const rows = fc.sample(fc.tuple(wholeMessages, contents), 20)
    await fill(from, rows)
    await exportFile({ queue: from, path, header: header('copy'), pause: noPause })
    const good = readFileSync(path)
    const at = good.indexOf('\nmessage 12 ') + 1
    const bad = Buffer.from(good)
    bad.write('X', at + 30)
    writeFileSync(`${path}.bad`, bad)
    const stoppedAt = await importQueue({ moves: to.moves, source: octetsOf(`${path}.bad`), deliverCopies: true })
    assert.ok(stoppedAt.kind === 'damaged')
    assert.deepEqual([stoppedAt.entered, stoppedAt.damaged.at], [11, at])
    const rest = await importQueue({ moves: to.moves, source: octetsOf(path), deliverCopies: true })
    assert.deepEqual([rest.kind, rest.entered, rest.earlier], ['done', 9, 11])
    assert.deepEqual(await queueOf(to), inOrder(rows))
  })

  test('into a full spool stops, and goes on when there is room', async (t) => {
    const { from, to, path, faults } = await world(t).open()
    for (let n = 0; n < 3; n += 1) await from.accept(message())
    await exportFile({ queue: from, path, header: header('move'), pause: noPause })
    faults.arm('before-commit', { act: 'full' })
    const full = await importQueue({ moves: to.moves, source: octetsOf(path), deliverCopies: false })
    assert.deepEqual([full.kind, full.entered], ['full', 0])
    const rest = await importQueue({ moves: to.moves, source: octetsOf(path), deliverCopies: false })
    assert.deepEqual([rest.kind, rest.entered], ['done', 3])
  })
})

const noPause = async (): Promise<void> => undefined

function inOrder(rows: readonly (readonly [WholeMessage, Buffer])[]): readonly (readonly [WholeMessage, Buffer])[] {
  return [...rows].sort(([a], [b]) => (a.id < b.id ? -1 : 1))
}

/** Leaves things as a process leaves them that died there. */
async function stopped(
  queue: Parameters<typeof exportFile>[0]['queue'],
  { path, header: first, at }: { readonly path: string; readonly header: QueueFileHeader; readonly at: string },
): Promise<void> {
  const { moves } = queue
  const dies = {
    admin: queue.admin,
    moves: {
      page: (from) => moves.page(from),
      find: (id) => moves.find(id),
      open: (id) => moves.open(id),
      stage: (id) => moves.stage(id),
      enter: (batch) => moves.enter(batch),
      enteredUpTo: (file) => moves.enteredUpTo(file),
      markLeaving: (file) => moves.markLeaving(file),
      isLeaving: (file) => moves.isLeaving(file),
      takeOut: () => Promise.reject(new Error('died')),
    } satisfies SpoolMoves,
  }
  await assert.rejects(exportFile({ queue: dies, path, header: first, pause: noPause }), /died/)
  assert.ok(existsSync(path))
  if (at === 'before the removal') return
  renameSync(path, `${path}.partial`)
  if (at === 'before the file had its name') return
  const octets = readFileSync(`${path}.partial`)
  truncateSync(`${path}.partial`, Math.floor(octets.length / 2))
}
