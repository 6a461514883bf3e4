/** SMTP-02: a refusal in the greeting is final only when every host of the domain has said so. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../conformance/covers.ts'
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

test('SMTP-43: a list that is longer than we read delays mail, although no host that was read has an address', async () => {
  covers('SMTP-43', { observe: 'smtp' })
  const nowhere = Array.from({ length: 32 }, (_, index) => [10, `mx${index}.nowhere.test`] as const)
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': {} },
    mx: { 'example.test': [...nowhere, [20, 'mx.example.test']], 'nowhere.test': nowhere },
  })
  const cut = await world.submit({ to: ['bob@example.test'] })
  await world.settled(cut)
  assert.equal(world.failure(cut), undefined)
  const { lastOutcome } = await world.recipient(cut, 'bob@example.test')
  assert.deepEqual(lastOutcome?.kind === 'deferred' && lastOutcome.problem.cause, { kind: 'hosts-left' })
  const whole = await world.submit({ to: ['bob@nowhere.test'] })
  await world.settled(whole)
  assert.equal(world.failure(whole)?.status, '5.4.4', 'a list that was read to its end is believed')
})
