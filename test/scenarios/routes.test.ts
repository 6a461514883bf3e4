/** `[[route]]`: which mail goes to which smarthost, and whose policies count on that way (RFC 8461 §3.4). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { RouteWorld } from '../lab/route-world.ts'

const SMART = 'smart.test'

function route(port: number, { domain = '*', host = SMART, more = '' } = {}): string {
  return `[[route]]\ndomain = "${domain}"\nhost = "${host}"\nport = ${port}\n${more}\n`
}

test('STS-02: with a smarthost only its own policy is looked for; the one of the recipient domain has no say', async () => {
  covers('STS-02', { observe: 'dns' })
  await using world = await RouteWorld.start({
    hosts: { [SMART]: {} },
    routes: (port) => route(port(SMART)),
    mx: { 'example.test': [[10, 'mx.example.test']] },
    policies: { 'example.test': { mode: 'enforce', mx: ['mx.example.test'] } },
  })
  await world.send('bob@example.test')
  assert.equal(world.host(SMART).messages[0]?.inTls, true)
  const asked = world.questions.filter((question) => question.startsWith('TXT _mta-sts.'))
  assert.deepEqual(new Set(asked), new Set([`TXT _mta-sts.${SMART}`]))
  assert.deepEqual(
    world.questions.filter((question) => question.startsWith('MX ')),
    [],
  )
  assert.equal(world.relay.eventsOf('attempt-finished')[0]?.nextHop, SMART)
})

for (const [what, mx, messages] of [
  ['names it', SMART, 1],
  ['does not name it', 'other.test', 0],
] as const) {
  test(`STS-02: the enforced policy of the smarthost ${what}: ${messages} messages`, async () => {
    covers('STS-02', { observe: 'dns' })
    await using world = await RouteWorld.start({
      hosts: { [SMART]: {} },
      routes: (port) => route(port(SMART), { more: 'tls = "opportunistic"' }),
      policies: { [SMART]: { mode: 'enforce', mx: [mx] } },
    })
    const id = await world.send('bob@example.test')
    assert.ok(world.questions.includes(`TXT _mta-sts.${SMART}`))
    assert.equal(world.host(SMART).connections.length, messages)
    assert.equal(world.settles(id)[0]?.summary.deferred, 1 - messages)
  })
}

test('STS-04: for a smarthost that is an address no policy is asked for', async () => {
  covers('STS-04', { observe: 'dns' })
  await using world = await RouteWorld.start({
    hosts: { [SMART]: {} },
    routes: (port, address) => route(port(SMART), { host: `[${address(SMART)}]`, more: 'tls = "opportunistic"' }),
  })
  await world.send('bob@example.test')
  assert.equal(world.host(SMART).messages[0]?.inTls, true)
  assert.deepEqual(
    world.questions.filter((question) => question.includes('_mta-sts')),
    [],
  )
})

test('the route that says most about a domain counts, and mail without a route goes to its mail exchangers', async () => {
  await using world = await RouteWorld.start({
    hosts: { 'one.test': {}, 'two.test': {}, 'mx.other.test': {} },
    routes: (port) =>
      route(port('one.test'), { domain: '*.example.test', host: 'one.test' }) +
      route(port('two.test'), { domain: 'a.example.test', host: 'two.test' }),
    mx: { 'other.test': [[10, 'mx.other.test']], 'example.test': [[10, 'mx.other.test']] },
    mailExchanger: 'mx.other.test',
  })
  const id = await world.submit('x@a.example.test', 'x@b.a.example.test', 'x@example.test', 'x@other.test')
  await world.settled(id, 4)
  const recipients = (name: string) =>
    world.host(name).messages.flatMap((message) => message.recipients.map(({ address }) => address))
  assert.deepEqual(recipients('one.test'), ['x@b.a.example.test'])
  assert.deepEqual(recipients('two.test'), ['x@a.example.test'])
  assert.deepEqual(recipients('mx.other.test').sort(), ['x@example.test', 'x@other.test'])
})

test('a smarthost with implicit TLS hears nothing in clear, and its server name is asked for', async () => {
  await using world = await RouteWorld.start({
    hosts: { [SMART]: { implicitTls: true } },
    routes: (port) => route(port(SMART), { more: 'tls = "implicit"' }),
  })
  await world.send('bob@example.test')
  const { connection, messages } = world.host(SMART)
  assert.equal(messages.length, 1)
  assert.equal(connection.servername, SMART)
  // The ClientHello: a handshake record.
  assert.equal(connection.segments[0]?.bytes[0], 22)
  assert.ok(connection.segments.slice(1).every(({ inTls }) => inTls))
  assert.ok(!connection.commands.includes('STARTTLS'))
})

test('implicit TLS to a host of another name: nothing but QUIT', async () => {
  await using world = await RouteWorld.start({
    hosts: { [SMART]: { implicitTls: true, tls: 'wrong-name' } },
    routes: (port) => route(port(SMART), { more: 'tls = "implicit"' }),
  })
  const id = await world.send('bob@example.test')
  assert.deepEqual(world.host(SMART).connection.commands, ['QUIT'])
  assert.equal(world.settles(id)[0]?.problem?.status, '4.7.5')
})

for (const [tls, messages] of [
  ['starttls', 0],
  ['opportunistic', 1],
] as const) {
  test(`a smarthost without a login and with a self-signed certificate, tls = ${tls}: ${messages} messages`, async () => {
    await using world = await RouteWorld.start({
      hosts: { [SMART]: { tls: 'self-signed' } },
      routes: (port) => route(port(SMART), { more: `tls = "${tls}"` }),
    })
    await world.send('bob@example.test')
    assert.equal(world.host(SMART).messages.length, messages)
  })
}

test('a smarthost may be on a private address; who is not in the configuration may not', async () => {
  await using world = await RouteWorld.start({
    hosts: { [SMART]: {}, 'mx.example.test': {} },
    smtpNetworks: [],
    routes: (port) => route(port(SMART), { domain: 'routed.test' }),
    mx: { 'example.test': [[10, 'mx.example.test']] },
    mailExchanger: 'mx.example.test',
  })
  await world.send('bob@routed.test')
  assert.equal(world.host(SMART).messages.length, 1)
  await world.send('bob@example.test')
  assert.equal(world.host('mx.example.test').connections.length, 0)
})

test('a route to one of our own listeners is never dialled, and no mail is returned for it', async () => {
  await using world = await RouteWorld.start({ routes: () => '' })
  const own = world.relay.relay.listeners[0]?.listener.port ?? 0
  await world.restart({
    routes: () => route(own, { host: 'us.test' }),
    records: { 'us.test': { A: ['127.0.0.1'] } },
    settings: `[[listener]]\nkind = "relay"\nport = ${own}\ntls = "none"\nallow_networks = ["127.0.0.0/8"]\n`,
  })
  const id = await world.send('bob@routed.test')
  assert.equal(world.relay.eventsOf('session-opened').length, 1, 'only that of the client')
  const [settle] = world.settles(id)
  assert.equal(settle?.summary.deferred, 1)
  assert.equal(settle?.problem?.cause.kind, 'mail-loop')
  assert.equal(settle?.problem?.status, '4.4.6')
})

for (const [what, routes, cause] of [
  ['has no address', () => route(587), 'no-address'],
  ['greets with 554', (port: (host: string) => number) => route(port('grumpy.test'), { host: 'grumpy.test' }), 'reply'],
] as const) {
  test(`a smarthost that ${what} keeps mail waiting: that is for the operator to mend`, async () => {
    await using world = await RouteWorld.start({
      hosts: { 'grumpy.test': { script: { CONNECT: '554 go away' } } },
      routes,
      records: { [SMART]: { TXT: ['nothing to dial'] } },
    })
    const [settle] = world.settles(await world.send('bob@example.test'))
    assert.equal(settle?.summary.deferred, 1)
    assert.equal(settle?.problem?.cause.kind, cause)
    assert.equal(settle?.problem?.permanence, 'transient')
    assert.equal(world.relay.eventsOf('dsn-queued').length, 0)
  })
}

test('what a smarthost says of a recipient is final, and the notification takes the same way', async () => {
  await using world = await RouteWorld.start({
    hosts: {
      [SMART]: { script: { RCPT: ({ recipient }) => (recipient?.startsWith('bob') ? '550 5.1.1 who?' : undefined) } },
    },
    routes: (port) => route(port(SMART)),
  })
  const id = await world.send('bob@example.test')
  assert.equal(world.settles(id)[0]?.summary.failed, 1)
  await world.host(SMART).received(1)
  assert.equal(world.host(SMART).messages[0]?.recipients[0]?.address, 'app@sender.test')
})
