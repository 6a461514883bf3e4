/** Rules that hold mail, and mail found by its age: from the command line to the next hop, on either engine. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'
import { RouteWorld, type RouteWorldOptions } from '../lab/route-world.ts'

const MX = 'mx.example.test'
const OPTIONS = {
  hosts: { [MX]: { tls: 'none' } },
  mx: { 'example.test': [[10, MX]], 'other.test': [[10, MX]] },
  mailExchanger: MX,
  smtpNetworks: ['127.0.0.0/8'],
  routes: () => '',
  settings: 'retry_interval = "1h"\nretry_greylisted = ["1h"]',
} as const satisfies RouteWorldOptions

async function hermetic(world: RouteWorld, ...words: readonly string[]): Promise<string> {
  using lab = new TerminalLab()
  const { code, out, err } = await lab.run(...words, '--config', world.relay.file)
  assert.equal(code, 0, `${out}${err}`)
  return out
}

test('a rule holds what it means and nothing else, over a restart, until it is removed', async () => {
  await using world = await RouteWorld.start(OPTIONS)
  const added = await hermetic(world, 'hold', 'add', '--domain', 'example.test', '--reason', 'their server eats mail')
  const [, rule = ''] = /^Rule ([0-9a-f]{8}) holds mail .*: their server eats mail\n$/.exec(added) ?? []
  assert.match(await hermetic(world, 'hold', 'list'), new RegExp(`^${rule} .*their server eats mail$`, 'm'))
  const held = await world.submit('a@example.test')
  await world.send('b@other.test')
  const { messages } = world.host(MX)
  assert.equal(messages.length, 1)
  assert.match(await hermetic(world, 'queue', 'show', held), new RegExp(`waits because rule ${rule} holds it`))
  await world.restart({})
  await world.send('c@other.test')
  assert.equal(messages.length, 2)
  assert.match(await hermetic(world, 'queue', 'list', '--rule', rule), /a@example\.test/)
  assert.match(await hermetic(world, 'hold', 'remove', rule), /1 would be released\nNothing was changed/)
  assert.match(await hermetic(world, 'hold', 'remove', rule, '--yes'), /^1 message released/)
  await world.relay.until(() => messages.length === 3)
  assert.match(await hermetic(world, 'hold', 'list'), /No rule holds mail|over: releasing/)
})

test('the sender of mail whose route is suspended is told of the delay', async () => {
  const route = (port: number): string =>
    `[[route]]\nhost = "smart.test"\nport = ${port}\nusername = "shop"\npassword = "wrong"\n`
  await using world = await RouteWorld.start({
    hosts: { 'smart.test': { credentials: { username: 'shop', password: 'right' } } },
    routes: (port) => route(port('smart.test')),
  })
  const id = await world.submit('a@example.test')
  const acceptedAt = Date.now()
  await world.relay.until(() => world.relay.eventsOf('route-suspended').length > 0)
  assert.equal(world.relay.eventsOf('dsn-queued').length, 0)
  await world.relay.until(() => Date.now() > acceptedAt + 1_000)
  await world.restart({ settings: 'delay_notice = "1s"' })
  await world.relay.until(() => world.relay.eventsOf('dsn-queued').some(({ action }) => action === 'delayed'))
  // By its age, or by the one login that a started relay tries: whichever comes first tells it.
  assert.match(await hermetic(world, 'queue', 'show', id), /: (queued|in-delivery), (0 tries|1 try)/)
})
