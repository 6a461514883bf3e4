/** RFC 5321 §3.8: sessions that end too early, before and after the final dot. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import type { MxScript } from '../lab/mx-script.ts'
import { RelayWorld } from '../lab/relay-world.ts'

const MINUTE = 60_000

function worldWith(script: MxScript): Promise<RelayWorld> {
  return RelayWorld.start({
    hosts: { 'mx.example.test': { script } },
    mx: { 'example.test': [[10, 'mx.example.test']] },
  })
}

test('SMTP-15: a connection lost in the middle of the content is tried again later', async () => {
  covers('SMTP-15', { observe: 'smtp' })
  await using world = await worldWith({ CONTENT: { silent: true, after: 'reset' } })
  const id = await world.submit({ to: ['bob@example.test'], content: `Subject: x\r\n\r\n${'line\r\n'.repeat(50_000)}` })
  await world.settled(id)
  const { state, lastOutcome } = await world.recipient(id, 'bob@example.test')
  assert.equal(state, 'open')
  assert.equal(lastOutcome?.kind === 'deferred' && lastOutcome.problem.status, '4.4.2')
})

test('SMTP-15: a connection lost after the final dot is ambiguous, and tried again after 15 minutes at least', async () => {
  covers('SMTP-15', { observe: 'smtp' })
  await using world = await worldWith({ DOT: { silent: true, after: 'reset' } })
  const before = Date.now()
  const id = await world.submit({ to: ['bob@example.test', 'eve@example.test'] })
  await world.settled(id)
  assert.equal(world.eventsOf('message-settled')[0]?.summary.ambiguous, 2)
  const [delivery] = (await world.show(id)).deliveries
  assert.ok((delivery?.dueAt ?? 0) >= before + 15 * MINUTE)
  assert.equal(delivery?.state, 'queued')
})

test('a message whose end was ambiguous three times is held', async () => {
  await using world = await worldWith({ DOT: { silent: true, after: 'reset' } })
  const id = await world.submit({ to: ['bob@example.test'] })
  for (let times = 1; times <= 3; times += 1) {
    await world.settled(id, times)
    if (times === 3) break
    await world.spool.admin.change([id], { kind: 'retry' })
    world.scheduler.wake(world.lane('example.test'), undefined, 'operator')
  }
  assert.equal((await world.show(id)).deliveries[0]?.state, 'held')
})

test('SMTP-16: 421 after the second RCPT leaves nobody bounced', async () => {
  covers('SMTP-16', { observe: 'smtp' })
  let rcpt = 0
  await using world = await worldWith({
    RCPT: () => {
      rcpt += 1
      return rcpt === 2 ? { reply: '421 4.3.2 closing', after: 'close' } : undefined
    },
  })
  const id = await world.submit({ to: ['a@example.test', 'b@example.test', 'c@example.test'] })
  await world.settled(id)
  const { summary } = world.eventsOf('message-settled')[0] ?? {}
  assert.equal(summary?.failed, 0)
  assert.equal((summary?.delivered ?? 0) + (summary?.deferred ?? 0), 3)
})

test('SMTP-16: a host that ends each session with 421 after two messages gets all of them, over several sessions', async () => {
  covers('SMTP-16', { observe: 'smtp' })
  await using world = await worldWith({
    MAIL: ({ transaction }) =>
      transaction > 2 ? { reply: '421 4.7.0 enough for one session', after: 'close' } : undefined,
  })
  const ids = await Promise.all(
    Array.from({ length: 7 }, () => world.submit({ to: ['bob@example.test'], quiet: true })),
  )
  world.scheduler.wake(world.lane('example.test'))
  for (const id of ids) await world.settled(id)
  assert.equal(world.mx('mx.example.test').messages.length, 7)
  assert.equal(world.mx('mx.example.test').connections.length, 4)
  assert.equal(world.eventsOf('message-settled').filter(({ summary }) => summary.delivered === 1).length, 7)
})

test('a message on which the peer drops the connection does not take the others down', async () => {
  await using world = await worldWith({
    RCPT: ({ recipient }) => (recipient === 'poison@example.test' ? { silent: true, after: 'reset' } : undefined),
  })
  const poison = await world.submit({ to: ['poison@example.test'], quiet: true })
  const others = await Promise.all(
    Array.from({ length: 5 }, () => world.submit({ to: ['bob@example.test'], quiet: true })),
  )
  world.scheduler.wake(world.lane('example.test'))
  for (const id of [poison, ...others]) await world.settled(id)
  assert.equal((await world.recipient(poison, 'poison@example.test')).state, 'open')
  assert.equal(world.mx('mx.example.test').messages.length, 5)
})

test('SMTP-14: every session that the peer did not end itself is ended with QUIT', async () => {
  covers('SMTP-14', { observe: 'smtp' })
  await using world = await worldWith({
    RCPT: ({ recipient }) => (recipient === 'no@example.test' ? '550 no' : undefined),
  })
  await world.settled(await world.submit({ to: ['no@example.test'] }))
  await world.settled(await world.submit({ to: ['yes@example.test'] }))
  await world.stop()
  for (const { commands } of world.mx('mx.example.test').connections) assert.equal(commands.at(-1), 'QUIT')
})
