/** RFC 8305 and RFC 5321 §4.5.4.1: which address of a host is dialled, and who has to wait for one that is silent. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_TIMEOUTS } from '../../packages/mta/src/smtp/timeouts.ts'
import { covers } from '../conformance/covers.ts'
import { BlackHole } from '../lab/black-hole.ts'
import { RelayWorld } from '../lab/relay-world.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'

const OVER_BOTH = { 'example.test': [[10, 'both.example.test']] } as const
const PATIENT = { ...DEFAULT_TIMEOUTS, quitMs: 500 }

/** A host with addresses of both families; the world's own MX is the one over IPv4. */
function both(world: RelayWorld, name: string): void {
  world.serve({
    'both.example.test': { A: [world.mx(name).address], AAAA: ['::1'] },
    'example.test': { MX: [[10, 'both.example.test']] },
  })
}

test('SMTP-41: a host whose IPv6 address swallows connections has its mail after a moment, not after a timeout', async () => {
  covers('SMTP-41', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': {} },
    mx: OVER_BOTH,
    delivery: { timeouts: PATIENT },
  })
  both(world, 'mx.example.test')
  await using _ = await BlackHole.open('::1', world.port)
  const startedAt = performance.now()
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.ok(performance.now() - startedAt < 5_000, 'the timeout of a connection is 30 seconds')
  assert.equal(world.mx('mx.example.test').messages.length, 1)
  assert.deepEqual(world.eventsOf('session-failed'), [], 'an address that was given up has not failed')
})

test('SMTP-55: one silence of a host costs the mail of other domains nothing', async () => {
  covers('SMTP-55', { observe: 'smtp' })
  const list = [
    [10, 'dead.example.test'],
    [20, 'mx.example.test'],
  ] as const
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': {} },
    deadHosts: ['dead.example.test'],
    mx: { 'one.test': list, 'two.test': list },
  })
  await world.settled(await world.submit({ to: ['bob@one.test'] }))
  await world.settled(await world.submit({ to: ['bob@two.test'] }))
  assert.equal(world.mx('mx.example.test').messages.length, 2)
  assert.deepEqual(
    world.eventsOf('session-failed').map(({ nextHop }) => nextHop),
    ['one.test'],
  )
  const [passed] = world.eventsOf('host-passed-by')
  assert.equal(passed?.nextHop, 'two.test')
  assert.equal(passed?.remote.mxHostname, 'dead.example.test')
  assert.deepEqual(passed?.problem.cause, { kind: 'connect-failed', code: 'ECONNREFUSED' })
})

test('SMTP-55: a host that takes connections and never greets is passed by too', async () => {
  covers('SMTP-55', { observe: 'smtp' })
  const list = [
    [10, 'pit.example.test'],
    [20, 'mx.example.test'],
  ] as const
  await using world = await RelayWorld.start({
    hosts: { 'pit.example.test': { script: { CONNECT: { silent: true } } }, 'mx.example.test': {} },
    mx: { 'one.test': list, 'two.test': list },
    delivery: { timeouts: { ...PATIENT, greetingMs: 200 } },
  })
  await world.settled(await world.submit({ to: ['bob@one.test'] }))
  await world.settled(await world.submit({ to: ['bob@two.test'] }))
  assert.equal(world.mx('pit.example.test').connections.length, 1)
  assert.equal(world.mx('mx.example.test').messages.length, 2)
})

test('what is remembered of a host delays mail and never returns it', async () => {
  await using world = await RelayWorld.start({
    deadHosts: ['dead.example.test'],
    mx: { 'one.test': [[10, 'dead.example.test']], 'two.test': [[10, 'dead.example.test']] },
  })
  await world.settled(await world.submit({ to: ['bob@one.test'] }))
  const id = await world.submit({ to: ['bob@two.test'], expiresAt: Date.now() + 400 })
  await world.settled(id, 1)
  const { lastOutcome } = await world.recipient(id, 'bob@two.test')
  assert.equal(lastOutcome?.kind === 'deferred' && lastOutcome.problem.remembered, true)
  assert.equal(world.eventsOf('session-failed').length, 1)
  // The lane rests; an order, or the passing of time, brings the last attempt, and that one is a real one.
  await new Promise((resolve) => setTimeout(resolve, 450))
  world.scheduler.wake(world.lane('two.test'), undefined, 'operator')
  await world.settled(id, 2)
  assert.equal(world.eventsOf('session-failed').at(-1)?.nextHop, 'two.test')
  assert.equal(world.failure(id)?.remembered, undefined)
})

test('a host that answers again is dialled by everybody', async () => {
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': { script: { CONNECT: { silent: true } } } },
    mx: { 'one.test': [[10, 'mx.example.test']], 'two.test': [[10, 'mx.example.test']] },
    delivery: { timeouts: { ...PATIENT, greetingMs: 100 }, deadHostMs: 50 },
  })
  await world.settled(await world.submit({ to: ['bob@one.test'] }))
  world.mx('mx.example.test').script = {}
  await new Promise((resolve) => setTimeout(resolve, 60))
  await world.settled(await world.submit({ to: ['bob@two.test'] }))
  assert.equal(world.mx('mx.example.test').messages.length, 1)
})

test('a further attempt begins with the other family', async () => {
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': {} },
    mx: OVER_BOTH,
  })
  both(world, 'mx.example.test')
  await using six = await ScriptedMx.start({
    address: '::1',
    port: world.port,
    script: { RCPT: '451 4.7.1 your address has no name in DNS' },
  })
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.settled(id)
  assert.equal(six.connections.length, 1)
  assert.equal(world.mx('mx.example.test').connections.length, 0)
  await world.spool.admin.change([id], { kind: 'retry' })
  world.scheduler.wake(world.lane('example.test'), undefined, 'operator')
  await world.settled(id, 2)
  assert.equal(world.mx('mx.example.test').messages.length, 1)
  assert.equal(six.connections.length, 1)
})
