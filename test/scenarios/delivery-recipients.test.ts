/** RFC 5321 §3.3, §4.2.5: every recipient has an answer of its own. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import type { MxScript } from '../lab/mx-script.ts'
import { RelayWorld } from '../lab/relay-world.ts'

function worldWith(script: MxScript, capabilities?: readonly string[]): Promise<RelayWorld> {
  const host = { script, ...(capabilities === undefined ? {} : { capabilities }) }
  return RelayWorld.start({ hosts: { 'mx.example.test': host }, mx: { 'example.test': [[10, 'mx.example.test']] } })
}

const mixed: MxScript = {
  RCPT: ({ recipient }) => {
    if (recipient === 'b@example.test') return '452 4.2.2 mailbox full'
    return recipient === 'c@example.test' ? '552 5.2.2 message too large for c' : undefined
  },
}

test('SMTP-58 and EXT-04: of three recipients one is delivered, one waits, one is bounced', async () => {
  covers('SMTP-58', { observe: 'smtp' })
  covers('EXT-04', { observe: 'smtp' })
  await using world = await worldWith(mixed)
  const id = await world.submit({ to: ['a@example.test', 'b@example.test', 'c@example.test'] })
  await world.settled(id)
  assert.equal((await world.recipient(id, 'a@example.test')).state, 'delivered')
  assert.equal((await world.recipient(id, 'b@example.test')).state, 'open')
  assert.equal((await world.recipient(id, 'c@example.test')).state, 'failed')
  assert.equal(world.mx('mx.example.test').messages.length, 1)
})

test('SMTP-58: when every recipient is refused no content is sent', async () => {
  covers('SMTP-58', { observe: 'smtp' })
  await using world = await worldWith({ RCPT: '550 5.1.1 no such user' })
  const id = await world.submit({ to: ['a@example.test', 'b@example.test'] })
  await world.settled(id)
  assert.equal(world.mx('mx.example.test').messages.length, 0)
  assert.equal(world.eventsOf('message-settled')[0]?.summary.failed, 2)
})

test('SMTP-29: a host that takes two recipients at a time gets as many transactions as it needs, now', async () => {
  covers('SMTP-29', { observe: 'smtp' })
  await using world = await worldWith({
    RCPT: ({ acceptedRecipients }) => (acceptedRecipients >= 2 ? '452 4.5.3 too many recipients' : undefined),
  })
  const to = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@example.test`)
  await world.settled(await world.submit({ to }))
  const got = world.mx('mx.example.test').messages.map(({ recipients }) => recipients.length)
  assert.deepEqual(got, [2, 2, 1])
  assert.equal(world.mx('mx.example.test').connections.length, 1)
})

for (const [reply, delivered, deferred, failed] of [
  ['250 2.0.0 ok', 2, 0, 0],
  ['451 4.3.0 later', 0, 2, 0],
  ['554 5.7.1 never', 0, 0, 2],
] as const) {
  test(`SMTP-59: ${reply.slice(0, 3)} to the final dot is the answer for all accepted recipients`, async () => {
    covers('SMTP-59', { observe: 'smtp' })
    await using world = await worldWith({ DOT: reply })
    const id = await world.submit({ to: ['a@example.test', 'b@example.test'] })
    await world.settled(id)
    assert.deepEqual(world.eventsOf('message-settled')[0]?.summary, { delivered, deferred, failed, ambiguous: 0 })
  })
}

for (const verb of ['MAIL', 'DOT'] as const) {
  test(`EXT-03: 452 to ${verb} waits, 552 is bounced`, async () => {
    covers('EXT-03', { observe: 'smtp' })
    await using world = await worldWith({ [verb]: '452 4.3.1 disk full' })
    const waits = await world.submit({ to: ['a@example.test'] })
    await world.settled(waits)
    assert.equal((await world.recipient(waits, 'a@example.test')).state, 'open')
    world.mx('mx.example.test').script = { [verb]: '552 5.3.4 too big' }
    const bounced = await world.submit({ to: ['a@example.test'] })
    await world.settled(bounced)
    assert.equal(world.failure(bounced)?.status, '5.3.4')
  })
}

test('SMTP-12: DATA answered with 250 aborts the transaction, no content is sent', async () => {
  covers('SMTP-12', { observe: 'smtp' })
  await using world = await worldWith({ DATA: '250 go on' })
  const id = await world.submit({ to: ['a@example.test'] })
  await world.settled(id)
  assert.equal(world.mx('mx.example.test').messages.length, 0)
  assert.equal((await world.recipient(id, 'a@example.test')).state, 'open')
})

test('SMTP-13: after all recipients were refused the next MAIL comes only behind RSET or on a new connection', async () => {
  covers('SMTP-13', { observe: 'smtp' })
  await using world = await worldWith({
    RCPT: ({ recipient }) => (recipient === 'bad@example.test' ? '550 no' : undefined),
  })
  const ids = [
    await world.submit({ to: ['bad@example.test'], quiet: true }),
    await world.submit({ to: ['good@example.test'], quiet: true }),
    await world.submit({ to: ['bad@example.test'], quiet: true }),
    await world.submit({ to: ['good@example.test'] }),
  ]
  for (const id of ids) await world.settled(id)
  assert.equal(world.mx('mx.example.test').messages.length, 2)
  for (const { commands } of world.mx('mx.example.test').connections) {
    let open = false
    for (const command of commands) {
      const verb = command.slice(0, 4).toUpperCase()
      if (verb === 'MAIL') {
        assert.ok(!open, commands.join(' | '))
        open = true
      }
      if (verb === 'RSET' || verb === 'DATA') open = false
    }
  }
})

test('SMTP-57: a recipient refused with 550 is not asked for again', async () => {
  covers('SMTP-57', { observe: 'smtp' })
  await using world = await worldWith({ RCPT: '550 5.1.1 no such user' })
  const id = await world.submit({ to: ['a@example.test'] })
  await world.settled(id)
  assert.equal(world.failure(id)?.status, '5.1.1')
  world.scheduler.wake(world.lane('example.test'), undefined, 'operator')
  await world.settled(await world.submit({ to: ['other@example.test'] }))
  const asked = world.mx('mx.example.test').connections.flatMap(({ commands }) => commands)
  assert.equal(asked.filter((line) => line.startsWith('RCPT TO:<a@example.test>')).length, 1)
})

test('SMTP-56: 550 to MAIL for one message is asked again for the next', async () => {
  covers('SMTP-56', { observe: 'smtp' })
  await using world = await worldWith({ MAIL: '550 5.7.1 not you' })
  await world.settled(await world.submit({ to: ['a@example.test'] }))
  world.mx('mx.example.test').script = {}
  await world.settled(await world.submit({ to: ['a@example.test'] }))
  assert.equal(world.mx('mx.example.test').messages.length, 1)
})

test('SMTP-50: 556 to RCPT bounces that recipient', async () => {
  covers('SMTP-50', { observe: 'smtp' })
  await using world = await worldWith({ RCPT: '556 5.1.10 takes no mail' })
  const id = await world.submit({ to: ['a@example.test'] })
  await world.settled(id)
  assert.equal(world.failure(id)?.status, '5.1.10')
})
