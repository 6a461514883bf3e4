/** RFC 8689 §4.2.2 on the wire: messages whose sender says `TLS-Required: No`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { type DaneWorldOptions, DOMAIN, MX } from '../lab/dane-world.ts'
import { LISTED, MX20, mailsAt, returned, startTaggedWorld, statusOf, submitTagged } from '../lab/requiretls-world.ts'
import type { PolicyOptions, StsWorld } from '../lab/sts-world.ts'
import type { HostOptions } from '../lab/world-host.ts'

const ENFORCE: PolicyOptions = { mode: 'enforce', mx: [MX] }
const UNNAMED: PolicyOptions = { mode: 'enforce', mx: ['other.test'] }
const BROKEN: HostOptions = { script: { STARTTLS: { reply: '220 go', handshake: 'garbage' } } }
const NO_STARTTLS: HostOptions = { tls: 'none' }

/** How the message arrived; by one connection after another where TLS breaks. */
async function arrivals(world: StsWorld): Promise<readonly ('tls' | 'clear')[]> {
  await submitTagged(world, 'tls-optional')
  return world.relay.mx(MX).messages.map(({ inTls }) => (inTls ? 'tls' : 'clear'))
}

for (const [row, what, options, how] of [
  ['15', 'enforce, expired certificate', { policy: ENFORCE, host: { tls: 'expired' } }, 'tls'],
  ['15', 'enforce, another name', { policy: ENFORCE, host: { tls: 'wrong-name' } }, 'tls'],
  ['15', 'enforce, not named', { policy: UNNAMED }, 'tls'],
  ['15', 'TLSA mismatch', { tlsa: 'other' }, 'tls'],
  ['17', 'enforce, no STARTTLS', { policy: ENFORCE, host: NO_STARTTLS }, 'clear'],
  ['17', 'usable TLSA, no STARTTLS', { tlsa: 'match', host: NO_STARTTLS }, 'clear'],
  ['17', 'enforce, STARTTLS refused', { policy: ENFORCE, host: { script: { STARTTLS: '454 4.7.0 no' } } }, 'clear'],
  ['17', 'enforce, the handshake breaks', { policy: ENFORCE, host: BROKEN }, 'clear'],
  ['17', 'usable TLSA, the handshake breaks', { tlsa: 'match', host: BROKEN }, 'clear'],
  ['18', 'TLSA lookup failure', { tlsa: 'fails' }, 'tls'],
] as const satisfies readonly (readonly [string, string, DaneWorldOptions, string])[]) {
  test(`RTLS-34, Table C, row ${row} (${what}): delivered, ${how}, and nothing is counted`, async () => {
    covers('RTLS-34', { observe: 'smtp' })
    await using world = await startTaggedWorld(options)
    assert.deepEqual(await arrivals(world), [how])
    assert.doesNotMatch(mailsAt(world, MX).join(), /REQUIRETLS/)
    assert.deepEqual(world.results, [])
  })
}

test('RTLS-34: what the operator demands of a destination binds all the same', async () => {
  covers('RTLS-34', { observe: 'smtp' })
  await using world = await startTaggedWorld({
    host: NO_STARTTLS,
    delivery: { demandFor: () => 'encrypted' },
  })
  assert.deepEqual(await arrivals(world), [])
})

test('RTLS-35: STARTTLS is used where it is offered', async () => {
  covers('RTLS-35', { observe: 'smtp' })
  await using world = await startTaggedWorld({ host: { capabilitiesInTls: LISTED } })
  assert.deepEqual(await arrivals(world), ['tls'])
  assert.deepEqual(world.relay.mx(MX).connection.commands.slice(0, 3), [
    'EHLO relay.lab.test',
    'STARTTLS',
    'EHLO relay.lab.test',
  ])
})

test('RTLS-36: the hosts are used in their order, also one that the policy does not name', async () => {
  covers('RTLS-36', { observe: 'smtp' })
  const mx = { [DOMAIN]: [[10, MX] as const, [20, MX20] as const] }
  const policy = { mode: 'enforce', mx: [MX20] } as const
  await using world = await startTaggedWorld({ policy, others: { hosts: { [MX20]: {} }, mx } })
  assert.deepEqual(await arrivals(world), ['tls'])
  assert.equal(world.relay.mx(MX20).connections.length, 0)
})

