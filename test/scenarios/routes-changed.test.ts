/** A queue outlives its configuration: mail goes where it is routed now, and none waits for a route that is gone. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { retrySuspects } from '../../packages/mta/src/delivery/suspect-retry.ts'
import { RelayWorld } from '../lab/relay-world.ts'
import { RouteWorld } from '../lab/route-world.ts'
import { routesOf } from '../lab/routes-of.ts'

const OLD = 'old.test'
const NEW = 'new.test'
const MX = 'mx.example.test'

function route(
  port: number,
  { domain = '*', host, username }: { domain?: string; host: string; username?: string },
): string {
  const login = username === undefined ? '' : `username = "${username}"\npassword = "secret"\n`
  return `[[route]]\ndomain = "${domain}"\nhost = "${host}"\nport = ${port}\n${login}`
}

const login = (username: string) => ({ credentials: { username, password: 'secret' } })
const BUSY = { script: { CONNECT: '421 4.3.0 later' } }

for (const [what, host, before, after] of [
  [
    'of another smarthost',
    NEW,
    (port: (host: string) => number) => route(port(OLD), { host: OLD }),
    (port: (host: string) => number) => route(port(NEW), { host: NEW, username: 'shop' }),
  ],
  [
    'with another user name at the same smarthost',
    NEW,
    (port: (host: string) => number) => route(port(NEW), { host: NEW, username: 'gone' }),
    (port: (host: string) => number) => route(port(NEW), { host: NEW, username: 'shop' }),
  ],
  [
    'that is no more, to its mail exchangers',
    MX,
    (port: (host: string) => number) => route(port(OLD), { host: OLD }),
    () => '',
  ],
  [
    'that there was not when it came',
    NEW,
    () => '',
    (port: (host: string) => number) => route(port(NEW), { host: NEW, username: 'shop' }),
  ],
] as const) {
  test(`mail that waited goes the way of a route ${what}`, async () => {
    await using world = await RouteWorld.start({
      hosts: { [OLD]: BUSY, [NEW]: login('shop'), [MX]: {} },
      mx: { 'example.test': [[10, MX]] },
      mailExchanger: MX,
      routes: before,
    })
    if (before.length === 0) world.host(MX).script = BUSY.script
    const id = await world.submit('bob@example.test')
    await world.relay.until(() => world.relay.eventsOf('next-hop-failed').length === 1)
    // A refused login is no attempt.
    const loginRefused = what.includes('user name')
    if (!loginRefused) await world.settled(id)
    world.host(MX).script = {}
    await world.restart({ routes: after })
    await world.settled(id, 2)
    assert.equal(world.host(host).messages.length, 1)
    const [moved, delivered] = world.settles(id)
    assert.equal(moved?.summary.deferred, 1)
    assert.notEqual(moved?.lane, delivered?.lane)
    assert.equal(moved?.problem?.cause.kind, loginRefused ? 'route-changed' : 'reply', 'what is known')
    assert.equal(delivered?.summary.delivered, 1)
  })
}

test('a connection that logged in with the password of before a reload carries no more mail', async () => {
  await using world = await RouteWorld.start({
    hosts: { [NEW]: login('shop') },
    routes: (port) => route(port(NEW), { host: NEW, username: 'shop' }),
  })
  const { connections, messages } = world.host(NEW)
  for (const to of ['a@example.test', 'b@example.test']) await world.send(to)
  assert.deepEqual([connections.length, messages.length], [1, 2])
  const text = await readFile(world.relay.file, 'utf8')
  await writeFile(world.relay.file, text.replace('"secret"', '"another"'))
  assert.equal((await world.relay.relay.reload('SIGHUP')).kind, 'reloaded')
  await world.submit('c@example.test')
  await world.relay.until(() => world.relay.eventsOf('route-suspended').length > 0)
  assert.deepEqual([connections.length, messages.length], [2, 2])
})

test('of the recipients of one message only those move whose route has changed', async () => {
  await using world = await RouteWorld.start({
    hosts: { [OLD]: BUSY, [NEW]: {} },
    routes: (port) => route(port(OLD), { host: OLD }),
  })
  const id = await world.submit('x@a.test', 'x@b.test')
  await world.settled(id)
  world.host(OLD).script = {}
  await world.restart({
    routes: (port) => route(port(OLD), { host: OLD }) + route(port(NEW), { host: NEW, domain: 'b.test' }),
  })
  await world.settled(id, 2)
  const recipients = (name: string) => world.host(name).messages[0]?.recipients.map(({ address }) => address)
  assert.deepEqual([recipients(OLD), recipients(NEW)], [['x@a.test'], ['x@b.test']])
})

test('a suspect takes its route in a child process too, with the login of that route', async () => {
  const { username, password } = login('shop').credentials
  await using world = await RelayWorld.start({
    hosts: { [NEW]: login('shop') },
    guardLoopback: true,
    routes: (port) => routesOf([{ domain: '*', host: NEW, port, username, password }]),
    crashedWith: [{ to: ['bob@example.test'] }],
  })
  const { spool, deliveryOptions: delivery } = world
  const { signal } = new AbortController()
  await retrySuspects({ suspects: spool.suspects, spool, delivery, setAsideAfterDeaths: 1, signal })
  assert.equal(world.mx(NEW).messages.length, 1)
  assert.equal(world.mx(NEW).connection.username, 'shop')
})
