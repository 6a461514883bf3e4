/** Logging in to a smarthost: to whom credentials are shown, and what becomes of mail when they are not taken. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { RouteWorld, type RouteWorldOptions } from '../lab/route-world.ts'
import type { ScriptedMx } from '../lab/scripted-mx.ts'
import type { HostOptions } from '../lab/world-host.ts'

const SMART = 'smart.test'
const LOGIN = { username: 'shop@example.com', password: 'correct horse battery staple' }
const RESPONSE = Buffer.from(`\0${LOGIN.username}\0${LOGIN.password}`).toString('base64')

interface LoginRoute {
  readonly domain?: string
  readonly tls?: string
  readonly username?: string
  readonly password?: string
}

function loginRoute(port: number, { domain = '*', tls = 'starttls', ...login }: LoginRoute = {}): string {
  const { username, password } = { ...LOGIN, ...login }
  return `[[route]]
domain = "${domain}"
host = "${SMART}"
port = ${port}
tls = "${tls}"
username = "${username}"
password = "${password}"
`
}

function world(host: HostOptions, more: Partial<RouteWorldOptions> = {}): Promise<RouteWorld> {
  return RouteWorld.start({
    hosts: { [SMART]: { credentials: LOGIN, ...host } },
    routes: (port) => loginRoute(port(SMART)),
    ...more,
  })
}

/** Nothing that the relay sent or told holds the password, in any form. */
function assertNothingShown({ relay }: RouteWorld, host?: ScriptedMx): void {
  const forms = [LOGIN.password, RESPONSE, Buffer.from(LOGIN.password).toString('base64')]
  const sent = host?.connections.flatMap(({ segments }) => segments.map(({ bytes }) => bytes.toString('latin1'))) ?? []
  const told = relay.events.map((event) => JSON.stringify(event))
  for (const form of forms) {
    for (const text of [...sent, ...told, ...relay.lines]) assert.ok(!text.includes(form), text)
  }
}

async function suspended({ relay }: RouteWorld): Promise<void> {
  await relay.until(() => relay.eventsOf('next-hop-failed').length > 0, 'the login was not refused')
}

function authCommands(host: ScriptedMx): readonly string[] {
  return host.connections.flatMap(({ commands }) => commands.filter((line) => line.toUpperCase().startsWith('AUTH')))
}

for (const [tls, access] of [
  ['starttls', {}],
  ['implicit', { implicitTls: true }],
] as const) {
  test(`TLS-22: a smarthost that proves its name gets the login in one line, tls = ${tls}`, async () => {
    covers('TLS-22', { observe: 'smtp' })
    await using smart = await world(access, { routes: (port) => loginRoute(port(SMART), { tls }) })
    await smart.send('bob@example.test')
    const host = smart.host(SMART)
    assert.equal(host.messages.length, 1)
    assert.equal(host.connection.username, LOGIN.username)
    assert.deepEqual(authCommands(host), [`AUTH PLAIN ${RESPONSE}`])
    const before = host.connection.segments.filter(({ inTls }) => !inTls)
    assert.ok(before.every(({ bytes }) => !bytes.includes(RESPONSE)))
    assertNothingShown(smart)
  })

  for (const certificate of ['self-signed', 'wrong-name', 'expired', 'common-name-only'] as const) {
    test(`TLS-22: no AUTH to a smarthost whose certificate is ${certificate}, tls = ${tls}`, async () => {
      covers('TLS-22', { observe: 'smtp' })
      await using smart = await world(
        { ...access, tls: certificate },
        { routes: (port) => loginRoute(port(SMART), { tls }) },
      )
      const [settle] = smart.settles(await smart.send('bob@example.test'))
      assert.deepEqual(authCommands(smart.host(SMART)), [])
      assert.equal(smart.host(SMART).connection.commands.at(-1), 'QUIT')
      assert.equal(settle?.summary.deferred, 1)
      assert.equal(settle?.problem?.status, '4.7.5')
      assertNothingShown(smart, smart.host(SMART))
    })
  }
}

