/** RFC 5321 §5.1, RFC 7505: what the answers of DNS mean for a message. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { RelayWorld } from '../lab/relay-world.ts'

test('SMTP-36: a domain that does not exist is bounced at the first attempt with 5.1.2', async () => {
  covers('SMTP-36', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx.sender.test': {} },
    mx: { 'sender.test': [[10, 'mx.sender.test']] },
  })
  const id = await world.submit({ to: ['bob@nowhere.test'] })
  await world.settled(id)
  assert.equal(world.failure(id)?.status, '5.1.2')
  const sender = world.mx('mx.sender.test')
  await sender.received(1)
  const [notice] = sender.messages
  assert.equal(notice?.reversePath, '')
  assert.equal(notice?.recipients[0]?.address, 'alice@sender.test')
  assert.match(notice?.content.toString() ?? '', /^Status: 5\.1\.2\r$/m)
  assert.doesNotMatch(notice?.content.toString() ?? '', /^Remote-MTA:/m)
})

test('SMTP-37: SERVFAIL is tried again later, with 4.4.3, and nobody is dialled', async () => {
  covers('SMTP-37', { observe: 'dns' })
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': {} },
    mx: { 'example.test': [[10, 'mx.example.test']] },
  })
  world.dns.fail('example.test', { kind: 'rcode', rcode: 'SERVFAIL' })
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.settled(id)
  const { state, lastOutcome } = await world.recipient(id, 'bob@example.test')
  assert.equal(state, 'open')
  assert.equal(lastOutcome?.kind === 'deferred' && lastOutcome.problem.status, '4.4.3')
  assert.equal(world.mx('mx.example.test').connections.length, 0)
  assert.ok(world.dns.queries.some(({ name, type }) => name === 'example.test' && type === 'MX'))
  assert.ok(!world.dns.queries.some(({ type }) => type === 'A'))
})

test('SMTP-38: a domain without MX is its own mail exchanger', async () => {
  covers('SMTP-38', { observe: 'smtp' })
  await using world = await RelayWorld.start({ hosts: { 'example.test': {} } })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.equal(world.mx('example.test').messages.length, 1)
})

test('SMTP-43: MX hosts without any address are a permanent error, 5.4.4', async () => {
  covers('SMTP-43', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    mx: {
      'example.test': [
        [10, 'gone.example.test'],
        [20, 'away.example.test'],
      ],
    },
  })
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.settled(id)
  assert.equal(world.failure(id)?.status, '5.4.4')
})

test('SMTP-43: when the address of one MX host cannot be looked up the message waits', async () => {
  covers('SMTP-43', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    mx: {
      'example.test': [
        [10, 'gone.example.test'],
        [20, 'mute.example.test'],
      ],
    },
  })
  world.dns.fail('mute.example.test', { kind: 'rcode', rcode: 'SERVFAIL' })
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.settled(id)
  const { lastOutcome } = await world.recipient(id, 'bob@example.test')
  assert.equal(lastOutcome?.kind === 'deferred' && lastOutcome.problem.status, '4.4.3')
})

test('SMTP-44: our own name in the MX list cuts it off; a better host still gets the mail', async () => {
  covers('SMTP-44', { observe: 'dns' })
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': {}, 'worse.example.test': {} },
    mx: {
      'example.test': [
        [10, 'mx.example.test'],
        [20, 'relay.lab.test'],
        [30, 'worse.example.test'],
      ],
    },
  })
  world.mx('mx.example.test').script = { RCPT: '451 later' }
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.settled(id)
  assert.equal(world.mx('worse.example.test').connections.length, 0)
  assert.ok(!world.dns.queries.some(({ name }) => name === 'worse.example.test'))
})

test('SMTP-44: a list that leads only to ourselves is a loop, 5.4.6', async () => {
  covers('SMTP-44', { observe: 'dns' })
  await using world = await RelayWorld.start({ mx: { 'example.test': [[10, 'relay.lab.test']] } })
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.settled(id)
  assert.equal(world.failure(id)?.status, '5.4.6')
  assert.deepEqual(
    world.dns.queries.map(({ type }) => type).filter((type) => type !== 'MX'),
    [],
  )
})

for (const preference of [0, 5]) {
  test(`SMTP-46: a null MX (preference ${preference}) is bounced at once with 5.1.10, without another lookup`, async () => {
    covers('SMTP-46', { observe: 'dns' })
    await using world = await RelayWorld.start({ mx: { 'example.test': [[preference, '.']] } })
    const id = await world.submit({ to: ['bob@example.test'] })
    await world.settled(id)
    assert.equal(world.failure(id)?.status, '5.1.10')
    const asked = world.dns.queries.filter(({ name }) => name === 'example.test' || name === '').map(({ type }) => type)
    assert.deepEqual(asked, ['MX'])
  })
}

test('SMTP-47: `.` beside a real MX is ignored', async () => {
  covers('SMTP-47', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': {} },
    mx: {
      'example.test': [
        [0, '.'],
        [10, 'mx.example.test'],
      ],
    },
  })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.equal(world.mx('mx.example.test').messages.length, 1)
})

test('a destination all of whose addresses are refused is bounced with 5.4.4, and never dialled', async () => {
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': {} },
    mx: { 'example.test': [[10, 'mx.example.test']] },
    guardLoopback: true,
  })
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.settled(id)
  assert.equal(world.failure(id)?.status, '5.4.4')
  assert.equal(world.failure(id)?.cause.kind, 'address-refused')
  assert.equal(world.mx('mx.example.test').connections.length, 0)
})

test('an address literal is dialled as it is, without SNI and without a lookup', async () => {
  await using world = await RelayWorld.start({ hosts: { 'mx.example.test': {} } })
  const mx = world.mx('mx.example.test')
  await world.settled(await world.submit({ to: [`bob@[${mx.address}]`] }))
  assert.equal(mx.messages[0]?.inTls, true)
  assert.equal(mx.connection.servername, undefined)
  assert.deepEqual(world.dns.queries, [])
})
