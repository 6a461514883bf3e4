/** Architecture §3: addresses of this machine that mail leaves from, each with a name of its own. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { RelayWorld } from '../lab/relay-world.ts'
import { routesOf } from '../lab/routes-of.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { addressBlock } from '../lab/world-host.ts'

const ONE_EACH = { idleMs: 0, ageMs: 0, transactions: 1 }
const MX = { 'example.test': [[10, 'mx.example.test']] } as const
const next = addressBlock()
const source = (hostname: string) => ({ address: next(), hostname })

test('SMTP-05: the addresses of a pool take turns, and each says its own name', async () => {
  covers('SMTP-05', { observe: 'smtp' })
  const addresses = [source('out1.lab.test'), source('out2.lab.test')]
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': {} },
    mx: MX,
    delivery: { sources: [{ name: 'default', addresses }], reuse: ONE_EACH },
  })
  assert.match(world.lane('example.test'), /^mx:example\.test:\d+\/default$/)
  for (let mail = 0; mail < 4; mail += 1) await world.settled(await world.submit({ to: ['bob@example.test'] }))
  const { connections, messages } = world.mx('mx.example.test')
  assert.equal(messages.length, 4)
  assert.deepEqual(
    connections.map(({ clientAddress, commands }) => [clientAddress, commands[0], commands[2]]),
    [...addresses, ...addresses].map(({ address, hostname }) => [address, `EHLO ${hostname}`, `EHLO ${hostname}`]),
  )
})

test('a pool of one family dials hosts over that family only', async () => {
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': {} },
    mx: MX,
    delivery: { sources: [{ name: 'default', addresses: [source('out1.lab.test')] }] },
  })
  world.serve({
    'both.example.test': { A: [world.mx('mx.example.test').address], AAAA: ['::1'] },
    'example.test': { MX: [[10, 'both.example.test']] },
  })
  await using six = await ScriptedMx.start({ address: '::1', port: world.port })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.equal(world.mx('mx.example.test').messages.length, 1)
  assert.equal(six.connections.length, 0)
})

test('a pool without any address for a host delays its mail, and says that it is our doing', async () => {
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': {} },
    mx: MX,
    delivery: { sources: [{ name: 'default', addresses: [{ address: '::1', hostname: 'out6.lab.test' }] }] },
  })
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.settled(id)
  const { lastOutcome } = await world.recipient(id, 'bob@example.test')
  assert(lastOutcome?.kind === 'deferred')
  assert.deepEqual(lastOutcome.problem.cause, { kind: 'connect-failed', code: 'EADDRNOTAVAIL' })
  assert.equal(lastOutcome.problem.fault, 'local-configuration')
})

test('an address that is not on this machine any more is left out, and mail leaves from the others', async () => {
  const gone = { address: '192.0.2.77', hostname: 'gone.lab.test' }
  const here = source('out1.lab.test')
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': {} },
    mx: MX,
    delivery: { sources: [{ name: 'default', addresses: [gone, here] }], reuse: ONE_EACH },
  })
  for (let mail = 0; mail < 3; mail += 1) await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.deepEqual(
    world.mx('mx.example.test').connections.map(({ clientAddress }) => clientAddress),
    Array(3).fill(here.address),
  )
  assert.deepEqual(
    world.eventsOf('source-address-missing').map(({ address }) => address),
    [gone.address],
  )
  assert.deepEqual(world.eventsOf('session-failed'), [])
})

test('a route leaves from its own pool, and shares no connection with mail of another', async () => {
  const [usual, bulk] = [source('out1.lab.test'), source('bulk1.lab.test')]
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': {} },
    mx: { 'example.test': [[10, 'mx.example.test']], 'news.test': [[10, 'mx.example.test']] },
    routes: (port) =>
      routesOf([{ domain: 'news.test', host: 'mx.example.test', port, tls: 'opportunistic', pool: 'bulk' }]),
    delivery: {
      sources: [
        { name: 'default', addresses: [usual] },
        { name: 'bulk', addresses: [bulk] },
      ],
    },
  })
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  await world.settled(await world.submit({ to: ['bob@news.test'] }))
  assert.deepEqual(
    world.mx('mx.example.test').connections.map(({ clientAddress }) => clientAddress),
    [usual.address, bulk.address],
  )
})