for (const [what, host] of [
  ['STARTTLS is not offered', { tls: 'none', capabilities: ['AUTH PLAIN'] }],
  ['STARTTLS is refused', { capabilities: ['AUTH PLAIN'], script: { STARTTLS: '454 4.7.0 no' } }],
  [
    'the handshake is reset',
    { capabilities: ['AUTH PLAIN'], script: { STARTTLS: { reply: '220 go', handshake: 'reset' } } },
  ],
  ['EHLO is unknown', { script: { EHLO: '502 5.5.1 what' } }],
] as const) {
  test(`TLS-24: no AUTH in clear when ${what}: the message waits`, async () => {
    covers('TLS-24', { observe: 'smtp' })
    await using smart = await world(host)
    const [settle] = smart.settles(await smart.send('bob@example.test'))
    const { connections, messages } = smart.host(SMART)
    assert.ok(connections.length > 0)
    assert.deepEqual([authCommands(smart.host(SMART)), messages], [[], []])
    assert.equal(settle?.summary.deferred, 1)
    assertNothingShown(smart, smart.host(SMART))
  })
}

test('TLS-24: AUTH that was offered before TLS only is not used', async () => {
  covers('TLS-24', { observe: 'smtp' })
  const inTls = ['250-smart.test', '250 AUTH CRAM-MD5']
  await using smart = await world({
    capabilities: ['AUTH PLAIN'],
    script: { EHLO: (step) => (step.inTls ? inTls : undefined) },
  })
  const [settle] = smart.settles(await smart.send('bob@example.test'))
  assert.deepEqual(authCommands(smart.host(SMART)), [])
  assert.equal(settle?.problem?.cause.kind, 'login-failed')
  assert.equal(settle?.problem?.status, '4.7.4')
  const [event] = smart.relay.eventsOf('smarthost-login-failed')
  assert.deepEqual([event?.reason, event?.said], ['not-offered', 'AUTH CRAM-MD5'])
})

describe('a login that is refused', () => {
  test('535 keeps everything for the smarthost waiting, and tells why', async () => {
    const echo = `535 5.7.8 you said ${RESPONSE}`
    await using smart = await world({ script: { AUTH: echo } })
    const id = await smart.submit('bob@example.test')
    await suspended(smart)
    assert.equal(smart.settles(id).length, 0, 'no attempt is charged')
    const port = smart.host(SMART).port
    const lane = `route:shop%40example.com@${SMART}:${port}`
    const [failed] = smart.relay.eventsOf('next-hop-failed')
    assert.deepEqual(
      [failed?.lane, failed?.problem.status, failed?.problem.fault],
      [lane, '4.7.8', 'local-configuration'],
    )
    assert.ok((failed?.backoffUntil ?? 0) > Date.now() + 30_000, 'the lane rests')
    await smart.submit('carol@example.test')
    assert.equal(smart.host(SMART).connections.length, 1)
    assert.equal(smart.relay.eventsOf('dsn-queued').length, 0)

    const lines = smart.relay.lines.map((line) => JSON.parse(line))
    const told = lines.find(({ event }) => event === 'smarthost-login-failed')
    assert.deepEqual(
      { level: told?.level, username: told?.username, reason: told?.reason, said: told?.said },
      { level: 'error', username: LOGIN.username, reason: 'refused', said: '535 5.7.8 [redacted]' },
    )
    assert.match(
      await smart.metrics(),
      new RegExp(`^hermetic_smarthost_login_failures_total\\{lane="${lane}",reason="refused"\\} 1$`, 'm'),
    )
    assertNothingShown(smart)
  })

  for (const [reply, addresses, deferred] of [
    ['535 5.7.8 no', 1, []],
    ['454 4.7.0 later', 2, [1]],
  ] as const) {
    test(`${reply}: ${addresses} of two addresses of the smarthost asked`, async () => {
      await using smart = await RouteWorld.start({
        hosts: { [SMART]: { credentials: LOGIN, script: { AUTH: reply } } },
        routes: (port) => loginRoute(port(SMART)),
        records: { [SMART]: { A: ['127.0.0.1', '127.0.0.2'] } },
        everyAddress: true,
      })
      const id = await smart.submit('bob@example.test')
      await suspended(smart)
      if (deferred.length > 0) await smart.settled(id)
      assert.equal(smart.host(SMART).connections.length, addresses)
      assert.equal(authCommands(smart.host(SMART)).length, addresses)
      assert.deepEqual(
        smart.settles(id).map(({ summary }) => summary.deferred),
        deferred,
        'only a refusal for now is an attempt',
      )
    })
  }

  test('mail flows again once the password is right', async () => {
    await using smart = await world({}, { routes: (port) => loginRoute(port(SMART), { password: 'old' }) })
    await smart.submit('bob@example.test')
    await suspended(smart)
    await smart.restart({ routes: (port) => loginRoute(port(SMART)) })
    await smart.host(SMART).received(1)
    assert.equal(smart.host(SMART).connections.at(-1)?.username, LOGIN.username)
  })
})

