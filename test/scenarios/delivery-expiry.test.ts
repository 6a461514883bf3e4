/** RFC 5321 §4.5.4.1, RFC 3464 §2.3.3: giving up, and what the sender is told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { RelayWorld } from '../lab/relay-world.ts'

const DAY = 86_400_000

test('DSN-13: a message whose time is over is given up with the status of the last problem, in class 4', async () => {
  covers('DSN-13', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': { script: { RCPT: '451 4.7.1 greylisted' } }, 'mx.sender.test': {} },
    mx: { 'example.test': [[10, 'mx.example.test']], 'sender.test': [[10, 'mx.sender.test']] },
  })
  const receivedAt = Date.now() - 6 * DAY
  const id = await world.submit({ to: ['bob@example.test'], receivedAt, expiresAt: receivedAt + 5 * DAY })
  await world.settled(id)
  assert.equal(world.failure(id)?.status, '4.7.1')
  const sender = world.mx('mx.sender.test')
  await sender.received(1)
  const notice = sender.messages[0]?.content.toString() ?? ''
  assert.match(notice, /^Action: failed\r$/m)
  assert.match(notice, /^Status: 4\.7\.1\r$/m)
})

test('a message that expired while it waited is given up without another connection', async () => {
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': { script: { RCPT: '451 4.7.1 greylisted' } } },
    mx: { 'example.test': [[10, 'mx.example.test']] },
  })
  const id = await world.submit({ to: ['bob@example.test'], expiresAt: Date.now() + 2_000, from: '' })
  await world.settled(id)
  const connections = world.mx('mx.example.test').connections.length
  await world.settled(id, 2)
  assert.equal(world.failure(id)?.cause.kind, 'expired')
  assert.equal(world.mx('mx.example.test').connections.length, connections)
})

test('a message whose time ran out while it was not tried for long is tried once more', async () => {
  let aheadMs = 0
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': { script: { RCPT: '451 4.7.1 greylisted' } } },
    mx: { 'example.test': [[10, 'mx.example.test']] },
    delivery: { now: () => Date.now() + aheadMs },
  })
  const [delivered, refused] = await Promise.all([
    world.submit({ to: ['bob@example.test'], from: '' }),
    world.submit({ to: ['carol@example.test'], from: '' }),
  ])
  for (const id of [delivered, refused]) await world.settled(id)
  const mx = world.mx('mx.example.test')
  mx.script = { RCPT: ({ recipient }) => (recipient?.startsWith('carol') ? '451 4.7.1 greylisted' : undefined) }
  aheadMs = 7 * DAY
  await world.spool.admin.change([delivered, refused], { kind: 'retry' })
  world.scheduler.wake(world.lane('example.test'))
  for (const id of [delivered, refused]) await world.settled(id, 2)
  assert.deepEqual(
    mx.messages.flatMap(({ recipients }) => recipients.map(({ address }) => address)),
    ['bob@example.test'],
  )
  assert.equal(world.failure(delivered), undefined)
  assert.equal(world.failure(refused)?.cause.kind, 'expired')
})

test('a failed notification makes no notification', async () => {
  await using world = await RelayWorld.start({ hosts: {} })
  const id = await world.submit({ from: '', to: ['bob@nowhere.test'] })
  await world.settled(id)
  assert.equal(world.eventsOf('dsn-queued').length, 0)
  assert.equal(world.eventsOf('failure-not-reported').length, 1)
})

test('SMTP-54: a notification for a dead host is kept for two days, less than ordinary mail', async () => {
  covers('SMTP-54', { observe: 'store' })
  await using world = await RelayWorld.start({
    deadHosts: ['mx.sender.test'],
    mx: { 'sender.test': [[10, 'mx.sender.test']] },
  })
  const id = await world.submit({ to: ['bob@nowhere.test'] })
  await world.settled(id)
  const dsnId = world.eventsOf('dsn-queued')[0]?.dsnId
  assert.ok(dsnId !== undefined)
  await world.settled(dsnId)
  const notice = await world.show(dsnId)
  assert.equal(notice.expiresAt - notice.receivedAt, 2 * DAY)
  assert.equal(notice.deliveries[0]?.state, 'queued')
})
