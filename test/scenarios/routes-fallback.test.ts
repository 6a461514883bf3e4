/** A fallback relay: for what nobody can be reached for, and not for what a policy keeps back (conformance STS-111). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { selfSigned } from '../lab/ca.ts'
import { tlsaOf, tlsaOwner } from '../lab/dane-world.ts'
import { RouteWorld, type RouteWorldOptions } from '../lab/route-world.ts'
import { routesOf } from '../lab/routes-of.ts'
import { StsWorld } from '../lab/sts-world.ts'
import type { HostOptions } from '../lab/world-host.ts'

const MX = 'mx.example.test'
const FALLBACK = 'fallback.test'
const BUSY: HostOptions = { script: { CONNECT: '421 4.3.0 later' } }
const ENFORCED: Partial<RouteWorldOptions> = {
  policies: { 'example.test': { mode: 'enforce', mx: [MX] } },
}

const NOBODY_ANSWERS = { 'example.test': { MX: [[10, 'gone.test']] }, 'gone.test': { A: ['127.0.0.9'] } } as const

interface Situation {
  readonly mx: HostOptions
  readonly fallback?: HostOptions
  readonly use?: 'unreachable' | 'unreachable-or-policy'
  readonly more?: Partial<RouteWorldOptions>
}

function world({ mx, fallback = {}, use = 'unreachable', more = {} }: Situation): Promise<RouteWorld> {
  return RouteWorld.start({
    hosts: { [MX]: mx, [FALLBACK]: fallback },
    mx: { 'example.test': [[10, MX]] },
    mailExchanger: MX,
    routes: (port) => `[[route]]\nhost = "${FALLBACK}"\nport = ${port(FALLBACK)}\nfallback = "${use}"\n`,
    ...more,
  })
}

test('mail whose destination cannot be reached goes to the fallback at once, and only that mail', async () => {
  await using relay = await world({ mx: BUSY })
  const id = await relay.submit('bob@example.test')
  await relay.settled(id, 2)
  assert.equal(relay.host(FALLBACK).messages.length, 1)
  const [first, second] = relay.settles(id)
  assert.deepEqual([first?.summary.deferred, second?.summary.delivered], [1, 1])
  const [used] = relay.relay.eventsOf('fallback-used')
  assert.deepEqual([used?.id, used?.lane, used?.fallback], [id, first?.lane, second?.lane])
  assert.match(await relay.metrics(), /^hermetic_fallbacks_total\{.*\} 1$/m)
})

test('what a destination says about a message is an answer: 451 to a recipient waits for that host', async () => {
  await using relay = await world({ mx: { script: { RCPT: '451 4.7.1 not yet' } } })
  const id = await relay.submit('bob@example.test')
  await relay.settled(id)
  assert.match(relay.settles(id)[0]?.lane ?? '', /^mx:/)
  assert.deepEqual(relay.relay.eventsOf('fallback-used'), [])
  assert.equal(relay.host(FALLBACK).connections.length, 0)
})

for (const [why, mx] of [
  ['a certificate that it does not believe', { tls: 'self-signed' }],
  ['no STARTTLS', { tls: 'none' }],
] as const) {
  test(`STS-111: an enforce policy that ${why} fails keeps the message from the fallback`, async () => {
    covers('STS-111', { observe: 'smtp' })
    await using relay = await world({ mx, more: ENFORCED })
    const id = await relay.submit('bob@example.test')
    await relay.settled(id)
    assert.equal(relay.settles(id)[0]?.summary.deferred, 1)
    assert.equal(relay.settles(id)[0]?.problem?.cause.kind, 'tls-policy')
    assert.deepEqual(relay.relay.eventsOf('fallback-used'), [])
    assert.equal(relay.host(FALLBACK).connections.length, 0)
  })
}

test('STS-111: unless the operator says so for that relay', async () => {
  covers('STS-111', { observe: 'smtp' })
  await using relay = await world({ mx: { tls: 'self-signed' }, use: 'unreachable-or-policy', more: ENFORCED })
  const id = await relay.submit('bob@example.test')
  await relay.settled(id, 2)
  assert.equal(relay.host(FALLBACK).messages.length, 1)
})

test('STS-111: a destination that a policy protects goes there when nobody answers, and not after a policy failure', async () => {
  covers('STS-111', { observe: 'smtp' })
  await using relay = await world({ mx: { tls: 'self-signed' }, more: ENFORCED })
  const id = await relay.submit('bob@example.test')
  await relay.settled(id)
  relay.host(MX).script = { CONNECT: '421 4.3.0 later' }
  await relay.restart({})
  await relay.settled(id, 1)
  assert.equal(relay.host(FALLBACK).connections.length, 0, 'the attempt before was one of policy')
})

test('STS-111: a fallback is a smarthost: it has to prove its name, and its own policy counts', async () => {
  covers('STS-111', { observe: 'smtp' })
  await using relay = await world({ mx: BUSY, fallback: { tls: 'wrong-name' } })
  const id = await relay.submit('bob@example.test')
  await relay.settled(id, 2)
  const [, second] = relay.settles(id)
  assert.match(second?.lane ?? '', /^route:fallback\.test:/)
  assert.equal(second?.summary.deferred, 1)
  assert.equal(relay.host(FALLBACK).messages.length, 0)
})

test('a fallback that does not answer gives the mail back, and the usual way is tried next', async () => {
  await using relay = await world({ mx: BUSY, fallback: { script: { RCPT: '451 4.3.0 later' } } })
  const id = await relay.submit('bob@example.test')
  await relay.settled(id, 2)
  const [back] = relay.settles(id)[1]?.settled.recipients ?? []
  assert.ok(back?.outcome.kind === 'deferred')
  assert.match(back.outcome.lane ?? '', /^mx:example\.test:/)
  assert.equal(relay.host(FALLBACK).messages.length, 0)
})

for (const [does, offers, host] of [
  ['goes to a fallback that offers it', true, { capabilities: ['REQUIRETLS'] }],
  ['waits where the fallback does not offer it', false, {}],
  [
    'waits where the fallback offers it and proves no name',
    false,
    { capabilities: ['REQUIRETLS'], tls: 'self-signed' },
  ],
] as const satisfies readonly (readonly [string, boolean, HostOptions])[]) {
  test(`a message that demands REQUIRETLS ${does}`, async () => {
    await using sts = await StsWorld.start({
      hosts: { [FALLBACK]: host },
      routes: (port) => routesOf([{ host: FALLBACK, port, fallback: 'unreachable' }]),
      dnssec: {},
    })
    sts.serve(NOBODY_ANSWERS)
    await sts.relay.submit({ to: ['bob@example.test'], envelope: { tls: 'requiretls' } })
    await sts.relay.until(() => sts.relay.eventsOf('message-settled').length >= 2)
    const [, second] = sts.relay.eventsOf('message-settled')
    assert.match(second?.lane ?? '', /^route:fallback\.test:/)
    assert.deepEqual([second?.summary.delivered, second?.summary.deferred], offers ? [1, 0] : [0, 1])
    assert.equal(sts.relay.mx(FALLBACK).messages.length, offers ? 1 : 0)
  })
}

for (const tlsa of ['match', 'other'] as const) {
  test(`DANE-28: the TLSA records of a fallback count as those of a destination: ${tlsa}`, async () => {
    covers('DANE-28', { observe: 'smtp' })
    const leaf = await selfSigned({ names: [FALLBACK] })
    await using sts = await StsWorld.start({
      hosts: { [FALLBACK]: { pair: { key: leaf.key, cert: leaf.certificate } } },
      routes: (port) => routesOf([{ host: FALLBACK, port, fallback: 'unreachable' }]),
      dnssec: {},
    })
    const shown = tlsa === 'other' ? await selfSigned({ names: [FALLBACK] }) : leaf
    sts.serve({ [tlsaOwner(sts, FALLBACK)]: { TLSA: [tlsaOf(shown.certificate, 3)] } })
    sts.serve(NOBODY_ANSWERS)
    await sts.relay.submit({ to: ['bob@example.test'] })
    await sts.relay.until(() => sts.relay.eventsOf('message-settled').length >= 2)
    assert.equal(sts.relay.mx(FALLBACK).messages.length, tlsa === 'match' ? 1 : 0)
    const [, second] = sts.relay.eventsOf('message-settled')
    assert.match(second?.lane ?? '', /^route:fallback\.test:/)
  })
}
