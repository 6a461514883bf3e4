/** The happy path: one message, one exchanger, opportunistic TLS, and what an operator sees of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { selfSigned } from '../lab/ca.ts'
import { RelayWorld } from '../lab/relay-world.ts'

const ONE_HOST = { hosts: { 'mx.example.test': {} }, mx: { 'example.test': [[10, 'mx.example.test']] } } as const

test('a message arrives over TLS, byte for byte, and leaves the queue', async () => {
  await using world = await RelayWorld.start(ONE_HOST)
  const content = 'Subject: dots\r\n\r\n.\r\n..x\r\nend\r\n'
  const id = await world.submit({ to: ['bob@example.test', 'Eve@example.test'], content })
  await world.settled(id)
  const [message] = world.mx('mx.example.test').messages
  assert.equal(message?.content.toString(), content)
  assert.equal(message?.inTls, true)
  assert.deepEqual(
    message?.recipients.map(({ address }) => address),
    ['bob@example.test', 'Eve@example.test'],
  )
  const [record] = world.eventsOf('attempt-finished')
  assert.deepEqual(record?.recipients, { delivered: 2, deferred: 0, failed: 0, ambiguous: 0 })
  assert.equal(record?.channel.kind, 'tls')
  assert.equal(record?.remote.mxHostname, 'mx.example.test')
  assert.equal(record?.attempt, 1)
})

test('TLS-18: the ClientHello of an opportunistic session carries the name of the MX host', async () => {
  covers('TLS-18', { observe: 'smtp' })
  await using world = await RelayWorld.start(ONE_HOST)
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.equal(world.mx('mx.example.test').connection.servername, 'mx.example.test')
})

for (const tls of ['self-signed', 'expired'] as const) {
  test(`TLS-10: a certificate that is ${tls} is no reason to send in clear when nobody asked for one`, async () => {
    covers('TLS-10', { observe: 'smtp' })
    await using world = await RelayWorld.start({ ...ONE_HOST, hosts: { 'mx.example.test': { tls } } })
    await world.settled(await world.submit({ to: ['bob@example.test'] }))
    assert.equal(world.mx('mx.example.test').messages[0]?.inTls, true)
    assert.equal(world.mx('mx.example.test').connections.length, 1)
  })
}

test('a certificate with neither subject nor issuer serves as well as any, and its record has them empty', async () => {
  const { key, certificate } = await selfSigned({ names: ['mx.example.test'], nameless: true })
  const hosts = { 'mx.example.test': { pair: { key, cert: certificate } } }
  await using world = await RelayWorld.start({ ...ONE_HOST, hosts })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.equal(world.mx('mx.example.test').messages[0]?.inTls, true)
  const channel = world.eventsOf('attempt-finished')[0]?.channel
  assert.deepEqual(channel?.kind === 'tls' && [channel.certificate.subject, channel.certificate.issuer], ['', ''])
})

test('a host that does not offer STARTTLS gets the message in clear when nothing demands TLS', async () => {
  await using world = await RelayWorld.start({ ...ONE_HOST, hosts: { 'mx.example.test': { tls: 'none' } } })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.equal(world.mx('mx.example.test').messages[0]?.inTls, false)
  assert.deepEqual(world.eventsOf('attempt-finished')[0]?.channel, { kind: 'clear', because: 'starttls-not-offered' })
})
