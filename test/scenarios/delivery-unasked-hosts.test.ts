/** SMTP-02: a refusal in the greeting is final only when every host of the domain has said so. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RelayWorld } from '../lab/relay-world.ts'

test('mail waits when hosts beyond the limit of one attempt were not asked', async () => {
  await using world = await RelayWorld.start({
    hosts: { 'mx1.example.test': { script: { CONNECT: '554 5.3.2 no mail here' } }, 'mx2.example.test': {} },
    mx: {
      'example.test': [
        [10, 'mx1.example.test'],
        [20, 'mx2.example.test'],
      ],
    },
    delivery: { connectionsPerAttemptMax: 1 },
  })
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.settled(id)
  assert.equal(world.failure(id), undefined)
  assert.equal((await world.recipient(id, 'bob@example.test')).state, 'open')
})
