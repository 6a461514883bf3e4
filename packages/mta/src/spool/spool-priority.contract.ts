/** The contract of priorities (RFC 6710): in which order a lane is claimed, and that every class still moves. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  claimAll,
  claimOne,
  deferred,
  envelope,
  LEASE_MS,
  lane,
  message,
  NOON,
  type OpenSpool,
  problem,
  SpoolWorld,
  settlement,
} from './spool.fixture.ts'

export function priorityContract(open: OpenSpool): void {
  const prioritised = (priority: number, more: Parameters<typeof message>[1] = {}) =>
    message([1], { envelope: envelope({ priority }), ...more })

  test('urgent mail is claimed first, bulk last, and mail of one class by its time; also after a restart', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const sent = [-4, 0, 9, -9, 4, 3, -3].map((priority, at) => prioritised(priority, { receivedAt: NOON - 100 + at }))
    for (const one of sent) await spool.accept(one)
    const priorities = (claims: Awaited<ReturnType<typeof claimAll>>) => claims.map((claim) => claim.envelope.priority)
    const first = await spool.claim(lane(), { limit: 3, leaseMs: LEASE_MS })
    assert.deepEqual(priorities(first), [9, 4, 0])
    await spool.release(first.map(({ token }) => token))
    assert.deepEqual(priorities(await claimAll(await world.open())), [9, 4, 0, 3, -3, -4, -9])
  })

  test('urgent mail that has to wait lets other mail go before it, and its lane knows when it is due', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(prioritised(5))
    const urgent = await claimOne(spool)
    await spool.settle(urgent.token, settlement('1', [deferred(0, 1_000)]))
    const bulk = prioritised(-5)
    await spool.accept(bulk)
    assert.deepEqual(await spool.dueLanes({ before: NOON, limit: 10 }), [{ lane: lane(), dueAt: NOON }])
    assert.equal((await claimOne(spool)).id, bulk.id)
    assert.deepEqual(await spool.dueLanes({ before: NOON + 5_000, limit: 10 }), [{ lane: lane(), dueAt: NOON + 1_000 }])
    assert.deepEqual(await claimAll(spool), [])
    world.pass(1_000)
    assert.equal((await claimOne(spool)).id, urgent.id)
  })

  test('totals tell how much of each class is queued, also what waits for another try, and nothing that is held', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const held = prioritised(9)
    await spool.accept(prioritised(4))
    const urgent = await claimOne(spool)
    await spool.settle(urgent.token, settlement('1', [deferred(0, 1_000)]))
    for (const one of [held, prioritised(3), message([1, 2]), prioritised(-4)]) await spool.accept(one)
    await spool.admin.change([held.id], { kind: 'hold', reason: 'x' })
    assert.deepEqual((await spool.admin.summary()).classes, { urgent: 1, normal: 3, bulk: 1 })
  })

  test('much urgent mail does not stop the other classes: each has its claim in time', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    for (let number = 0; number < 24; number += 1) await spool.accept(prioritised(6))
    for (const priority of [0, 0, -6, -6]) await spool.accept(prioritised(priority))
    const order: (number | undefined)[] = []
    for (let number = 0; number < 18; number += 1) {
      const [claim] = await spool.claim(lane(), { limit: 1, leaseMs: LEASE_MS })
      order.push(claim?.envelope.priority)
    }
    assert.equal(order[7], 0)
    assert.equal(order[15], -6)
    assert.equal(order.filter((priority) => priority === 6).length, 16)
  })

  test('a delivery that goes on in another lane keeps its class there', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    await spool.accept(prioritised(7))
    const first = await claimOne(spool)
    await spool.accept(message([2]))
    const moved = { kind: 'deferred', index: 0, problem: problem(), dueAt: NOON, lane: lane(2) } as const
    await spool.settle(first.token, settlement('1', [moved]))
    const [next] = await spool.claim(lane(2), { limit: 1, leaseMs: LEASE_MS })
    assert.equal(next?.id, first.id)
  })
}