test('RTLS-37: a destination that is not known, or says no, is not ignored', async () => {
  covers('RTLS-37', { observe: 'smtp' })
  await using bogus = await startTaggedWorld({ tlsa: 'fails' })
  assert.deepEqual(await arrivals(bogus), ['tls'], 'a TLSA lookup that fails is')
  await using world = await startTaggedWorld({})
  world.relay.dns.fail(DOMAIN, { kind: 'rcode', rcode: 'SERVFAIL' })
  assert.deepEqual(await arrivals(world), [])
  assert.equal(world.relay.eventsOf('message-settled')[0]?.problem?.cause.kind, 'dns-failure')
  await using unknown = await startTaggedWorld({})
  unknown.relay.dns.fail(MX, { kind: 'rcode', rcode: 'SERVFAIL' })
  assert.deepEqual(await arrivals(unknown), [])
  await using refusing = await startTaggedWorld({ host: { script: { RCPT: '550 5.1.1 nobody' } } })
  assert.deepEqual(await arrivals(refusing), [])
  assert.equal(statusOf(await returned(refusing)), '5.1.1')
  await using nobody = await startTaggedWorld({ others: { records: { [DOMAIN]: { MX: [[0, '.']] } } } })
  assert.deepEqual(await arrivals(nobody), [])
  assert.equal(statusOf(await returned(nobody)), '5.1.10')
})

const INSISTS = ({ inTls }: { readonly inTls: boolean }) => (inTls ? {} : { reply: '530 5.7.0 STARTTLS first' })

for (const [what, host] of [
  ['the handshake breaks', BROKEN],
  ['STARTTLS is refused', { script: { STARTTLS: '454 4.7.0 no' } }],
  ['STARTTLS is not offered', NO_STARTTLS],
] as const satisfies readonly (readonly [string, HostOptions])[]) {
  test(`RTLS-38, Table C, row 16: a server that insists on TLS, and ${what}: the sender is told, 5.7.10`, async () => {
    covers('RTLS-38', { observe: 'smtp' })
    await using world = await startTaggedWorld({ host: { ...host, script: { ...host.script, MAIL: INSISTS } } })
    assert.deepEqual(await arrivals(world), [])
    const dsn = await returned(world)
    assert.equal(statusOf(dsn), '5.7.10')
    assert.match(dsn.text, /530 5\.7\.0 STARTTLS first/)
  })
}

test('a session opened for such a message carries no other, and other sessions none such', async () => {
  await using world = await startTaggedWorld({ policy: ENFORCE })
  const { relay } = world
  for (const tls of ['tls-optional', 'default', 'tls-optional', 'default'] as const) {
    await relay.submit({ to: [`bob@${DOMAIN}`], envelope: { tls }, quiet: true })
  }
  await submitTagged(world, 'default')
  await relay.until(() => relay.eventsOf('attempt-finished').length >= 5)
  assert.equal(relay.mx(MX).connections.length, 2)
  const byConnection = Map.groupBy(relay.eventsOf('attempt-finished'), ({ requirement }) => requirement.message)
  assert.deepEqual(
    [byConnection.get('tls-optional')?.length, byConnection.get(undefined)?.length, byConnection.size],
    [2, 3, 2],
  )
})

test('RTLS-11: a notification carries the field once at most, whatever the message has', async () => {
  covers('RTLS-11', { observe: 'smtp' })
  await using world = await startTaggedWorld({ host: { script: { RCPT: '550 5.1.1 unknown' } } })
  const content = 'TLS-Required: No\r\nFrom: <alice@sender.test>\r\nSubject: lab\r\n\r\nHello\r\n'
  await submitTagged(world, 'tls-optional', { content })
  const [header = ''] = (await returned(world)).text.split('\r\n\r\n')
  assert.match(header, /^Subject: /m)
  assert.ok([...header.matchAll(/^TLS-Required:/gim)].length <= 1)
})
