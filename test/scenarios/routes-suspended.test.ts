/** A login that a smarthost refuses suspends its route: nothing is charged for it, operators see it, and it opens again. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'
import { RouteWorld } from '../lab/route-world.ts'

const SMART = 'smart.test'
const LOGIN = { username: 'shop', password: 'right' }

function routes(port: (host: string) => number, password = 'wrong'): string {
  const host = `host = "${SMART}"\nport = ${port(SMART)}\nusername = "shop"\npassword = "${password}"\n`
  return `[[route]]\ndomain = "a.test"\n${host}[[route]]\ndomain = "b.test"\n${host}`
}

function world(): Promise<RouteWorld> {
  return RouteWorld.start({ hosts: { [SMART]: { credentials: LOGIN } }, routes: (port) => routes(port) })
}

async function suspended(smart: RouteWorld, times = 1): Promise<void> {
  const events = () => smart.relay.eventsOf('route-suspended')
  await smart.relay.until(() => events().length >= times, 'the route was not suspended')
  const released = () => smart.relay.eventsOf('claims-released').length >= times
  await smart.relay.until(released, 'the mail was not given back')
}

async function command(smart: RouteWorld, ...args: readonly string[]) {
  using terminal = new TerminalLab()
  return terminal.run(...args, '--config', smart.relay.file)
}

test('a refused login is shown once for all mail of the route, and no attempt is charged', async () => {
  await using smart = await world()
  const id = await smart.submit('x@a.test')
  await suspended(smart)
  await smart.submit('y@a.test')
  await smart.submit('z@b.test')
  const { connections } = smart.host(SMART)
  assert.equal(connections.length, 1)
  assert.match((await command(smart, 'queue', 'list')).out, / queued +0 +in .* \(login refused\) /)
  const { out } = await command(smart, 'queue', 'show', id, '--json')
  assert.equal(JSON.parse(out).deliveries[0].attempts, 0)
  assert.equal(smart.relay.eventsOf('message-settled').length, 0)
  assert.equal(connections.length, 1)
})

test('a suspended route shows in readiness, status, metrics and the log, and the relay stays ready', async () => {
  await using smart = await world()
  await smart.submit('x@a.test')
  await suspended(smart)
  const route = `route:shop@${SMART}:${smart.host(SMART).port}`
  const said = `${route} is suspended: the login is refused (535 `
  const status = await command(smart, 'status')
  assert.equal(status.code, 0)
  assert.ok(status.out.includes(`note       ${said}`), status.out)
  const ready = await fetch(`http://127.0.0.1:${smart.relay.relay.metricsPort}/readyz`)
  assert.equal(ready.status, 200)
  assert.ok((await ready.text()).includes(said))
  assert.match(await smart.metrics(), /^hermetic_routes_suspended 1$/m)
  const line = smart.relay.lines.map((text) => JSON.parse(text)).find(({ event }) => event === 'route-suspended')
  assert.deepEqual([line?.level, line?.route, line?.refusals], ['error', route, 1])
})

test('a reload with the right password opens the route at once', async () => {
  await using smart = await world()
  const ids = [await smart.submit('x@a.test'), await smart.submit('y@b.test')]
  await suspended(smart)
  const { file } = smart.relay
  await writeFile(file, (await readFile(file, 'utf8')).replaceAll('"wrong"', '"right"'))
  assert.equal((await command(smart, 'reload')).code, 0)
  for (const id of ids) await smart.settled(id)
  assert.equal(smart.host(SMART).messages.length, 2)
  for (const id of ids)
    assert.deepEqual(
      smart.settles(id).map(({ attempt }) => attempt),
      [1],
    )
  assert.match(await smart.metrics(), /^hermetic_routes_suspended 0$/m)
  assert.equal(smart.relay.eventsOf('route-reopened')[0]?.by, 'order')
})

test('an operator who orders an attempt gets one, and one only', async () => {
  await using smart = await world()
  const id = await smart.submit('x@a.test')
  await suspended(smart)
  await smart.submit('y@b.test')
  assert.equal((await command(smart, 'queue', 'retry', id)).code, 0)
  await suspended(smart, 2)
  assert.equal(smart.host(SMART).connections.length, 2)
  assert.deepEqual(
    smart.relay.eventsOf('route-suspended').map(({ refusals }) => refusals),
    [1, 1],
  )
})

test('a login that is refused in the middle of a batch charges nothing to what was not sent', async () => {
  await using smart = await RouteWorld.start({
    hosts: { [SMART]: { credentials: LOGIN, script: { CONNECT: '421 4.3.0 later' } } },
    routes: (port) => routes(port, 'right'),
    settings: 'messages_per_connection = 1',
  })
  const host = smart.host(SMART)
  const ids = [await smart.send('x@a.test'), await smart.submit('y@a.test')]
  let logins = 0
  host.script = {
    AUTH: () => {
      logins += 1
      return logins === 1 ? '235 2.7.0 ok' : '535 5.7.8 locked'
    },
  }
  await command(smart, 'queue', 'retry', ...ids)
  await suspended(smart)
  assert.equal(host.messages.length, 1)
  const { out } = await command(smart, 'queue', 'show', ...ids, '--json')
  const waiting: { id: string; deliveries: { state: string; attempts: number }[] }[] = out
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
  const open = waiting.flatMap(({ id, deliveries }) =>
    deliveries.flatMap(({ state, attempts }) => (state === 'settled' ? [] : [[id, attempts]])),
  )
  // Only the first was tried before, when the smarthost was busy.
  assert.deepEqual(open, open[0]?.[0] === ids[0] ? [[ids[0], 1]] : [[ids[1], 0]])
})
