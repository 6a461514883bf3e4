/** One connection carries many messages, one behind the other. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RelayWorld } from '../lab/relay-world.ts'

const ONE = { hosts: { 'mx.example.test': {} }, mx: { 'example.test': [[10, 'mx.example.test']] } } as const

test('a hundred messages of one lane use few connections and one lookup', async () => {
  await using world = await RelayWorld.start({ ...ONE, slots: 1 })
  const ids = await Promise.all(
    Array.from({ length: 100 }, () => world.submit({ to: ['bob@example.test'], quiet: true })),
  )
  world.scheduler.wake(world.lane('example.test'))
  for (const id of ids) await world.settled(id)
  assert.equal(world.mx('mx.example.test').connections.length, 1)
  assert.equal(world.dns.queries.filter(({ type }) => type === 'MX').length, 1)
  assert.ok(world.eventsOf('attempt-finished').every(({ recipients }) => recipients.delivered === 1))
})

test('the next MAIL leaves before the reply to the final dot has come', async () => {
  await using world = await RelayWorld.start({
    ...ONE,
    slots: 1,
    hosts: { 'mx.example.test': { script: { DOT: { reply: '250 2.0.0 ok', delayMs: 30 } } } },
  })
  await Promise.all(Array.from({ length: 5 }, () => world.submit({ to: ['bob@example.test'], quiet: true })))
  world.scheduler.wake(world.lane('example.test'))
  await world.until(() => world.eventsOf('message-settled').length === 5)
  const { segments } = world.mx('mx.example.test').connection
  const ahead = segments.filter(
    ({ direction, bytes }) => direction === 'in' && /\r\n\.\r\nMAIL FROM/.test(bytes.toString('latin1')),
  )
  assert.ok(ahead.length > 0, 'no MAIL travelled with a final dot')
})

test('an idle connection waits for the next message of its lane', async () => {
  await using world = await RelayWorld.start(ONE)
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.equal(world.mx('mx.example.test').connections.length, 1)
  assert.equal(world.eventsOf('attempt-finished')[1]?.reused, 1)
})

test('an idle connection that the peer has closed is replaced without harm', async () => {
  await using world = await RelayWorld.start(ONE)
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  world.mx('mx.example.test').say('421 4.4.2 idle too long')
  await world.settled(await world.submit({ to: ['bob@example.test'] }))
  assert.equal(world.mx('mx.example.test').messages.length, 2)
})

test('a site never sees more connections than its permits allow', async () => {
  let open = 0
  let most = 0
  await using world = await RelayWorld.start({
    hosts: {
      'mx.example.test': {
        script: {
          MAIL: async () => {
            open += 1
            most = Math.max(most, open)
            await new Promise((resolve) => setTimeout(resolve, 20))
            open -= 1
            return undefined
          },
        },
      },
    },
    mx: Object.fromEntries(Array.from({ length: 6 }, (_, n) => [`d${n}.test`, [[10, 'mx.example.test'] as const]])),
    permitsPerSite: 2,
    slots: 16,
  })
  const ids = await Promise.all(Array.from({ length: 12 }, (_, n) => world.submit({ to: [`bob@d${n % 6}.test`] })))
  for (const id of ids) await world.settled(id)
  assert.ok(most <= 2, `${most} at once`)
})
