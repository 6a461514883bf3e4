/** RFC 5321 §5.1: which host comes next, and when none does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { RelayWorld } from '../lab/relay-world.ts'

const TWO = { 'example.test': [[10, 'mx1.example.test'] as const, [20, 'mx2.example.test'] as const] }
const NO_EIGHT_BIT = ['PIPELINING', 'ENHANCEDSTATUSCODES']

test('SMTP-02: a host that greets with 554 is passed over for the next', async () => {
  covers('SMTP-02', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx1.example.test': { script: { CONNECT: '554 not here' } }, 'mx2.example.test': {} },
    mx: TWO,
  })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.equal(world.mx('mx2.example.test').messages.length, 1)
  assert.deepEqual(world.mx('mx1.example.test').connection.commands, ['QUIT'])
})

test('SMTP-02: 554 from one host and silence from the other is transient', async () => {
  covers('SMTP-02', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx1.example.test': { script: { CONNECT: '554 not here' } } },
    deadHosts: ['mx2.example.test'],
    mx: TWO,
  })
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.settled(id)
  const { state, lastOutcome } = await world.recipient(id, 'bob@example.test')
  assert.equal(state, 'open')
  assert.equal(lastOutcome?.kind === 'deferred' && lastOutcome.problem.status, '4.4.1')
})

test('SMTP-50: a domain whose only host greets with 521 is bounced at once', async () => {
  covers('SMTP-50', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx1.example.test': { script: { CONNECT: '521 5.3.2 no mail here' } } },
    mx: { 'example.test': [[10, 'mx1.example.test']] },
  })
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.settled(id)
  assert.equal(world.eventsOf('message-settled')[0]?.summary.failed, 1)
})

test('SMTP-60: 451 at the best host goes to the next host in the same attempt', async () => {
  covers('SMTP-60', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx1.example.test': { script: { RCPT: '451 4.7.1 later' } }, 'mx2.example.test': {} },
    mx: TWO,
  })
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.settled(id)
  assert.equal(world.mx('mx2.example.test').messages.length, 1)
  assert.deepEqual(world.eventsOf('message-settled')[0]?.summary, {
    delivered: 1,
    deferred: 0,
    failed: 0,
    ambiguous: 0,
  })
})

for (const verb of ['MAIL', 'RCPT', 'DOT'] as const) {
  test(`SMTP-60: 550 to ${verb} is final, no other host is asked`, async () => {
    covers('SMTP-60', { observe: 'smtp' })
    await using world = await RelayWorld.start({
      hosts: { 'mx1.example.test': { script: { [verb]: '550 5.7.1 no' } }, 'mx2.example.test': {} },
      mx: TWO,
    })
    const id = await world.submit({ to: ['bob@example.test'] })
    await world.settled(id)
    assert.equal(world.mx('mx2.example.test').connections.length, 0)
    assert.equal(world.eventsOf('message-settled')[0]?.summary.failed, 1)
  })
}

test('SMTP-60: a host that refuses EHLO and HELO is passed over', async () => {
  covers('SMTP-60', { observe: 'smtp' })
  const script = { EHLO: '550 who are you', HELO: '550 go away' }
  await using world = await RelayWorld.start({
    hosts: { 'mx1.example.test': { script }, 'mx2.example.test': {} },
    mx: TWO,
  })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.equal(world.mx('mx2.example.test').messages.length, 1)
})

test('SMTP-41 and SMTP-42: dead addresses of a host are passed over for a live one', async () => {
  covers('SMTP-41', { observe: 'smtp' })
  covers('SMTP-42', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx1.example.test': { deadAddresses: 2 } },
    mx: { 'example.test': [[10, 'mx1.example.test']] },
  })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.equal(world.mx('mx1.example.test').messages.length, 1)
  assert.equal(world.eventsOf('session-failed').length, 2)
})

test('SMTP-41: a host whose AAAA is dead and whose A is alive gets the message', async () => {
  covers('SMTP-41', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx1.example.test': {} },
    mx: { 'example.test': [[10, 'both.example.test']] },
  })
  const { address } = world.mx('mx1.example.test')
  world.serve({
    'both.example.test': { A: [address], AAAA: ['::1'] },
    'example.test': { MX: [[10, 'both.example.test']] },
  })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.equal(world.mx('mx1.example.test').messages.length, 1)
  assert.equal(world.eventsOf('session-failed')[0]?.remote.address, '::1')
})

test('SMTP-42: with one address per host by configuration the second is not tried', async () => {
  covers('SMTP-42', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx1.example.test': { deadAddresses: 1 } },
    mx: { 'example.test': [[10, 'mx1.example.test']] },
    delivery: { addressesPerHostMax: 1 },
  })
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.settled(id)
  assert.equal(world.mx('mx1.example.test').connections.length, 0)
})

test('SMTP-39: when every MX is dead the address of the domain itself is not used', async () => {
  covers('SMTP-39', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'example.test': {} },
    deadHosts: ['mx1.example.test'],
    mx: { 'example.test': [[10, 'mx1.example.test']] },
  })
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.settled(id)
  assert.equal(world.mx('example.test').connections.length, 0)
  assert.equal(world.eventsOf('message-settled')[0]?.summary.deferred, 1)
})

test('EXT-02: a message over the SIZE of the best host goes to a host without that limit', async () => {
  covers('EXT-02', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx1.example.test': { capabilities: ['PIPELINING', 'SIZE 100'] }, 'mx2.example.test': {} },
    mx: TWO,
  })
  await world.settled(
    await world.submit({ to: ['bob@example.test'], content: `Subject: long\r\n\r\n${'x'.repeat(200)}\r\n` }),
  )
  assert.ok(!world.mx('mx1.example.test').connection.commands.some((line) => line.startsWith('DATA')))
  assert.equal(world.mx('mx2.example.test').messages.length, 1)
})

test('EXT-02: a message over the SIZE of every host is bounced with 5.3.4', async () => {
  covers('EXT-02', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx1.example.test': { capabilities: ['SIZE 100'] } },
    mx: { 'example.test': [[10, 'mx1.example.test']] },
  })
  const id = await world.submit({ to: ['bob@example.test'], content: `Subject: long\r\n\r\n${'x'.repeat(200)}\r\n` })
  await world.settled(id)
  assert.equal(world.failure(id)?.status, '5.3.4')
})

test('EAI-03: a message that needs SMTPUTF8 goes to the host that offers it', async () => {
  covers('EAI-03', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx1.example.test': { capabilities: NO_EIGHT_BIT }, 'mx2.example.test': {} },
    mx: TWO,
  })
  await world.settled(
    await world.submit({ to: ['jürgen@example.test'], envelope: { smtpUtf8: true, body: '8bitmime' } }),
  )
  assert.ok(!world.mx('mx1.example.test').connection.commands.some((line) => line.startsWith('MAIL')))
  assert.match(world.mx('mx2.example.test').messages[0]?.mail ?? '', / SMTPUTF8/)
})

test('EAI-03: when no host offers SMTPUTF8 the message is bounced with 5.6.7', async () => {
  covers('EAI-03', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx1.example.test': { capabilities: NO_EIGHT_BIT } },
    mx: { 'example.test': [[10, 'mx1.example.test']] },
  })
  const id = await world.submit({ to: ['jürgen@example.test'], envelope: { smtpUtf8: true } })
  await world.settled(id)
  assert.equal(world.failure(id)?.status, '5.6.7')
  assert.equal(world.mx('mx1.example.test').messages.length, 0)
})

test('EXT-07: 8-bit content that no host takes is bounced with 5.6.3, never sent raw', async () => {
  covers('EXT-07', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx1.example.test': { capabilities: NO_EIGHT_BIT } },
    mx: { 'example.test': [[10, 'mx1.example.test']] },
  })
  const content =
    'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nö\r\n'
  const id = await world.submit({ to: ['bob@example.test'], content, envelope: { body: '8bitmime' } })
  await world.settled(id)
  assert.equal(world.failure(id)?.status, '5.6.3')
  assert.equal(world.mx('mx1.example.test').messages.length, 0)
})
