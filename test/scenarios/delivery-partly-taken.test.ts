/**
 * RFC 5321 §4.1.1.4: a host that has said 250 has the mail. What it has for some recipients is durable while the next
 * host is still asked for the others, so that a crash in between sends nothing twice.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RelayWorld } from '../lab/relay-world.ts'

test('what the first host took is written while the second one still thinks about the rest', async () => {
  const { promise: thought, resolve: answer } = Promise.withResolvers<undefined>()
  const refuses = { RCPT: ({ recipient = '' }) => (recipient.startsWith('b@') ? '450 4.2.0 later' : undefined) }
  await using world = await RelayWorld.start({
    hosts: {
      'mx1.example.test': { script: refuses },
      'mx2.example.test': { script: { RCPT: () => thought } },
    },
    mx: {
      'example.test': [
        [10, 'mx1.example.test'],
        [20, 'mx2.example.test'],
      ],
    },
  })
  const id = await world.submit({ to: ['a@example.test', 'b@example.test'] })
  await world.until(() => world.mx('mx2.example.test').connections.some(({ commands }) => commands.length > 2))
  const states = async () =>
    (await world.show(id)).deliveries.flatMap(({ state, attempts, recipients }) => [
      ...[state, attempts],
      ...recipients.map((recipient) => recipient.state),
    ])
  assert.deepEqual(await states(), ['in-delivery', 0, 'delivered', 'open'])
  answer(undefined)
  await world.settled(id)
  assert.equal(await world.spool.admin.show(id), undefined)
  assert.deepEqual(world.eventsOf('message-settled')[0]?.summary, {
    delivered: 2,
    deferred: 0,
    failed: 0,
    ambiguous: 0,
  })
  assert.equal(world.mx('mx1.example.test').messages.length, 1)
  assert.equal(world.mx('mx2.example.test').messages.length, 1)
})
