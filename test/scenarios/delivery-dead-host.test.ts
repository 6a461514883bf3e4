/** SMTP-55: a next hop that cannot be reached costs few connections, however many messages wait for it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FIRST_BATCH } from '../../packages/mta/src/delivery/batch-size.ts'
import { covers } from '../conformance/covers.ts'
import { RelayWorld } from '../lab/relay-world.ts'

test('SMTP-55: two hundred messages for a host that slams the door are two connections, and the lane rests', async () => {
  covers('SMTP-55', { observe: 'smtp' })
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': { script: { CONNECT: { silent: true, after: 'reset' } } }, 'mx.other.test': {} },
    mx: { 'example.test': [[10, 'mx.example.test']], 'other.test': [[10, 'mx.other.test']] },
  })
  const ids = await Promise.all(
    Array.from({ length: 200 }, () => world.submit({ to: ['bob@example.test'], quiet: true })),
  )
  world.scheduler.wake(world.lane('example.test'))
  await world.until(() => world.eventsOf('next-hop-failed').length > 0)
  for (const id of ids) world.scheduler.wake(world.lane('example.test'), id === ids[0] ? Date.now() : undefined)
  await world.settled(await world.submit({ to: ['bob@other.test'] }))
  const { connections } = world.mx('mx.example.test')
  assert.ok(connections.length <= 2, `${connections.length} connections`)
  const [failed] = world.eventsOf('next-hop-failed')
  assert.equal(failed?.messages, FIRST_BATCH)
  assert.ok((failed?.backoffUntil ?? 0) >= Date.now() + 30_000)
})

test('a lane that backs off is tried again when an operator orders it', async () => {
  await using world = await RelayWorld.start({
    hosts: { 'mx.example.test': { script: { CONNECT: { silent: true, after: 'reset' } } } },
    mx: { 'example.test': [[10, 'mx.example.test']] },
  })
  const id = await world.submit({ to: ['bob@example.test'] })
  await world.settled(id)
  world.mx('mx.example.test').script = {}
  await world.spool.admin.change([id], { kind: 'retry' })
  world.scheduler.wake(world.lane('example.test'), undefined, 'operator')
  await world.settled(id, 2)
  assert.equal(world.mx('mx.example.test').messages.length, 1)
})
