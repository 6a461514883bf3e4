/** RFC 3207 §4, RFC 7435, RFC 7672 §2.2: what happens when TLS breaks, with and without a demand for it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import type { MxScript } from '../lab/mx-script.ts'
import { RelayWorld } from '../lab/relay-world.ts'

const EXAMPLE = { 'example.test': [[10, 'mx.example.test'] as const] }
const TWO = { 'example.test': [[10, 'mx.example.test'] as const, [20, 'mx2.example.test'] as const] }
const demanded = { demandFor: () => 'encrypted' as const }

function broken(handshake: 'garbage' | 'close' | 'reset', until = Number.POSITIVE_INFINITY): MxScript {
  return { STARTTLS: ({ connection }) => (connection <= until ? { reply: '220 go', handshake } : undefined) }
}

test('TLS-08 and TLS-11: after a broken handshake a new connection in clear takes the mail, when nothing demands TLS', async () => {
  covers('TLS-08', { observe: 'smtp' })
  covers('TLS-11', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': { script: broken('garbage') } },
    mx: EXAMPLE,
  })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  const { connections, messages } = world.mx('mx.example.test')
  assert.equal(connections.length, 2)
  assert.ok(!connections[0]?.commands.some((line) => line.startsWith('MAIL')))
  assert.ok(!connections[1]?.commands.includes('STARTTLS'))
  assert.equal(messages[0]?.inTls, false)
  assert.deepEqual(
    world.eventsOf('tls-fallback').map(({ to }) => to),
    ['clear'],
  )
  assert.deepEqual(world.eventsOf('attempt-finished')[0]?.channel, { kind: 'clear', because: 'handshake-failed' })
})

test('a handshake that ends without an alert is tried once more, with classic groups, and that is enough', async () => {
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': { script: broken('close', 1) } },
    mx: EXAMPLE,
  })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  const { connections, messages } = world.mx('mx.example.test')
  assert.equal(connections.length, 2)
  assert.equal(messages[0]?.inTls, true)
  assert.deepEqual(
    world.eventsOf('tls-fallback').map(({ to }) => to),
    ['classic-groups'],
  )
})

test('a host that resets every handshake gets three connections, the last one in clear', async () => {
  await using world = await RelayWorld.start({ hosts: { 'mx.example.test': { script: broken('reset') } }, mx: EXAMPLE })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.equal(world.mx('mx.example.test').connections.length, 3)
  assert.equal(world.mx('mx.example.test').messages[0]?.inTls, false)
})

test('TLS-09: 454 to STARTTLS goes on in clear on the same session when nothing demands TLS', async () => {
  covers('TLS-09', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': { script: { STARTTLS: '454 4.7.0 not now' } } },
    mx: EXAMPLE,
  })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  const { commands } = world.mx('mx.example.test').connection
  assert.ok(commands.indexOf('STARTTLS') < commands.findIndex((line) => line.startsWith('MAIL')))
  assert.equal(world.mx('mx.example.test').messages[0]?.inTls, false)
})

test('TLS-09: 454 to STARTTLS skips the host where TLS is demanded', async () => {
  covers('TLS-09', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': { script: { STARTTLS: '454 4.7.0 not now' } }, 'mx2.example.test': {} },
    mx: TWO,
    delivery: demanded,
  })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.ok(!world.mx('mx.example.test').connection.commands.some((line) => line.startsWith('MAIL')))
  assert.equal(world.mx('mx2.example.test').messages[0]?.inTls, true)
})

test('SMTP-04: a host that answers EHLO with 502 gets HELO and the mail in clear when nothing demands TLS', async () => {
  covers('SMTP-04', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': { script: { EHLO: '502 5.5.1 what' } } },
    mx: EXAMPLE,
  })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  const { connection, messages } = world.mx('mx.example.test')
  assert.deepEqual(connection.commands.slice(0, 5), [
    'EHLO relay.lab.test',
    'HELO relay.lab.test',
    'MAIL FROM:<alice@sender.test>',
    'RCPT TO:<bob@example.test>',
    'DATA',
  ])
  assert.equal(messages[0]?.inTls, false)
})

test('SMTP-04: a host that answers EHLO with 502 hears no HELO where TLS is demanded, and the next one gets the mail', async () => {
  covers('SMTP-04', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': { script: { EHLO: '502 5.5.1 what' } }, 'mx2.example.test': {} },
    mx: TWO,
    delivery: demanded,
  })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.deepEqual(world.mx('mx.example.test').connection.commands, ['EHLO relay.lab.test', 'QUIT'])
  assert.equal(world.mx('mx2.example.test').messages[0]?.inTls, true)
})

for (const [what, host, status] of [
  ['a host that knows no EHLO', { script: { EHLO: '502 5.5.1 what' } }, '4.7.10'],
  ['a host without STARTTLS', { tls: 'none' }, '4.7.10'],
  ['a host that breaks the handshake', { script: broken('garbage') }, '4.7.5'],
  ['a host that resets the handshake', { script: broken('reset') }, '4.7.5'],
] as const) {
  test(`TLS-01, TLS-12: ${what} never gets mail in clear where TLS is demanded; it waits with ${status}`, async () => {
    covers('TLS-12', { observe: 'smtp' })
    covers('TLS-01', { observe: 'store' })
    await using world = await RelayWorld.start({ hosts: { 'mx.example.test': host }, mx: EXAMPLE, delivery: demanded })
    const id = await world.submit({ to: ['bob@example.test'] })
    await world.settled(id)
    for (const { commands } of world.mx('mx.example.test').connections) {
      assert.ok(!commands.some((line) => line.startsWith('MAIL')), commands.join(' | '))
    }
    const { lastOutcome } = await world.recipient(id, 'bob@example.test')
    assert.equal(lastOutcome?.kind === 'deferred' && lastOutcome.problem.status, status)
    assert.equal(lastOutcome?.kind === 'deferred' && lastOutcome.problem.cause.kind, 'tls-policy')
  })
}

test('a certificate that does not prove the name gets QUIT right after the handshake where PKIX is demanded', async () => {
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': { tls: 'self-signed' } },
    mx: EXAMPLE,
    delivery: { demandFor: () => 'pkix' },
  })
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.settled(id)
  const { commands } = world.mx('mx.example.test').connection
  assert.deepEqual(commands.slice(-2), ['STARTTLS', 'QUIT'])
})

test('a proven certificate is delivered to at level pkix where PKIX is demanded', async () => {
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': {} },
    mx: EXAMPLE,
    delivery: { demandFor: () => 'pkix' },
  })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.deepEqual(world.eventsOf('attempt-finished')[0]?.verdict, { kind: 'proven', level: 'pkix' })
})
