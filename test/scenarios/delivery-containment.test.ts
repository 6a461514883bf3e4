/** Whatever fails or is thrown while a message is delivered, every recipient has one outcome and the relay lives. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DeliveryOptions } from '../../packages/mta/src/delivery/delivery.ts'
import { ContentUnreadable, type Spool, StoreUnavailable } from '../../packages/mta/src/spool/spool.ts'
import { RelayWorld, type WorldOptions } from '../lab/relay-world.ts'

type DeliverySpool = DeliveryOptions['spool']

const ONE = { hosts: { 'mx.example.test': {} }, mx: { 'example.test': [[10, 'mx.example.test']] } } as const

/** The real spool with some operations replaced. */
function faulty(replace: (spool: Spool) => Partial<DeliverySpool>): Pick<WorldOptions, 'faultySpool'> {
  return {
    faultySpool: (spool) => ({
      claim: (lane, options) => spool.claim(lane, options),
      renew: (tokens, leaseMs) => spool.renew(tokens, leaseMs),
      settle: (token, settlement) => spool.settle(token, settlement),
      release: (tokens) => spool.release(tokens),
      open: (id) => spool.open(id),
      admin: spool.admin,
      ...replace(spool),
    }),
  }
}

test('a defect of ours defers the messages of the batch and is told; the next batch goes through', async () => {
  let broken = true
  await using world = await RelayWorld.start({
    ...ONE,
    ...faulty((spool) => ({
      open: async (id) => {
        if (broken) throw new TypeError('a defect')
        return spool.open(id)
      },
    })),
  })
  const ids = await Promise.all([1, 2, 3].map(() => world.submit({ to: ['bob@example.test'], quiet: true })))
  world.scheduler.wake(world.lane('example.test'))
  for (const id of ids) await world.settled(id)
  assert.equal(world.eventsOf('delivery-defect')[0]?.messages, 3)
  for (const id of ids) {
    const { lastOutcome } = await world.recipient(id, 'bob@example.test')
    assert.equal(lastOutcome?.kind === 'deferred' && lastOutcome.problem.cause.kind, 'internal')
  }
  broken = false
  const next = await world.submit({ to: ['bob@example.test'] })
  world.scheduler.wake(world.lane('example.test'), undefined, 'operator')
  await world.settled(next)
  assert.equal(world.mx('mx.example.test').messages.length, 1)
})

test('a message whose content is damaged is quarantined alone', async () => {
  const damaged = new Set<string>()
  await using world = await RelayWorld.start({
    ...ONE,
    ...faulty((spool) => ({
      open: async (id) => {
        if (damaged.has(id)) throw new ContentUnreadable('hash mismatch')
        return spool.open(id)
      },
    })),
  })
  const bad = await world.submit({ to: ['bob@example.test'], quiet: true })
  damaged.add(bad)
  const good = await world.submit({ to: ['bob@example.test'] })
  await world.settled(good)
  await world.settled(bad)
  assert.equal((await world.show(bad)).deliveries[0]?.state, 'quarantined')
  assert.equal(world.mx('mx.example.test').messages.length, 1)
})

test('a store that cannot be read gets its claims back, and no attempt is charged', async () => {
  await using world = await RelayWorld.start({
    ...ONE,
    ...faulty(() => ({ open: () => Promise.reject(new StoreUnavailable('away')) })),
  })
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.until(() => world.eventsOf('claims-released').length === 1)
  const [delivery] = (await world.show(id)).deliveries
  assert.deepEqual([delivery?.state, delivery?.attempts], ['queued', 0])
  assert.equal(world.eventsOf('delivery-store-failed')[0]?.step, 'open')
})

test('a claim that the store refuses makes the lane wait, not fail', async () => {
  let refused = 0
  await using world = await RelayWorld.start({
    ...ONE,
    ...faulty((spool) => ({
      claim: async (lane, options) => {
        refused += 1
        if (refused === 1) throw new StoreUnavailable('away')
        return spool.claim(lane, options)
      },
    })),
  })
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.until(() => world.eventsOf('delivery-store-failed').length === 1)
  world.scheduler.wake(world.lane('example.test'), undefined, 'operator')
  await world.settled(id)
  assert.equal(world.eventsOf('turn-failed').length, 0)
})

test('a settle that is refused is told, and the others are settled', async () => {
  let first = true
  await using world = await RelayWorld.start({
    ...ONE,
    ...faulty((spool) => ({
      settle: async (token, settlement) => {
        if (!first) return spool.settle(token, settlement)
        first = false
        throw new StoreUnavailable('not even the journal')
      },
    })),
  })
  await Promise.all([1, 2].map(() => world.submit({ to: ['bob@example.test'], quiet: true })))
  world.scheduler.wake(world.lane('example.test'))
  await world.until(() => world.eventsOf('message-settled').length === 1)
  assert.equal(world.eventsOf('settle-unusual')[0]?.outcome, 'rejected')
})

test('no final dot leaves for a message whose lease is gone', async () => {
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': { script: { DATA: { reply: '354 go on', delayMs: 600 } } } },
    mx: ONE.mx,
    delivery: { leaseMs: 400 },
    ...faulty(() => ({ renew: async () => new Set() })),
  })
  await world.submit({ to: ['bob@example.test'] })
  await world.until(() => world.eventsOf('lease-lost').length > 0)
  await world.until(() => world.eventsOf('attempt-finished').length > 0)
  await world.stop()
  assert.equal(world.mx('mx.example.test').messages.length, 0)
})

test('a lease that is renewed in time survives a slow peer', async () => {
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': { script: { DATA: { reply: '354 go on', delayMs: 900 } } } },
    mx: ONE.mx,
    delivery: { leaseMs: 300 },
  })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.equal(world.mx('mx.example.test').messages.length, 1)
  assert.equal(world.eventsOf('lease-lost').length, 0)
})
