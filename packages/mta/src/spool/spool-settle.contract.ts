/** The contract of `Spool.settle`: all or nothing, once, fenced, and never a second notice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RecipientOutcome } from '../delivery/outcome.ts'
import { newQueueId } from './queue-id.ts'
import {
  claimAll,
  claimOne,
  deferred,
  delivered,
  envelope,
  failed,
  LEASE_MS,
  lane,
  message,
  messageToMany,
  NOON,
  type OpenSpool,
  problem,
  SpoolWorld,
  settlement,
} from './spool.fixture.ts'
import type { NewMessage, Spool } from './spool.ts'

/** Lane 9 is where notices go. */
function notice(more: Partial<NewMessage> = {}): NewMessage {
  const own = envelope({ reversePath: 'nullReversePath', origin: { kind: 'local', purpose: 'dsn' } })
  return message([9], { envelope: own, ...more })
}

const ambiguous = (index: number, afterMs: number): RecipientOutcome => ({
  kind: 'ambiguous',
  index,
  problem: problem(),
  dueAt: NOON + afterMs,
})

export function settleContract(open: OpenSpool): void {
  test('a message leaves when its last recipient is settled, not before', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const sent = message([1, 2])
    await spool.accept(sent)
    const [one, two] = [await claimOne(spool, 1), await claimOne(spool, 2)]
    assert.deepEqual(await spool.settle(one.token, settlement('1', [delivered(0)])), { kind: 'settled' })
    const entry = await spool.admin.show(sent.id)
    assert.deepEqual(
      entry?.deliveries.map(({ state }) => state),
      ['settled', 'in-delivery'],
    )
    assert.deepEqual(await spool.settle(two.token, settlement('2', [failed(1)])), { kind: 'settled' })
    assert.equal(await spool.admin.show(sent.id), undefined)
    assert.equal((await spool.admin.summary()).messages, 0)
  })

  test('recipients of one delivery end one by one', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(messageToMany(3))
    const claim = await claimOne(spool)
    await spool.settle(
      claim.token,
      settlement('a', [delivered(0), deferred(1, 1000), failed(2)], { marks: { delayNoticeAt: NOON + 5 } }),
    )
    world.pass(1000)
    const again = await claimOne(await world.open())
    assert.deepEqual(
      again.recipients.map(({ index }) => index),
      [1],
    )
    assert.deepEqual([again.attempts, again.marks], [1, { delayNoticeAt: NOON + 5 }])
  })

  test('an ambiguous recipient is counted and waits for its own time', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(messageToMany(2))
    const claim = await claimOne(spool)
    await spool.settle(claim.token, settlement('a', [deferred(0, 1000), ambiguous(1, 900_000)]))
    world.pass(1000)
    assert.deepEqual(
      (await claimOne(spool)).recipients.map(({ index }) => index),
      [0],
    )
    world.pass(900_000)
    const later = await claimAll(spool)
    assert.deepEqual(later.map(({ recipients }) => recipients.map((r) => [r.index, r.ambiguousCount])).sort(), [
      [[0, 0]],
      [[1, 1]],
    ])
  })

  test('a recipient whose route changed waits in its new lane', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    await spool.accept(messageToMany(2))
    const moved: RecipientOutcome = { kind: 'deferred', index: 1, problem: problem(), dueAt: NOON, lane: lane(2) }
    await spool.settle((await claimOne(spool)).token, settlement('a', [deferred(0, 0), moved]))
    assert.deepEqual(
      (await claimOne(spool, 1)).recipients.map(({ index }) => index),
      [0],
    )
    assert.deepEqual(
      (await claimOne(spool, 2)).recipients.map(({ index }) => index),
      [1],
    )
  })

  test('a repeated settle is already done: while the message lives, after a restart, and when it is gone', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    const claim = await claimOne(spool)
    const first = settlement('a', [deferred(0, 0)])
    assert.deepEqual(await spool.settle(claim.token, first), { kind: 'settled' })
    assert.deepEqual(await spool.settle(claim.token, first), { kind: 'already-done' })
    const restarted = await world.open()
    assert.deepEqual(await restarted.settle(claim.token, first), { kind: 'already-done' })
    const last = await claimOne(restarted)
    assert.equal(last.attempts, 1)
    const end = settlement('b', [delivered()], { enqueue: [notice()] })
    await restarted.settle(last.token, end)
    assert.deepEqual(await restarted.settle(last.token, end), { kind: 'already-done' })
    assert.equal((await claimAll(restarted, 9)).length, 1)
  })

  test('a settle and the notices that it causes are in the store together', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    const bounce = notice()
    await spool.settle((await claimOne(spool)).token, settlement('a', [failed()], { enqueue: [bounce] }))
    const restarted = await world.open()
    assert.equal((await claimOne(restarted, 9)).id, bounce.id)
    const content = await restarted.open(bounce.id)
    assert.equal(content.kind === 'memory' && Buffer.from(content.bytes).toString(), 'Hello\n')
  })

  test('a settle whose notice cannot be stored changes nothing, and harms no other', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message([1]))
    await spool.accept(message([2]))
    const [bad, good] = [await claimOne(spool, 1), await claimOne(spool, 2)]
    const broken = settlement('a', [failed()], { enqueue: [notice(), notice({ expiresAt: Number.NaN })] })
    const [refused, settled] = await Promise.allSettled([
      spool.settle(bad.token, broken),
      spool.settle(good.token, settlement('b', [delivered()])),
    ])
    assert.equal(refused.status, 'rejected')
    assert.deepEqual(settled.status === 'fulfilled' && settled.value, { kind: 'settled' })
    assert.deepEqual(await claimAll(spool, 9), [])
    assert.equal((await spool.admin.show(bad.id))?.deliveries[0]?.recipients[0]?.state, 'open')
    assert.deepEqual(await spool.settle(bad.token, settlement('c', [failed()], { enqueue: [notice()] })), {
      kind: 'settled',
    })
  })

  test('a notice that is there already is not stored twice', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    await spool.accept(message([1, 2]))
    const bounce = notice()
    for (const n of [1, 2]) {
      const claim = await claimOne(spool, n)
      await spool.settle(claim.token, settlement(`${n}`, [failed(n - 1)], { enqueue: [bounce] }))
    }
    assert.equal((await claimAll(spool, 9)).length, 1)
  })

  test('a lease that ended, but that nobody took over, settles in full', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    const claim = await claimOne(spool)
    world.pass(LEASE_MS * 2)
    assert.deepEqual(await spool.settle(claim.token, settlement('a', [deferred(0, 999_999)])), { kind: 'settled' })
    assert.deepEqual(await claimAll(spool), [])
  })

  test('after a take-over `delivered` closes what is open; `deferred`, `failed` and their notices are ignored', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(messageToMany(3))
    const first = await claimOne(spool)
    world.pass(LEASE_MS)
    const second = await claimOne(spool)
    const late = settlement('late', [delivered(0), failed(1), deferred(2)], { enqueue: [notice()] })
    assert.deepEqual(await spool.settle(first.token, late), { kind: 'merged', closed: 1, ignored: 2 })
    assert.deepEqual(await spool.settle(first.token, late), { kind: 'already-done' })
    assert.deepEqual(await claimAll(spool, 9), [])
    assert.deepEqual(await states(spool, second.id), ['delivered', 'open', 'open'])

    // The holder's own outcome for the closed recipient no longer counts: no second bounce for delivered mail.
    await spool.settle(second.token, settlement('now', [failed(0), delivered(1), failed(2)]))
    assert.equal(await spool.admin.show(second.id), undefined)
  })

  test('what a late settle closed stays closed, whatever the holder says of it', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(messageToMany(2))
    const first = await claimOne(spool)
    world.pass(LEASE_MS)
    const second = await claimOne(spool)
    await spool.settle(first.token, settlement('late', [delivered(0)]))
    const now = settlement('now', [deferred(0), deferred(1)])
    assert.deepEqual(await spool.settle(second.token, now), { kind: 'settled' })
    assert.deepEqual(await states(spool, second.id), ['delivered', 'open'])
  })

  test('a late settle that closes the last recipient ends the message, for its holder too', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    const first = await claimOne(spool)
    world.pass(LEASE_MS)
    const second = await claimOne(spool)
    const merged = await spool.settle(first.token, settlement('late', [delivered()]))
    assert.deepEqual(merged, { kind: 'merged', closed: 1, ignored: 0 })
    assert.equal(await spool.admin.show(first.id), undefined)
    const bounce = settlement('now', [failed()], { enqueue: [notice()] })
    assert.deepEqual(await spool.settle(second.token, bounce), { kind: 'already-done' })
    assert.deepEqual(await claimAll(spool, 9), [])
  })

  test('a hold keeps what is open until an operator releases it', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    await spool.accept(message())
    const claim = await claimOne(spool)
    await spool.settle(claim.token, settlement('a', [ambiguous(0, 0)], { hold: 'third ambiguous end' }))
    assert.deepEqual(await claimAll(spool), [])
    const entry = await spool.admin.show(claim.id)
    assert.deepEqual([entry?.deliveries[0]?.state, entry?.deliveries[0]?.stateReason], ['held', 'third ambiguous end'])
    await spool.admin.change([claim.id], { kind: 'release' })
    assert.equal((await claimOne(spool)).recipients[0]?.ambiguousCount, 1)
  })

  test('a quarantine keeps the message and charges no attempt', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    await spool.accept(message())
    const claim = await claimOne(spool)
    await spool.settle(claim.token, settlement('a', [], { quarantine: 'content unreadable' }))
    const delivery = (await spool.admin.show(claim.id))?.deliveries[0]
    assert.deepEqual(
      [delivery?.state, delivery?.stateReason, delivery?.attempts],
      ['quarantined', 'content unreadable', 0],
    )
  })

  test('a token that names nothing settles nothing', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    await spool.accept(message())
    const claim = await claimOne(spool)
    const stranger = claim.token.replace(claim.id, newQueueId()) as typeof claim.token
    assert.deepEqual(await spool.settle(stranger, settlement('x', [delivered()])), { kind: 'already-done' })
    assert.deepEqual(await states(spool, claim.id), ['open'])
  })
}

async function states(spool: Spool, id: NewMessage['id']): Promise<readonly string[] | undefined> {
  const entry = await spool.admin.show(id)
  return entry?.deliveries.flatMap(({ recipients }) => recipients.map(({ state }) => state))
}
