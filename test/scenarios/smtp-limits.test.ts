/** RFC 9422: what a host says of its limits is kept before it has to refuse. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RelayWorld } from '../lab/relay-world.ts'
import { routesOf } from '../lab/routes-of.ts'
import { DEFAULT_CAPABILITIES } from '../lab/scripted-mx.ts'

const MX = { 'example.test': [[10, 'mx.example.test']] } as const
const limits = (text: string) => ({ 'mx.example.test': { capabilities: [...DEFAULT_CAPABILITIES, `LIMITS ${text}`] } })
const many = (count: number) => Array.from({ length: count }, (_, index) => `r${index}@example.test`)

test('RCPTMAX: twenty-five recipients are three transactions, and none of them is refused', async () => {
  await using world = await RelayWorld.start({ hosts: limits('RCPTMAX=10'), mx: MX })
  const id = await world.submit({ to: many(25) })
  await world.settled(id)
  const mx = world.mx('mx.example.test')
  assert.deepEqual(
    mx.messages.map(({ recipients }) => recipients.length),
    [10, 10, 5],
  )
  assert.equal(mx.connections.length, 1)
})

test('RCPTMAX: recipients that are refused for now do not keep the others from being asked', async () => {
  const host = limits('RCPTMAX=2')['mx.example.test']
  await using world = await RelayWorld.start({
    hosts: {
      'mx.example.test': {
        ...host,
        script: { RCPT: ({ recipient }) => (recipient?.startsWith('r4') ? undefined : '450 4.2.1 later') },
      },
    },
    mx: MX,
  })
  const id = await world.submit({ to: many(5) })
  await world.settled(id)
  const { connection, messages } = world.mx('mx.example.test')
  assert.deepEqual(
    connection.commands.filter((line) => line.startsWith('RCPT')).map((line) => line.slice(9, 11)),
    ['r0', 'r1', 'r2', 'r3', 'r4'],
  )
  assert.equal(messages.length, 1)
})

test('MAILMAX: a connection carries no more transactions than the host takes', async () => {
  await using world = await RelayWorld.start({ hosts: limits('MAILMAX=2'), mx: MX, permitsPerSite: 1 })
  const ids = await Promise.all(many(5).map((to) => world.submit({ to: [to], quiet: true })))
  world.scheduler.wake(world.lane('example.test'))
  for (const id of ids) await world.settled(id)
  await world.settled(await world.submit({ to: ['late@example.test'] }))
  const { connections } = world.mx('mx.example.test')
  for (const { commands } of connections) {
    assert.ok(commands.filter((line) => line.startsWith('MAIL')).length <= 2, commands.join('\n'))
  }
  assert.equal(connections.length, 3)
})

test('RCPTDOMAINMAX: a smarthost gets the domains one after the other', async () => {
  await using world = await RelayWorld.start({
    hosts: limits('RCPTDOMAINMAX=1'),
    routes: (port) => routesOf([{ domain: '*', host: 'mx.example.test', port, tls: 'opportunistic' }]),
  })
  const id = await world.submit({ to: ['a@one.test', 'b@two.test', 'c@one.test'] })
  await world.settled(id)
  assert.deepEqual(
    world.mx('mx.example.test').messages.map(({ recipients }) => recipients.map(({ address }) => address)),
    [['a@one.test', 'c@one.test'], ['b@two.test']],
  )
})