test('a smarthost that wants a login which its route has not keeps mail waiting', async () => {
  await using smart = await world(
    {},
    { routes: (port) => `[[route]]\ndomain = "*"\nhost = "${SMART}"\nport = ${port(SMART)}\n` },
  )
  const [settle] = smart.settles(await smart.send('bob@example.test'))
  assert.deepEqual([settle?.summary.deferred, settle?.summary.failed], [1, 0])
  assert.equal(settle?.problem?.status, '4.7.0')
  assert.equal(smart.relay.eventsOf('dsn-queued').length, 0)
})

test('a response that is too long for a command line waits until it is asked for', async () => {
  const long = { ...LOGIN, password: 'x'.repeat(600) }
  await using smart = await world({ credentials: long }, { routes: (port) => loginRoute(port(SMART), long) })
  await smart.send('bob@example.test')
  const { commands, username } = smart.host(SMART).connection
  const at = commands.indexOf('AUTH PLAIN')
  assert.ok(at > 0)
  assert.equal(commands[at + 1], Buffer.from(`\0${long.username}\0${long.password}`).toString('base64'))
  assert.equal(username, LOGIN.username)
  assert.equal(smart.host(SMART).messages.length, 1)
})

for (const verb of ['AUTH', 'MAIL', 'RCPT', 'DOT'] as const) {
  test(`no form of the password stands in what a smarthost says to ${verb}, anywhere`, async () => {
    const password = Buffer.from(LOGIN.password).toString('base64')
    const script = { [verb]: [`550-5.7.1 you said ${RESPONSE}`, `550 5.7.1 and ${LOGIN.password} is ${password}`] }
    await using smart = await world({ script })
    await smart.submit('jane@example.com')
    await smart.relay.until(() => smart.relay.lines.some((line) => line.includes('[redacted]')))
    assertNothingShown(smart)
    assert.ok(smart.relay.lines.some((line) => line.includes('[redacted]')))
  })
}

test('an answer to AUTH that means nothing ends the session, and no mail follows', async () => {
  await using smart = await world({ script: { AUTH: '334 more' } })
  const [settle] = smart.settles(await smart.send('bob@example.test'))
  assert.deepEqual(smart.host(SMART).messages, [])
  assert.equal(settle?.problem?.cause.kind, 'protocol-violation')
  assertNothingShown(smart)
})

test('two logins at one smarthost share no connection', async () => {
  const other = { username: 'other', password: 'another secret' }
  const byName = new Map([LOGIN, other].map((login) => [login.username, login.password]))
  await using smart = await RouteWorld.start({
    hosts: { [SMART]: { credentials: LOGIN, script: { AUTH: ({ line }) => answerFor(line, byName) } } },
    routes: (port) =>
      loginRoute(port(SMART), { domain: 'a.test' }) + loginRoute(port(SMART), { domain: 'b.test', ...other }),
  })
  for (const to of ['x@a.test', 'x@b.test', 'y@a.test', 'y@b.test']) await smart.send(to)
  const { connections, messages } = smart.host(SMART)
  assert.equal(messages.length, 4)
  for (const { recipients, connection } of messages) {
    const expected = recipients[0]?.address.endsWith('@a.test') ? LOGIN.username : other.username
    assert.equal(connections[connection - 1]?.username, expected)
  }
  assert.equal(connections.length, 2, 'each login kept its own')
})

function answerFor(line: string, passwords: ReadonlyMap<string, string>): string {
  const [, username = '', password] = Buffer.from(line.slice('AUTH PLAIN '.length), 'base64').toString().split('\0')
  return passwords.get(username) === password ? '235 2.7.0 ok' : '535 5.7.8 no'
}
