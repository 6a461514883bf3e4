/** Architecture, decision 11: what SIGTERM does to transactions before and after their final dot. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MxScript } from '../lab/mx-script.ts'
import { RelayWorld } from '../lab/relay-world.ts'

function worldWith(script: MxScript, stopGraceMs: number): Promise<RelayWorld> {
  return RelayWorld.start({
    hosts: { 'mx.example.test': { script } },
    mx: { 'example.test': [[10, 'mx.example.test']] },
    delivery: { stopGraceMs },
  })
}

test('a transaction before its final dot is aborted, and its message given back without a charge', async () => {
  await using world = await worldWith({ DATA: { silent: true } }, 5_000)
  const ids = [await world.submit({ to: ['a@example.test'] }), await world.submit({ to: ['b@example.test'] })]
  await world.mx('mx.example.test').seen('DATA')
  const started = Date.now()
  await world.stop()
  assert.ok(Date.now() - started < 3_000)
  for (const id of ids) {
    const [delivery] = (await world.show(id)).deliveries
    assert.equal(delivery?.state, 'queued')
    assert.equal(delivery?.attempts, 0)
  }
  assert.equal(world.eventsOf('message-settled').length, 0)
})

test('a transaction behind its final dot is waited for', async () => {
  await using world = await worldWith({ DOT: { reply: '250 2.0.0 taken', delayMs: 300 } }, 5_000)
  const id = await world.submit({ to: ['a@example.test'] })
  await world.mx('mx.example.test').seen('DOT')
  await world.stop()
  assert.deepEqual(
    world.eventsOf('message-settled').map((event) => [event.id, event.summary.delivered]),
    [[id, 1]],
  )
})

test('what is still behind its final dot when the grace is over is ambiguous', async () => {
  await using world = await worldWith({ DOT: { silent: true } }, 200)
  const id = await world.submit({ to: ['a@example.test'] })
  await world.mx('mx.example.test').seen('DOT')
  await world.stop()
  assert.deepEqual(
    world.eventsOf('message-settled').map((event) => [event.id, event.summary.ambiguous]),
    [[id, 1]],
  )
  assert.equal((await world.recipient(id, 'a@example.test')).state, 'open')
})

test('a turn that is connecting when the stop comes ends at once', async () => {
  await using world = await worldWith({ CONNECT: { silent: true } }, 5_000)
  const id = await world.submit({ to: ['a@example.test'] })
  await world.mx('mx.example.test').seen('CONNECT')
  const started = Date.now()
  await world.stop()
  assert.ok(Date.now() - started < 1_500)
  assert.equal((await world.show(id)).deliveries[0]?.attempts, 0)
})

test('while the last reply is awaited, what has not begun is already given back', async () => {
  await using world = await worldWith({ DOT: { reply: '250 2.0.0 taken', delayMs: 1_000 } }, 5_000)
  const ids = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => world.submit({ to: [`${n}@example.test`], quiet: true })))
  world.scheduler.wake(world.lane('example.test'))
  await world.mx('mx.example.test').seen('DOT')
  const stopped = world.stop()
  const free = () => world.eventsOf('claims-released').reduce((sum, { messages }) => sum + messages, 0)
  await world.until(() => free() === ids.length - 1)
  assert.equal(world.eventsOf('message-settled').length, 0, 'one is still behind its final dot')
  await stopped
  assert.deepEqual(
    world.eventsOf('message-settled').map(({ summary }) => summary.delivered),
    [1],
  )
  const shown = await Promise.all(ids.map((id) => world.spool.admin.show(id)))
  const given = shown.filter((entry) => entry?.deliveries[0]?.attempts === 0)
  assert.equal(given.length, ids.length - 1)
  assert.equal(world.mx('mx.example.test').messages.length, 1)
})
