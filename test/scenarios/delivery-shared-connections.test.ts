/**
 * STS-06, DANE-90: domains that share a host share its idle connections, as far as each one's own policy is proven on
 * them.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { selfSigned } from '../lab/ca.ts'
import { DOMAIN, MX, startDaneWorld, tlsaOf, tlsaOwner } from '../lab/dane-world.ts'
import { RelayWorld, type WorldOptions } from '../lab/relay-world.ts'
import { StsWorld } from '../lab/sts-world.ts'

const TWO = { 'a.test': [[10, MX]], 'b.test': [[10, MX]] } as const
const ENFORCE = { mode: 'enforce', mx: [MX] } as const

/** Connections that the host saw for one message to each of the two domains. */
async function connectionsFor(options: WorldOptions): Promise<number> {
  await using world = await RelayWorld.start({ mx: TWO, ...options })
  for (const domain of ['a.test', 'b.test']) await world.settled(await world.submit({ to: [`bob@${domain}`] }))
  const { messages, connections } = world.mx(MX)
  assert.equal(messages.length, 2)
  return connections.length
}

test('a connection serves the next domain on the same host, and is that domain’s own when it comes back', async () => {
  await using world = await RelayWorld.start({ hosts: { [MX]: {} }, mx: TWO })
  for (const domain of ['a.test', 'b.test', 'a.test', 'b.test']) {
    await world.settled(await world.submit({ to: [`bob@${domain}`] }))
  }
  assert.equal(world.mx(MX).connections.length, 1)
  assert.deepEqual(
    world.eventsOf('attempt-finished').map(({ nextHop, reused }) => [nextHop, reused]),
    [
      ['a.test', 0],
      ['b.test', 1],
      ['a.test', 2],
      ['b.test', 3],
    ],
  )
  // RPT-61: one session for each domain, however often they take turns.
  assert.deepEqual(
    world.eventsOf('channel-judged').map(({ nextHop }) => nextHop),
    ['a.test', 'b.test'],
  )
  assert.deepEqual(
    world.eventsOf('connection-shared').map(({ lane, from }) => [lane, from]),
    [[world.lane('b.test'), world.lane('a.test')]],
  )
})

for (const [what, policies, connections, messages] of [
  ['one that enforces and one without', { 'b.test': ENFORCE }, 1, 2],
  ['one that enforces and another one that does', { 'a.test': ENFORCE, 'b.test': ENFORCE }, 1, 2],
  ['one without and one whose policy does not name the host', { 'b.test': { ...ENFORCE, mx: ['other.test'] } }, 1, 1],
] as const) {
  test(`STS-06: ${what}: ${connections} connection, ${messages} messages`, async () => {
    covers('STS-06', { observe: 'smtp' })
    await using world = await StsWorld.start({
      hosts: { [MX]: {} },
      mx: TWO,
      policies,
    })
    await world.send('a.test')
    await world.send('b.test')
    const mx = world.relay.mx(MX)
    assert.deepEqual([mx.connections.length, mx.messages.length], [connections, messages])
    const records = world.relay.eventsOf('attempt-finished').map(({ nextHop, verdict }) => [nextHop, verdict.kind])
    assert.deepEqual(records, [['a.test', 'proven'], ...(messages === 1 ? [] : [['b.test', 'proven']])])
    // RPT-61: the domain whose policy was judged has its session counted, on its own connection or not.
    const counted = world.relay
      .eventsOf('channel-judged')
      .map(({ nextHop, results }) => [nextHop, results.map(({ policyType }) => policyType)])
    const typeOf = (domain: string) => (Object.hasOwn(policies, domain) ? 'sts' : 'no-policy-found')
    assert.deepEqual(
      counted,
      records.map(([domain = '']) => [domain, [typeOf(domain)]]),
    )
  })
}

test('a connection for a host without a certificate that anybody trusts serves those who ask for none', async () => {
  assert.equal(await connectionsFor({ hosts: { [MX]: { tls: 'self-signed' } } }), 1)
})

test('a host that showed no TLS is asked for it once more for each domain', async () => {
  assert.equal(await connectionsFor({ hosts: { [MX]: { tls: 'none' } } }), 2)
})

test('an address that DNS does not give for the host any more is not used for another domain', async () => {
  await using world = await RelayWorld.start({ hosts: { [MX]: {}, 'new.test': {} }, mx: TWO })
  const serveAt = (host: string) => world.serve({ ...world.records, [MX]: { A: [world.mx(host).address], ttl: 0 } })
  serveAt(MX)
  await world.settled(await world.submit({ to: ['bob@a.test'] }))
  serveAt('new.test')
  await world.settled(await world.submit({ to: ['bob@b.test'] }))
  assert.deepEqual([world.mx(MX).messages.length, world.mx('new.test').messages.length], [1, 1])
})

test('DANE-90: the records that are current for the next domain decide whether it may use the connection', async () => {
  covers('DANE-90', { observe: 'smtp' })
  const others = { mx: { 'b.test': [[10, MX]] } } as const
  await using world = await startDaneWorld({ certificate: 'self-signed', others })
  await world.send(DOMAIN)
  await world.send('b.test')
  const mx = world.relay.mx(MX)
  assert.deepEqual([mx.connections.length, mx.messages.length], [1, 2])
  const [first, second] = world.relay.eventsOf('attempt-finished')
  assert.deepEqual(second?.dane, first?.dane)
  assert.deepEqual(second?.verdict, { kind: 'proven', level: 'dane' })

  await using rolled = await startDaneWorld({ certificate: 'self-signed', others })
  const owner = tlsaOwner(rolled, MX)
  const { TLSA = [] } = rolled.records[owner] ?? {}
  rolled.serve({ [owner]: { TLSA, ttl: 0 } })
  await rolled.send(DOMAIN)
  const other = await selfSigned({ names: [MX] })
  rolled.serve({ [owner]: { TLSA: [tlsaOf(other.certificate, 3)], ttl: 0 } })
  await rolled.send('b.test')
  assert.deepEqual([rolled.relay.mx(MX).connections.length, rolled.relay.mx(MX).messages.length], [2, 1])
})
