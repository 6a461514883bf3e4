/** The contract of what a sender is to be told later: kept with its message, durable, given out whole, and once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NOTICE_LANE } from '../bounce/notice-lane.ts'
import {
  claimAll,
  claimOne,
  deferred,
  delivered,
  failed,
  LEASE_MS,
  lane,
  message,
  messageToMany,
  NOON,
  type OpenSpool,
  SpoolWorld,
  settlement,
} from './spool.fixture.ts'

/** Lane 8 is where it waits, lane 9 where notifications go. */
function told(afterMs: number, ...recipients: readonly number[]) {
  return { notices: [{ lane: lane(8), dueAt: NOON + afterMs, recipients }] }
}

export function noticeContract(open: OpenSpool): void {
  test('a message stays until its sender was told, and its content with it', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const sent = message([1, 2])
    await spool.accept(sent)
    await spool.settle((await claimOne(spool, 1)).token, settlement('1', [failed(0)], told(1000, 0)))
    await spool.settle((await claimOne(spool, 2)).token, settlement('2', [failed(1)], told(1000, 1)))
    assert.deepEqual(await claimAll(spool, 8), [])
    world.pass(1000)
    const restarted = await world.open()
    const [one, two, ...more] = await claimAll(restarted, 8)
    assert.ok(one !== undefined && two !== undefined && more.length === 0)
    assert.deepEqual([one.id, one.recipients, two.recipients], [sent.id, [], []])
    assert.deepEqual(
      [one, two].flatMap(({ toReport = [] }) => toReport.map(({ index, lastOutcome }) => [index, lastOutcome.kind])),
      [
        [0, 'failed'],
        [1, 'failed'],
      ],
    )
    assert.equal((await restarted.open(sent.id)).kind, 'memory')
    await restarted.settle(one.token, settlement('n1', [], { enqueue: [message([9])] }))
    assert.notEqual(await restarted.admin.show(sent.id), undefined)
    await restarted.settle(two.token, settlement('n2', []))
    assert.equal(await restarted.admin.show(sent.id), undefined)
    assert.equal((await claimAll(restarted, 9)).length, 1)
  })

  test('what waits goes on beside it, and is no less open', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(messageToMany(2))
    const first = await claimOne(spool)
    await spool.settle(first.token, settlement('1', [deferred(0, 0), failed(1)], told(0, 0, 1)))
    assert.equal((await spool.admin.summary()).recipientsOpen, 1)
    const [notice] = await claimAll(spool, 8)
    assert.deepEqual(
      notice?.toReport?.map(({ lastOutcome }) => lastOutcome.kind),
      ['deferred', 'failed'],
    )
    const again = await claimOne(spool)
    assert.deepEqual(
      again.recipients.map(({ index }) => index),
      [0],
    )
    await spool.settle(again.token, settlement('2', [delivered(0)]))
    assert.notEqual(await spool.admin.show(first.id), undefined)
    assert.ok(notice !== undefined)
    await spool.settle(notice.token, settlement('n', []))
    assert.equal(await spool.admin.show(first.id), undefined)
  })

  test('a repeated settle makes it once, a lost lease gives it to another', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message([1, 2]))
    const { token } = await claimOne(spool, 1)
    const settled = settlement('1', [failed(0)], told(0, 0))
    await spool.settle(token, settled)
    assert.deepEqual(await spool.settle(token, settled), { kind: 'already-done' })
    const [first, ...more] = await claimAll(spool, 8)
    assert.ok(first !== undefined && more.length === 0)
    world.pass(LEASE_MS)
    const [second] = await claimAll(spool, 8)
    assert.ok(second !== undefined)
    // Whoever has taken over tells: no second notification comes from the first.
    await spool.settle(first.token, settlement('n1', [], { enqueue: [message([9])] }))
    assert.deepEqual(await claimAll(spool, 9), [])
    await spool.settle(second.token, settlement('n2', [], { enqueue: [message([9])] }))
    assert.equal((await claimAll(spool, 9)).length, 1)
  })

  test('a late settle that only tells of deliveries has its notice', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    const first = await claimOne(spool)
    world.pass(LEASE_MS)
    await claimOne(spool)
    await spool.settle(first.token, settlement('late', [delivered()], told(0, 0)))
    const [notice] = await claimAll(spool, 8)
    assert.deepEqual(
      notice?.toReport?.map(({ lastOutcome }) => lastOutcome.kind),
      ['delivered'],
    )
    assert.ok(notice !== undefined)
    await spool.settle(notice.token, settlement('n', []))
    assert.equal(await spool.admin.show(first.id), undefined)
  })

  test('a cancel takes the message back, not what its sender must know', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message([1, 2]))
    const { id, token } = await claimOne(spool, 1)
    await spool.settle(token, settlement('1', [failed(0)], told(0, 0)))
    assert.deepEqual(await spool.admin.change([id], { kind: 'cancel' }), [{ id, result: 'done' }])
    assert.deepEqual(await claimAll(spool, 2), [])
    const [notice] = await claimAll(spool, 8)
    assert.ok(notice !== undefined)
    await spool.settle(notice.token, settlement('n', []))
    assert.equal(await spool.admin.show(id), undefined)
  })

  test('a cancel that notifies leaves what the sender is to be told, and nothing that is delivered', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(messageToMany(2))
    const { id, token } = await claimOne(spool)
    await spool.settle(token, settlement('1', [delivered(0), deferred(1, 5000)]))
    const cancel = { kind: 'cancel', notify: true } as const
    assert.deepEqual(await spool.admin.change([id], cancel), [{ id, result: 'done' }])
    assert.equal((await spool.admin.summary()).recipientsOpen, 0)
    const restarted = await world.open()
    assert.deepEqual(await claimAll(restarted, 1), [])
    const [notice, ...more] = await restarted.claim(NOTICE_LANE, { limit: 9, leaseMs: LEASE_MS })
    assert.ok(notice !== undefined && more.length === 0)
    assert.deepEqual(notice.recipients, [])
    assert.deepEqual(
      notice.toReport?.map(({ index, lastOutcome }) => [
        index,
        lastOutcome.kind === 'failed' && lastOutcome.problem.cause,
      ]),
      [[1, { kind: 'cancelled' }]],
    )
    assert.deepEqual(await restarted.admin.change([id], cancel), [{ id, result: 'in-delivery' }])
    await restarted.settle(notice.token, settlement('n', []))
    assert.equal(await restarted.admin.show(id), undefined)
  })
}
