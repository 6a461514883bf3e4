import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { newQueueId, type QueueId } from '../queue-id.ts'
import { claimAll, delivered, LEASE_MS, lane, message, NOON, SpoolWorld, settlement } from '../spool.fixture.ts'
import type { StoredSpool } from '../stored-spool.ts'
import { openSqliteSpool } from './sqlite-spool.ts'

/** A spool in which these messages were in flight at so many deaths of the relay. */
async function afterDeaths(t: test.TestContext, deaths: readonly number[], setAsideAfterDeaths?: number) {
  let spool: StoredSpool | undefined
  const world = new SpoolWorld(t, async ({ dataDir, maxBytes, clock, events }) => {
    const opened = await openSqliteSpool({
      dataDir,
      maxBytes,
      now: () => clock.now,
      emit: ({ event }) => events.push(event),
      ...(setAsideAfterDeaths === undefined ? {} : { setAsideAfterDeaths }),
    })
    assert.ok(opened.ok)
    spool = opened.value
    return spool
  })
  const first = await world.open()
  const ids: QueueId[] = []
  for (const _ of deaths) {
    const sent = message()
    ids.push(sent.id)
    await first.accept(sent)
  }
  await first.close()
  const lines = ids.map((id, n) => `!${id} ${(deaths[n] ?? 1) - 1}\n+${id}\n`)
  writeFileSync(join(world.place.dataDir, 'claims.journal'), [...lines, `+${newQueueId()}\n`].join(''))
  await world.open()
  assert.ok(spool !== undefined)
  return { world, ids, spool }
}

test('after a death the messages that were in flight are named, those that are gone are not', async (t) => {
  const { world, ids, spool } = await afterDeaths(t, [1, 3])
  assert.deepEqual(spool.suspects.list(), [
    { id: ids[0], deaths: 1 },
    { id: ids[1], deaths: 3 },
  ])
  assert.ok(world.place.events.includes('spool-suspects-found'))
})

test('a death alone quarantines nothing: suspects are given out as usual', async (t) => {
  const { ids, spool } = await afterDeaths(t, [1, 3])
  assert.deepEqual(new Set((await claimAll(spool)).map(({ id }) => id)), new Set(ids))
  assert.equal((await spool.admin.summary()).quarantined, 0)
})

test('after a clean stop nobody is suspect', async (t) => {
  const { world, spool } = await afterDeaths(t, [1])
  await claimAll(spool)
  const again = (await world.open()) as StoredSpool
  assert.deepEqual(again.suspects.list(), [])
})

test('suspects with enough deaths are claimed by name only, until they are cleared', async (t) => {
  const { ids, spool } = await afterDeaths(t, [2, 1], 2)
  const [suspect, other] = ids
  assert.ok(suspect && other)
  assert.deepEqual(
    (await claimAll(spool)).map(({ id }) => id),
    [other],
  )
  const [claim] = await spool.suspects.claim(suspect, { leaseMs: LEASE_MS })
  assert.equal(claim?.id, suspect)
  await spool.release(claim === undefined ? [] : [claim.token])
  assert.deepEqual(await claimAll(spool), [])
  assert.deepEqual(await spool.dueLanes({ before: NOON, limit: 1 }), [])
  await spool.suspects.clear(suspect)
  assert.deepEqual(await spool.dueLanes({ before: NOON, limit: 1 }), [{ lane: lane(), dueAt: NOON }])
  assert.deepEqual(
    (await claimAll(spool)).map(({ id }) => id),
    [suspect],
  )
  assert.deepEqual(
    spool.suspects.list().map(({ id }) => id),
    [other],
  )
})

test('a suspect that is delivered alone leaves the spool and the list', async (t) => {
  const { ids, spool } = await afterDeaths(t, [2], 2)
  const [claim] = await spool.suspects.claim(ids[0] as QueueId, { leaseMs: LEASE_MS })
  assert.ok(claim !== undefined)
  await spool.settle(claim.token, settlement('a', [delivered()]))
  assert.deepEqual(spool.suspects.list(), [])
  assert.equal((await spool.admin.summary()).messages, 0)
})

test('a quarantined suspect waits for an operator, although the dead child had claimed it', async (t) => {
  const { world, ids, spool } = await afterDeaths(t, [2], 2)
  const [id] = ids
  assert.ok(id !== undefined)
  const [claim] = await spool.suspects.claim(id, { leaseMs: LEASE_MS })
  await spool.suspects.quarantine(id, 'the attempt ended its own process')
  assert.ok(world.place.events.includes('spool-message-quarantined'))
  const delivery = (await spool.admin.show(id))?.deliveries[0]
  assert.deepEqual([delivery?.state, delivery?.stateReason], ['quarantined', 'the attempt ended its own process'])
  // Whatever the child sent before it died counts still.
  assert.ok(claim !== undefined)
  assert.deepEqual((await spool.settle(claim.token, settlement('late', []))).kind, 'merged')
  await spool.admin.change([id], { kind: 'release' })
  assert.deepEqual(
    (await claimAll(spool)).map((one) => one.id),
    [id],
  )
})
