/** `queue reroute`: mail of a relay that cannot deliver it leaves through a smarthost of the operator's choice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'
import { RouteWorld, type RouteWorldOptions } from '../lab/route-world.ts'

const ROUTE = (port: number): string => `
[[route]]
domain = "never.test"
host = "smart.test"
port = ${port}
tls = "opportunistic"
`

const BUSY = { CONNECT: '421 4.3.0 later' }

const HOSTS = {
  hosts: { 'smart.test': { tls: 'none' }, 'mx.example.test': { tls: 'none', script: { RCPT: '450 4.2.0 not now' } } },
  mx: { 'example.test': [[10, 'mx.example.test']] },
  mailExchanger: 'mx.example.test',
  smtpNetworks: ['127.0.0.0/8'],
  routes: (port) => ROUTE(port('smart.test')),
  settings: 'retry_interval = "1h"\nretry_greylisted = ["1h"]',
} as const satisfies RouteWorldOptions

async function order(world: RouteWorld, ...words: readonly string[]): Promise<string> {
  using lab = new TerminalLab()
  const { code, out, err } = await lab.run('queue', ...words, '--config', world.relay.file)
  assert.equal(code, 0, `${out}${err}`)
  return out
}

test('mail moves to the named smarthost at once, counted first; the choice lasts until the order that ends it', async () => {
  await using world = await RouteWorld.start(HOSTS)
  const smart = world.host('smart.test')
  const id = await world.send('a@example.test')
  const filter = ['--domain', 'example.test'] as const
  assert.match(
    await order(world, 'reroute', ...filter, '--to', 'smart.test'),
    /1 would be re-routed\nNothing was changed/,
  )
  assert.equal(smart.messages.length, 0)
  assert.match(await order(world, 'reroute', ...filter, '--to', 'smart.test', '--yes'), /^1 message re-routed\n/)
  await world.relay.until(() => smart.messages.length === 1)
  await world.settled(id, 2)
  assert.equal(world.settles(id).at(-1)?.lane.startsWith('route:smart.test:'), true)

  const held = await world.send('b@example.test')
  await order(world, 'hold', held)
  await order(world, 'reroute', held, '--to', 'smart.test')
  assert.match(await order(world, 'show', held), /b@example\.test: open, by an order through route:smart\.test:\d+/)
  assert.match(await order(world, 'reroute', held, '--default'), /^1 message re-routed/)
  assert.doesNotMatch(await order(world, 'show', held), /by an order/)
})

test('a choice outlives a restart; when its route is gone the mail goes the usual way, and that is told', async () => {
  await using world = await RouteWorld.start(HOSTS)
  const id = await world.send('a@example.test')
  await order(world, 'hold', id)
  await order(world, 'reroute', id, '--to', 'smart.test')
  await world.restart({ routes: () => '' })
  await order(world, 'release', id)
  await world.relay.until(() => world.relay.eventsOf('chosen-route-gone').length > 0)
  const [gone] = world.relay.eventsOf('chosen-route-gone')
  assert.match(`${gone?.route} ${gone?.lane}`, /^route:smart\.test:\d+ mx:example\.test:\d+$/)
  await world.relay.until(() => world.settles(id).some(({ lane }) => lane.startsWith('mx:')))
  assert.equal(world.host('smart.test').messages.length, 0)
})

test('without a name it moves where the routes of today lead, and what is held stays held', async () => {
  const before = (port: (host: string) => number): string => ROUTE(port('smart.test')).replace('never', 'example')
  await using world = await RouteWorld.start({ ...HOSTS, routes: before })
  world.host('smart.test').script = BUSY
  const id = await world.submit('c@example.test')
  await world.relay.until(() => world.relay.eventsOf('next-hop-failed').length > 0)
  await world.settled(id)
  await order(world, 'hold', id)
  assert.match(await order(world, 'reroute', '--all'), /1 would be left alone: nothing to change/)
  await world.restart({ routes: () => '' })
  assert.match(await order(world, 'reroute', '--all'), /1 would be re-routed/)
  assert.match(await order(world, 'reroute', '--all', '--yes'), /^1 message re-routed/)
  assert.match(await order(world, 'show', id), /^Lane mx:example\.test:\d+: held/m)
})
