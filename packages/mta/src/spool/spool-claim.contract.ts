/** The contract of claims, leases and due lanes: each delivery to one holder at a time, and none forgotten. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  claimAll,
  claimOne,
  deferred,
  delivered,
  LEASE_MS,
  lane,
  message,
  NOON,
  type OpenSpool,
  SpoolWorld,
  settlement,
} from './spool.fixture.ts'
import type { Spool } from './spool.ts'

export function claimContract(open: OpenSpool): void {
  test('gives the oldest first, at most the limit, of this lane only, and each once', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const sent = [30, 10, 20, 40].map((ago) => message([1], { receivedAt: NOON - ago }))
    await Promise.all([...sent, message([2])].map((one) => spool.accept(one)))
    const first = await spool.claim(lane(), { limit: 3, leaseMs: LEASE_MS })
    assert.deepEqual(
      first.map((claim) => NOON - claim.receivedAt),
      [40, 30, 20],
    )
    assert.deepEqual(
      (await claimAll(spool)).map((claim) => NOON - claim.receivedAt),
      [10],
    )
    assert.deepEqual(await claimAll(spool), [])
    assert.equal((await claimAll(spool, 2)).length, 1)
  })

  test('two claims at the same time share nothing and leave nothing', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    await Promise.all(Array.from({ length: 10 }, () => spool.accept(message())))
    const options = { limit: 6, leaseMs: LEASE_MS }
    const both = (await Promise.all([spool.claim(lane(), options), spool.claim(lane(), options)])).flat()
    assert.equal(both.length, 10)
    assert.equal(new Set(both.map(({ id }) => id)).size, 10)
  })

  test('recipients of one message in several lanes are claimed lane by lane', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    await spool.accept(message([1, 2]))
    const [one, two] = [await claimOne(spool, 1), await claimOne(spool, 2)]
    assert.deepEqual(
      [one, two].map(({ recipients }) => recipients.map(({ index }) => index)),
      [[0], [1]],
    )
    assert.notEqual(one.token, two.token)
  })

  test('a message received while older ones are in flight is not overlooked, whatever its time', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    await spool.accept(message([1], { receivedAt: NOON - 10 }))
    await claimOne(spool)
    for (const receivedAt of [NOON - 20, NOON - 10, NOON]) {
      const late = message([1], { receivedAt })
      await spool.accept(late)
      assert.equal((await claimOne(spool)).id, late.id)
    }
  })

  test('what is deferred is given only when its time has come', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    const claim = await claimOne(spool)
    await spool.settle(claim.token, settlement('a', [deferred(0, 300_000)]))
    assert.deepEqual(await claimAll(spool), [])
    world.pass(299_999)
    assert.deepEqual(await claimAll(spool), [])
    world.pass(1)
    const again = await claimOne(spool)
    assert.deepEqual([again.attempts, again.recipients[0]?.lastProblem?.status], [1, '4.4.1'])
  })

  test('a lease ends by itself and the delivery is given to another', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    const first = await claimOne(spool)
    assert.ok(first.leaseUntilMono <= world.place.clock.mono + LEASE_MS)
    world.pass(LEASE_MS - 1)
    assert.deepEqual(await claimAll(spool), [])
    world.pass(1)
    const second = await claimOne(spool)
    assert.deepEqual([second.id, second.attempts], [first.id, 0])
    assert.notEqual(second.token, first.token)
  })

  test('a renewed lease goes on; one that was taken over cannot be renewed', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message([1]))
    await spool.accept(message([2]))
    const [kept, lost] = [await claimOne(spool, 1), await claimOne(spool, 2)]
    world.pass(LEASE_MS / 2)
    assert.deepEqual(await spool.renew([kept.token], LEASE_MS), new Set([kept.token]))
    world.pass(LEASE_MS / 2)
    assert.deepEqual(await claimAll(spool, 1), [])
    await claimOne(spool, 2)
    assert.deepEqual(await spool.renew([kept.token, lost.token], LEASE_MS), new Set([kept.token]))
  })

  test('a lease that has ended cannot be renewed, though nobody has taken over yet', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    const { token } = await claimOne(spool)
    world.pass(LEASE_MS)
    assert.deepEqual(await spool.renew([token], LEASE_MS), new Set())
    assert.equal((await claimAll(spool)).length, 1)
  })

  test('a released claim is due again at once, in its old place, without a charge', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    for (const ago of [30, 20, 10]) await spool.accept(message([1], { receivedAt: NOON - ago }))
    const claims = await claimAll(spool)
    await spool.release(claims.slice(0, 2).map(({ token }) => token))
    const again = await claimAll(spool)
    assert.deepEqual(
      again.map(({ receivedAt, attempts }) => [NOON - receivedAt, attempts]),
      [
        [30, 0],
        [20, 0],
      ],
    )
  })

  test('a release that comes after a take-over frees nothing', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    const first = await claimOne(spool)
    world.pass(LEASE_MS)
    const second = await claimOne(spool)
    await spool.release([first.token])
    assert.deepEqual(await claimAll(spool), [])
    assert.deepEqual(await spool.renew([second.token], LEASE_MS), new Set([second.token]))
  })

  test('claims end with the run that held them', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    const before = await claimOne(spool)
    const restarted = await world.open()
    const after = await claimOne(restarted)
    assert.notEqual(after.token, before.token)
    assert.deepEqual(await restarted.renew([before.token], LEASE_MS), new Set())
  })

  test('lanes are named with the time of their earliest free work, earliest first', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    for (const [n, ago] of [
      [1, 10],
      [2, 30],
      [2, 5],
      [3, 20],
    ] as const) {
      await spool.accept(message([n], { receivedAt: NOON - ago }))
    }
    assert.deepEqual(await due(spool), [
      [lane(2), -30],
      [lane(3), -20],
      [lane(1), -10],
    ])
    assert.equal((await spool.dueLanes({ before: NOON, limit: 2 })).length, 2)

    const [oldest] = await spool.claim(lane(2), { limit: 1, leaseMs: LEASE_MS })
    const third = await claimOne(spool, 3)
    assert.deepEqual(await due(spool), [
      [lane(1), -10],
      [lane(2), -5],
    ])
    await spool.release([third.token])
    assert.ok(oldest !== undefined)
    await spool.settle(oldest.token, settlement('d', [delivered()]))
    assert.deepEqual(await due(spool), [
      [lane(3), -20],
      [lane(1), -10],
      [lane(2), -5],
    ])
  })

  test('a lane whose work waits is named once its time has come, also after a restart', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    await spool.settle((await claimOne(spool)).token, settlement('a', [deferred(0, 60_000)]))
    const waits = async (current: Spool): Promise<void> => {
      assert.deepEqual(await due(current), [])
      assert.deepEqual(await due(current, 59_999), [])
      assert.deepEqual(await due(current, 60_000), [[lane(), 60_000]])
    }
    await waits(spool)
    await waits(await world.open())
  })

  test('a lane whose holder fell silent is named again when the lease has ended', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(message())
    await claimOne(spool)
    assert.deepEqual(await due(spool), [])
    world.pass(LEASE_MS)
    assert.deepEqual(await due(spool, LEASE_MS), [[lane(), 0]])
  })

  test('a lane without work is not named', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    await spool.accept(message())
    await spool.settle((await claimOne(spool)).token, settlement('a', [delivered()]))
    assert.deepEqual(await due(spool), [])
    await spool.accept(message())
    assert.deepEqual(await due(spool), [[lane(), 0]])
  })
}

async function due(spool: Spool, afterMs = 0): Promise<readonly (readonly [string, number])[]> {
  const lanes = await spool.dueLanes({ before: NOON + afterMs, limit: 100 })
  return lanes.map(({ lane: id, dueAt }) => [id, dueAt - NOON] as const)
}
