/** RFC 8461 §3, §4: whose policy counts, and for which of its hosts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { type PolicyOptions, StsWorld, type StsWorldOptions } from '../lab/sts-world.ts'

const MX = 'mx.example.test'
const ENFORCE: PolicyOptions = { mode: 'enforce', mx: [MX] }

function waits({ relay }: StsWorld): boolean {
  return relay.eventsOf('message-settled').every(({ summary }) => summary.deferred > 0)
}

test('STS-01: the policy domain is the one in the address, not the target of its alias', async () => {
  covers('STS-01', { observe: 'dns' })
  await using world = await StsWorld.start({
    hosts: { [MX]: {} },
    mx: { 'real.test': [[10, MX]] },
    records: { 'alias.test': { CNAME: 'real.test' } },
  })
  await world.send('alias.test')
  assert.equal(world.relay.mx(MX).messages.length, 1)
  assert.ok(world.recordQueries('alias.test') > 0)
  assert.equal(world.recordQueries('real.test'), 0)
})

test('STS-03: a policy of the parent domain is neither asked for nor applied', async () => {
  covers('STS-03', { observe: 'dns' })
  await using world = await StsWorld.start({
    hosts: { [MX]: { tls: 'none' } },
    mx: { 'mail.example.test': [[10, MX]] },
    policies: { 'example.test': { mode: 'enforce', mx: ['other.test'] } },
  })
  await world.send('mail.example.test')
  assert.equal(world.relay.mx(MX).messages.length, 1)
  assert.ok(world.recordQueries('mail.example.test') > 0)
  assert.equal(world.recordQueries('example.test'), 0)
})

test('STS-04: for an address literal no policy is asked for', async () => {
  covers('STS-04', { observe: 'dns' })
  await using world = await StsWorld.start({ hosts: { [MX]: { tls: 'none' } } })
  const { address } = world.relay.mx(MX)
  await world.send(`[${address}]`)
  assert.equal(world.relay.mx(MX).messages.length, 1)
  assert.deepEqual(world.relay.dns.queries, [])
  assert.equal(world.relay.eventsOf('attempt-finished')[0]?.policy, undefined)
})

for (const [what, pattern, passes] of [
  ['named by the policy takes the mail', 'example.test', true],
  ['not named by the policy is not contacted', 'mx.example.test', false],
] as const) {
  test(`STS-05: a domain without MX that is ${what}`, async () => {
    covers('STS-05', { observe: 'smtp' })
    await using world = await StsWorld.start({
      hosts: { 'example.test': {} },
      policies: { 'example.test': { mode: 'enforce', mx: [pattern] } },
    })
    await world.send('example.test')
    assert.equal(world.relay.mx('example.test').connections.length, passes ? 1 : 0)
    assert.equal(world.relay.mx('example.test').messages.length, passes ? 1 : 0)
  })
}

for (const [certificateName, passes] of [
  ['alias.test', true],
  ['host.provider.test', false],
] as const) {
  test(`STS-05: a domain that is an alias and has no MX stands for itself; a certificate for ${certificateName}: ${passes}`, async () => {
    covers('STS-05', { observe: 'smtp' })
    await using world = await StsWorld.start({
      hosts: { 'host.provider.test': { certificateName } },
      records: { 'alias.test': { CNAME: 'host.provider.test' } },
      policies: { 'alias.test': { mode: 'enforce', mx: ['alias.test'] } },
    })
    await world.send('alias.test')
    const mx = world.relay.mx('host.provider.test')
    assert.equal(mx.connection.servername, 'alias.test')
    assert.equal(mx.messages.length, passes ? 1 : 0)
  })
}

test('STS-06: a connection proven for a domain without a policy carries nothing for one that enforces on the same host', async () => {
  covers('STS-06', { observe: 'smtp' })
  await using world = await StsWorld.start({
    hosts: { [MX]: { tls: 'self-signed' } },
    mx: { 'a.test': [[10, MX]], 'b.test': [[10, MX]] },
    policies: { 'b.test': ENFORCE },
  })
  await world.send('a.test')
  await world.send('b.test')
  const mx = world.relay.mx(MX)
  assert.deepEqual(
    mx.messages.map(({ recipients }) => recipients[0]?.address),
    ['bob@a.test'],
  )
  assert.ok(mx.connections.length > 1, 'the idle connection of the other domain was not taken')
})

test('STS-83: an alias in the MX record is matched by its own name, not by its target', async () => {
  covers('STS-83', { observe: 'smtp' })
  const options = (pattern: string): StsWorldOptions => ({
    hosts: { 'host.provider.test': { certificateName: MX } },
    mx: { 'example.test': [[10, MX]] },
    records: { [MX]: { CNAME: 'host.provider.test' } },
    policies: { 'example.test': { mode: 'enforce', mx: [pattern] } },
  })
  await using target = await StsWorld.start(options('host.provider.test'))
  await target.send('example.test')
  assert.equal(target.relay.mx('host.provider.test').connections.length, 0)
  await using own = await StsWorld.start(options(MX))
  await own.send('example.test')
  assert.equal(own.relay.mx('host.provider.test').messages.length, 1)
})

for (const [what, host] of [
  ['does not offer STARTTLS', { tls: 'none' }],
  ['answers 454', { script: { STARTTLS: '454 4.7.0 no' } }],
  ['answers 501', { script: { STARTTLS: '501 5.5.4 no' } }],
  ['resets the handshake', { script: { STARTTLS: { reply: '220 go', handshake: 'reset' } } }],
  ['knows no EHLO', { script: { EHLO: '502 5.5.1 what' } }],
] as const) {
  test(`STS-82, STS-86: an enforced host that ${what} gets nothing`, async () => {
    covers(['STS-82', 'STS-86'], { observe: 'smtp' })
    await using world = await StsWorld.start({
      hosts: { [MX]: host },
      mx: { 'example.test': [[10, MX]] },
      policies: { 'example.test': ENFORCE },
    })
    await world.send('example.test')
    for (const { commands } of world.relay.mx(MX).connections) {
      assert.ok(
        commands.every((line) => /^(?:EHLO|STARTTLS|QUIT)/.test(line)),
        commands.join(' | '),
      )
    }
    assert.ok(waits(world))
  })
}

test('STS-87, STS-88: expired, unknown authority, another name, a common name alone: an enforced host gets QUIT', async () => {
  covers(['STS-87', 'STS-88'], { observe: 'smtp' })
  for (const tls of ['expired', 'self-signed', 'wrong-name', 'common-name-only'] as const) {
    await using world = await StsWorld.start({
      hosts: { [MX]: { tls } },
      mx: { 'example.test': [[10, MX]] },
      policies: { 'example.test': ENFORCE },
    })
    await world.send('example.test')
    assert.deepEqual(world.relay.mx(MX).connection.commands.slice(-2), ['STARTTLS', 'QUIT'], tls)
  }
})

for (const [certificateName, passes] of [
  ['mx1.example.net', true],
  ['*.example.net', true],
  ['mx2.example.net', false],
  ['example.test', false],
  ['example.net', false],
  ['mx*.example.net', false],
] as const) {
  test(`STS-88, STS-89, STS-90: the host proves its own name, not the pattern's or the domain's: ${certificateName} is ${passes ? 'enough' : 'not'}`, async () => {
    covers(['STS-88', 'STS-89', 'STS-90'], { observe: 'smtp' })
    await using world = await StsWorld.start({
      hosts: { 'mx1.example.net': { certificateName } },
      mx: { 'example.test': [[10, 'mx1.example.net']] },
      policies: { 'example.test': { mode: 'enforce', mx: ['*.example.net'] } },
    })
    await world.send('example.test')
    assert.equal(world.relay.mx('mx1.example.net').messages.length, passes ? 1 : 0)
  })
}

test('STS-90: a wildcard certificate covers one label', async () => {
  covers('STS-90', { observe: 'smtp' })
  await using world = await StsWorld.start({
    hosts: { 'a.b.example.net': { certificateName: '*.example.net' } },
    mx: { 'example.test': [[10, 'a.b.example.net']] },
    policies: { 'example.test': { mode: 'enforce', mx: ['a.b.example.net'] } },
  })
  await world.send('example.test')
  assert.equal(world.relay.mx('a.b.example.net').messages.length, 0)
})

test('STS-85, STS-91: the name in the ClientHello is that of the MX record, compared without case', async () => {
  covers(['STS-85', 'STS-91'], { observe: 'smtp' })
  await using world = await StsWorld.start({
    hosts: { [MX]: {} },
    mx: { 'example.test': [[10, 'MX.Example.TEST']] },
    policies: { 'example.test': ENFORCE },
  })
  await world.send('example.test')
  assert.equal(world.relay.mx(MX).connection.servername, MX)
  assert.equal(world.relay.mx(MX).messages.length, 1)
})

test('STS-94: a host that knows only TLS 1.1 gets nothing under enforce, and the report names the alert or the version', async () => {
  covers('STS-94', { observe: 'smtp' })
  await using world = await StsWorld.start({
    hosts: { [MX]: { tls: 'old-protocol' } },
    mx: { 'example.test': [[10, MX]] },
    policies: { 'example.test': ENFORCE },
  })
  await world.send('example.test')
  assert.equal(world.relay.mx(MX).messages.length, 0)
  assert.ok(waits(world))
  const [result] = world.results
  assert.ok(result?.outcome.kind === 'failure')
  assert.equal(result.outcome.details[0].resultType, 'validation-failure')
  assert.match(result.outcome.details[0].failureReasonCode ?? '', /protocol-version/)
})

test('STS-112: the delivery record tells domain, policy, mode, age, where it is from, match and certificate', async () => {
  covers('STS-112', { observe: 'store' })
  await using world = await StsWorld.start({
    hosts: { [MX]: {} },
    mx: { 'example.test': [[10, MX]] },
    policies: { 'example.test': { mode: 'testing', mx: ['*.example.test'], id: '20261122' } },
  })
  await world.send('example.test')
  const [record] = world.relay.eventsOf('attempt-finished')
  assert.equal(record?.nextHop, 'example.test')
  assert.deepEqual(record?.requirement.sts, { mode: 'testing', id: '20261122', matched: '*.example.test' })
  const { policy } = record ?? {}
  assert.ok(policy?.kind === 'sts' && policy.ageMs >= 0)
  assert.deepEqual({ ...policy, ageMs: 0 }, { kind: 'sts', mode: 'testing', id: '20261122', from: 'fresh', ageMs: 0 })
  assert.deepEqual(record?.verdict, { kind: 'proven', level: 'sts' })
})
