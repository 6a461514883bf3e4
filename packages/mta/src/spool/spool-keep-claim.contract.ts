/**
 * The contract of a settle that keeps its claim: what one host has taken is durable while the others are still asked,
 * and nothing else has changed.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RecipientOutcome } from '../delivery/outcome.ts'
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

const partly = (id: string, outcomes: readonly RecipientOutcome[]) => settlement(id, outcomes, { keepClaim: true })

export function keepClaimContract(open: OpenSpool): void {
  test('what was taken is settled, and the claim goes on: nobody else gets it, it is renewed, no attempt is counted', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const sent = messageToMany(3)
    await spool.accept(sent)
    const claim = await claimOne(spool)
    assert.deepEqual(await spool.settle(claim.token, partly('a', [delivered(0)])), { kind: 'settled' })
    assert.deepEqual(await claimAll(spool), [])
    assert.deepEqual(await spool.renew([claim.token], LEASE_MS), new Set([claim.token]))
    const shown = await spool.admin.show(sent.id)
    assert.equal(shown?.deliveries[0]?.state, 'in-delivery')
    assert.equal(shown.deliveries[0].attempts, 0)
    assert.deepEqual(
      shown.deliveries[0].recipients.map(({ state }) => state),
      ['delivered', 'open', 'open'],
    )
    const rest = [delivered(0), failed(1), deferred(2, 1000)]
    assert.deepEqual(await spool.settle(claim.token, settlement('b', rest)), { kind: 'settled' })
    const after = (await spool.admin.show(sent.id))?.deliveries[0]
    assert.deepEqual([after?.state, after?.attempts, after?.dueAt], ['queued', 1, NOON + 1000])
    assert.deepEqual(
      after?.recipients.map(({ state }) => state),
      ['delivered', 'failed', 'open'],
    )
  })

  test('what was taken is not sent again when the holder dies, and the rest is', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(messageToMany(2))
    const claim = await claimOne(spool)
    await spool.settle(claim.token, partly('a', [delivered(1)]))
    world.pass(LEASE_MS + 1)
    const again = await claimOne(spool)
    assert.deepEqual(
      again.recipients.map(({ index }) => index),
      [0],
    )
    assert.equal(again.attempts, 0)
    assert.deepEqual(await spool.settle(claim.token, partly('b', [delivered(0)])), {
      ...{ kind: 'merged', closed: 1, ignored: 0 },
    })
    assert.equal((await spool.admin.summary()).messages, 0)
  })

  test('only deliveries count', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const sent = messageToMany(2)
    await spool.accept(sent)
    const claim = await claimOne(spool)
    assert.deepEqual(await spool.settle(claim.token, partly('a', [failed(0), deferred(1, 9000)])), { kind: 'settled' })
    const shown = (await spool.admin.show(sent.id))?.deliveries[0]
    assert.deepEqual(
      shown?.recipients.map(({ state }) => state),
      ['open', 'open'],
    )
    assert.equal(shown?.dueAt, NOON)
  })

  test('a repetition is told as such, and the claim still goes on', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    await spool.accept(messageToMany(2))
    const claim = await claimOne(spool)
    await spool.settle(claim.token, partly('a', [delivered(0)]))
    assert.deepEqual(await spool.settle(claim.token, partly('a', [delivered(0)])), { kind: 'already-done' })
    assert.deepEqual(await claimAll(spool), [])
    assert.deepEqual(await spool.settle(claim.token, partly('b', [delivered(1)])), { kind: 'settled' })
    assert.equal((await spool.admin.summary()).messages, 0)
  })

  test('what closes the last recipient ends the claim, and the other deliveries go on', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const sent = message([1, 2])
    await spool.accept(sent)
    const claim = await claimOne(spool, 1)
    await spool.settle(claim.token, partly('a', [delivered(0)]))
    assert.deepEqual(await spool.renew([claim.token], LEASE_MS), new Set())
    assert.equal((await spool.admin.show(sent.id))?.deliveries[0]?.state, 'settled')
    assert.equal((await claimOne(spool, 2)).id, sent.id)
  })

  test('a claim that is given back after a part was taken has the rest due at once', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    await spool.accept(messageToMany(2))
    const claim = await claimOne(spool)
    await spool.settle(claim.token, partly('a', [delivered(0)]))
    await spool.release([claim.token])
    const again = await claimOne(spool)
    assert.deepEqual(
      again.recipients.map(({ index }) => index),
      [1],
    )
  })

  test('without a store it waits in the journal, and the claim is still settled after it', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(messageToMany(2))
    const claim = await claimOne(spool)
    world.place.faults.arm('before-commit', { act: 'fail', times: 1_000_000 })
    assert.equal((await spool.settle(claim.token, partly('a', [delivered(0)]))).kind, 'journalled')
    assert.equal((await spool.settle(claim.token, settlement('b', [delivered(0), deferred(1)]))).kind, 'journalled')
    world.place.faults.disarm('before-commit')
    const again = await world.open()
    const shown = (await again.admin.list({}, { limit: 1 }))[0]?.deliveries[0]
    assert.deepEqual(
      shown?.recipients.map(({ state }) => state),
      ['delivered', 'open'],
    )
    assert.deepEqual([shown?.attempts, await again.dueLanes({ before: NOON, limit: 1 })], [1, []])
    assert.deepEqual(await again.dueLanes({ before: NOON + 300_000, limit: 1 }), [
      { lane: lane(), dueAt: NOON + 300_000 },
    ])
  })
}
