/** The contract of what operators see and order: true, paged, and never in the way of a delivery. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newQueueId, type QueueId } from './queue-id.ts'
import {
  address,
  claimAll,
  claimOne,
  deferred,
  delivered,
  envelope,
  LEASE_MS,
  lane,
  message,
  messageToMany,
  NOON,
  type OpenSpool,
  SpoolWorld,
  settlement,
} from './spool.fixture.ts'
import type { QueueAction, Spool } from './spool.ts'

export function adminContract(open: OpenSpool): void {
  test('a held message is not given out; a released one is, at once', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const { id } = await accepted(spool)
    assert.equal(await order(spool, id, { kind: 'hold', reason: 'audit' }), 'done')
    assert.deepEqual(await claimAll(spool), [])
    assert.equal(await order(spool, id, { kind: 'hold', reason: 'again' }), 'nothing-to-do')
    assert.equal(await order(spool, id, { kind: 'retry' }), 'nothing-to-do')
    assert.equal((await spool.admin.show(id))?.deliveries[0]?.stateReason, 'audit')
    assert.equal(await order(spool, id, { kind: 'release' }), 'done')
    assert.equal((await claimOne(spool)).id, id)
  })

  test('a retry makes due now what would be due later, and names its lane', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const { id } = await accepted(spool)
    await spool.settle((await claimOne(spool)).token, settlement('a', [deferred()]))
    assert.deepEqual(await spool.dueLanes({ before: NOON, limit: 1 }), [])
    assert.equal(await order(spool, id, { kind: 'retry' }), 'done')
    assert.deepEqual(await spool.dueLanes({ before: NOON, limit: 1 }), [{ lane: lane(), dueAt: NOON }])
    assert.equal((await claimOne(spool)).id, id)
  })

  test('re-routed mail leaves its lane at once, and its choice is there at every later claim and after a restart', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const { id } = await accepted(spool)
    await spool.settle((await claimOne(spool)).token, settlement('a', [deferred()]))
    const held = await accepted(spool)
    await order(spool, held.id, { kind: 'hold', reason: 'mine' })
    const action = { kind: 'reroute', lanes: { [lane(1)]: lane(2) }, via: lane(2) } as const
    assert.equal(await order(spool, id, action), 'done')
    assert.equal(await order(spool, held.id, action), 'done')
    assert.equal(await order(spool, id, action), 'nothing-to-do')
    assert.deepEqual(await claimAll(spool), [])
    assert.deepEqual(await spool.dueLanes({ before: NOON, limit: 9 }), [{ lane: lane(2), dueAt: NOON }])
    const claim = await claimOne(spool, 2)
    assert.deepEqual([claim.id, claim.attempts, claim.recipients[0]?.via], [id, 1, lane(2)])
    assert.equal(await order(spool, id, { kind: 'reroute', lanes: { [lane(2)]: lane(3) } }), 'in-delivery')
    await spool.settle(claim.token, settlement('b', [deferred()]))
    const again = await world.open()
    const [delivery] = (await again.admin.show(id))?.deliveries ?? []
    assert.deepEqual([delivery?.lane, delivery?.recipients[0]?.via], [lane(2), lane(2)])
    const [kept] = (await again.admin.show(held.id))?.deliveries ?? []
    assert.deepEqual([kept?.state, kept?.stateReason, kept?.lane], ['held', 'mine', lane(2)])
    assert.equal(await order(again, id, { kind: 'reroute', lanes: { [lane(2)]: lane(1) }, via: 'usual' }), 'done')
    assert.equal((await claimOne(again)).recipients[0]?.via, undefined)
  })

  test('a cancelled message is gone without a notice', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const { id } = await accepted(spool)
    assert.equal(await order(spool, id, { kind: 'cancel' }), 'done')
    assert.equal(await spool.admin.show(id), undefined)
    assert.equal((await spool.admin.summary()).messages, 0)
    assert.equal(await order(spool, id, { kind: 'cancel' }), 'not-found')
  })

  test('a quarantined message waits for a release', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const { id } = await accepted(spool)
    assert.equal(await order(spool, id, { kind: 'quarantine', reason: 'crash' }), 'done')
    assert.deepEqual(await claimAll(spool), [])
    assert.equal((await spool.admin.summary()).quarantined, 1)
    assert.equal(await order(spool, id, { kind: 'release' }), 'done')
    assert.equal((await claimOne(spool)).id, id)
  })

  test('what is in delivery is left alone, and the order does what it can for the rest', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const { id } = await accepted(spool, [1, 2])
    const claim = await claimOne(spool, 1)
    assert.equal(await order(spool, id, { kind: 'cancel' }), 'done')
    const entry = await spool.admin.show(id)
    assert.deepEqual(
      entry?.deliveries.map(({ state }) => state),
      ['in-delivery', 'settled'],
    )
    assert.deepEqual(
      entry?.deliveries[1]?.recipients.map(({ state }) => state),
      ['cancelled'],
    )
    assert.equal(await order(spool, id, { kind: 'cancel' }), 'in-delivery')
    assert.deepEqual(await spool.settle(claim.token, settlement('a', [delivered(0)])), { kind: 'settled' })
    assert.equal(await spool.admin.show(id), undefined)
  })

  test('a message shows its envelope, its deliveries and the last outcome of each recipient', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const sent = messageToMany(2)
    await spool.accept(sent)
    await spool.settle((await claimOne(spool)).token, settlement('a', [delivered(0), deferred(1, 1000)]))
    assert.deepEqual(await spool.admin.show(sent.id), {
      id: sent.id,
      envelope: sent.envelope,
      receivedAt: NOON,
      expiresAt: sent.expiresAt,
      deliveries: [
        {
          lane: lane(),
          state: 'queued',
          attempts: 1,
          dueAt: NOON + 1000,
          recipients: [
            { ...sent.recipients[0], state: 'delivered', lastOutcome: delivered(0) },
            { ...sent.recipients[1], state: 'open', lastOutcome: deferred(1, 1000) },
          ],
        },
      ],
    })
    assert.equal(await spool.admin.show(newQueueId()), undefined)
  })

  test('pages follow the ids, without gaps or repetitions, also while mail leaves', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const sent = await Promise.all(Array.from({ length: 25 }, () => accepted(spool)))
    const ids = sent.map(({ id }) => id).sort()
    const seen: QueueId[] = []
    for (let after: QueueId | undefined; ; ) {
      const page = await spool.admin.list({}, { limit: 7, ...(after === undefined ? {} : { after }) })
      seen.push(...page.map(({ id }) => id))
      after = page.at(-1)?.id
      if (after === undefined) break
      await order(spool, after, { kind: 'cancel' })
    }
    assert.deepEqual(seen, ids)
  })

  test('a list is filtered by lane, domain, sender and state, alone and together', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const own = envelope({ reversePath: 'nullReversePath' })
    const [one, two, both, bounce] = [
      await accepted(spool, [1]),
      await accepted(spool, [2]),
      await accepted(spool, [1, 2]),
      message([1], { envelope: own }),
    ]
    await spool.accept(bounce)
    await order(spool, two.id, { kind: 'hold', reason: 'x' })
    const list = async (filter: Parameters<Spool['admin']['list']>[0]): Promise<readonly string[]> =>
      (await spool.admin.list(filter, { limit: 100 })).map(({ id }) => id)
    // Ids of one millisecond are in no order of their own.
    const inOrder = (...entries: readonly { readonly id: string }[]) => entries.map(({ id }) => id).sort()
    assert.deepEqual(await list({ lane: lane(1) }), inOrder(one, both, bounce))
    assert.deepEqual(await list({ lane: lane(7) }), [])
    assert.deepEqual(await list({ domain: '[192.0.2.2]' }), inOrder(two, both))
    assert.deepEqual(await list({ sender: '' }), [bounce.id])
    assert.deepEqual(await list({ sender: 'sender@[192.0.2.200]', lane: lane(1) }), inOrder(one, both))
    assert.deepEqual(await list({ state: 'held' }), [two.id])
    assert.deepEqual(await list({ state: 'held', lane: lane(1) }), [])
    assert.deepEqual(await list({ state: 'queued', domain: '[192.0.2.2]' }), [both.id])
    assert.deepEqual(await list({ state: 'quarantined' }), [])
  })

  test('a list is filtered by age and tag, alone and with what deliveries say', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const [old, tagged, other] = [
      message([1], { receivedAt: NOON - 1000 }),
      message([1, 2], { envelope: envelope({ tag: 'news' }) }),
      message([1], { receivedAt: NOON - 1000, envelope: envelope({ tag: 'new' }) }),
    ]
    for (const one of [old, tagged, other]) await spool.accept(one)
    const list = async (filter: Parameters<Spool['admin']['list']>[0]): Promise<readonly string[]> =>
      (await spool.admin.list(filter, { limit: 100 })).map(({ id }) => id)
    assert.deepEqual(await list({ arrivedBefore: NOON }), [old.id, other.id].sort())
    assert.deepEqual(await list({ arrivedBefore: NOON - 1000 }), [])
    assert.deepEqual(await list({ tag: 'news' }), [tagged.id])
    assert.deepEqual(await list({ tag: 'new', arrivedBefore: NOON, lane: lane(1) }), [other.id])
    assert.deepEqual(await list({ tag: 'news', lane: lane(7) }), [])
    assert.deepEqual(await list({ tag: 'ne' }), [])
    assert.deepEqual(await spool.admin.list({ tag: 'news', arrivedBefore: NOON + 1 }, { limit: 1 }), [
      await spool.admin.show(tagged.id),
    ])
  })

  test('what is in delivery, held or waiting is found by lane and domain alike, a page at a time', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const [out, held, waiting, both] = [
      await accepted(spool, [1]),
      await accepted(spool, [1]),
      await accepted(spool, [1]),
      await accepted(spool, [2, 1]),
    ]
    await accepted(spool, [2])
    await order(spool, held.id, { kind: 'hold', reason: 'x' })
    await spool.admin.change([out.id, waiting.id, both.id], { kind: 'retry' })
    const [claim] = await spool.claim(lane(1), { limit: 1, leaseMs: LEASE_MS })
    assert.ok(claim !== undefined)
    const all = [out, held, waiting, both].map(({ id }) => id).sort()
    for (const filter of [{ lane: lane(1) }, { domain: '[192.0.2.1]' }, { lane: lane(1), domain: '[192.0.2.1]' }]) {
      const found: QueueId[] = []
      for (let page = await spool.admin.list(filter, { limit: 3 }); page.length > 0; ) {
        found.push(...page.map(({ id }) => id))
        const after = found.at(-1)
        page = await spool.admin.list(filter, after === undefined ? { limit: 3 } : { limit: 3, after })
      }
      assert.deepEqual(found, all)
    }
    const queued = await spool.admin.list({ lane: lane(1), state: 'queued' }, { limit: 9 })
    assert.deepEqual(
      queued.map(({ id }) => id),
      all.filter((id) => id !== held.id),
    )
    assert.deepEqual(await spool.admin.list({ lane: lane(2), domain: '[192.0.2.1]' }, { limit: 9 }), [])
  })

  test('a rare message is found in a long queue while mail is served', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    await Promise.all(Array.from({ length: 2500 }, () => accepted(spool, [1])))
    const rare = await accepted(spool, [3])
    const search = spool.admin.list({ lane: lane(3) }, { limit: 10 })
    assert.equal((await claimAll(spool)).length, 100)
    assert.deepEqual(
      (await search).map(({ id }) => id),
      [rare.id],
    )
  })

  test('a page has an end also when little matches, and says where to go on; none is looked for after what is too young', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const accept = async (receivedAt: number): Promise<QueueId> => {
      const sent = message([1], { receivedAt })
      await spool.accept(sent)
      return sent.id
    }
    const first = await accept(NOON - 7_200_000)
    await Promise.all(Array.from({ length: 1100 }, () => accept(NOON)))
    const last = await accept(NOON - 1000)
    const found: QueueId[] = []
    let turns = 0
    for (let after: QueueId | undefined; turns === 0 || after !== undefined; turns += 1) {
      const place = { limit: 10, look: 500, ...(after === undefined ? {} : { after }) }
      const page = await spool.admin.page({ arrivedBefore: NOON }, place)
      found.push(...page.entries.map(({ id }) => id))
      after = page.more
    }
    assert.deepEqual(found, [first, last])
    assert.ok(turns >= 2, `${turns}`)
    const full = await spool.admin.page({}, { limit: 2 })
    assert.equal(full.more, full.entries[1]?.id)
    assert.deepEqual(await spool.admin.page({ tag: 'none' }, { limit: 2, after: last }), { entries: [] })
    const old = await spool.admin.page({ arrivedBefore: NOON - 3_600_000 }, { limit: 10, look: 500 })
    assert.deepEqual([old.entries.map(({ id }) => id), old.more], [[first], undefined])
  })

  test('totals count messages, bytes, open recipients, stopped deliveries and lanes', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const old = message([1, 2], { receivedAt: NOON - 5000, content: { kind: 'memory', bytes: Buffer.alloc(100) } })
    const [held, jailed] = [message([2]), message([3])]
    for (const one of [old, held, jailed, message([1], { recipients: [{ index: 0, address: address('x') }] })]) {
      await spool.accept(one)
    }
    await order(spool, held.id, { kind: 'hold', reason: 'x' })
    await order(spool, jailed.id, { kind: 'quarantine', reason: 'x' })
    const counted = [
      { lane: lane(1), deliveries: 2, oldestReceivedAt: NOON - 5000 },
      { lane: lane(2), deliveries: 1, oldestReceivedAt: NOON - 5000 },
    ]
    assert.deepEqual(await spool.admin.summary(), {
      messages: 4,
      recipientsOpen: 5,
      held: 1,
      heldByRules: 0,
      quarantined: 1,
      bytes: 118,
      oldestReceivedAt: NOON - 5000,
      classes: { urgent: 0, normal: 3, bulk: 0 },
      laneCount: 2,
      ...{ lanes: counted, oldestLanes: counted, tags: [] },
    })
  })

  test('an empty spool has empty answers', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    assert.deepEqual(await spool.admin.list({}, { limit: 10 }), [])
    assert.deepEqual(await spool.admin.summary(), {
      messages: 0,
      recipientsOpen: 0,
      ...{ held: 0, heldByRules: 0, quarantined: 0 },
      bytes: 0,
      classes: { urgent: 0, normal: 0, bulk: 0 },
      ...{ laneCount: 0, lanes: [], oldestLanes: [], tags: [] },
    })
    assert.deepEqual(await claimAll(spool), [])
  })
}

async function accepted(spool: Spool, lanes: readonly number[] = [1]): Promise<{ readonly id: QueueId }> {
  const sent = message(lanes)
  assert.deepEqual(await spool.accept(sent), { kind: 'accepted' })
  return sent
}

async function order(spool: Spool, id: QueueId, action: QueueAction): Promise<string | undefined> {
  const [change] = await spool.admin.change([id], action)
  return change?.result
}
