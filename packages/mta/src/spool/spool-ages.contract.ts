/** The contract of mail that is found by its age, and of what rules hold. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NOTICE_LANE } from '../bounce/notice-lane.ts'
import type { HoldRule } from '../holds/hold-rule.ts'
import {
  claimAll,
  claimOne,
  deferred,
  envelope,
  failed,
  LEASE_MS,
  lane,
  message,
  messageToMany,
  NOON,
  type OpenSpool,
  SpoolWorld,
  settlement,
} from './spool.fixture.ts'
import type { NewMessage, Spool } from './spool.ts'
import type { StoredSpool } from './stored-spool.ts'

const HOUR_MS = 3_600_000
const EXPIRED = { limit: 100, leaseMs: LEASE_MS }
const HELD = { rule: '00c0ffee', reason: 'audit' }

function expired(spool: StoredSpool, now: number) {
  return spool.ages.claimExpired({ ...EXPIRED, after: 0, before: now, dueBefore: now - HOUR_MS })
}

async function accept(spool: Spool, sent: NewMessage): Promise<NewMessage> {
  assert.deepEqual(await spool.accept(sent), { kind: 'accepted' })
  return sent
}

async function idsByRule(spool: Spool): Promise<readonly string[]> {
  return (await spool.admin.list({ rule: HELD.rule }, { limit: 10 })).map(({ id }) => id)
}

export function agesContract(open: OpenSpool<StoredSpool>): void {
  test('what is over its age is found whatever its due time, oldest first, and only once', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const [late, soon, young] = [
      message([1], { expiresAt: NOON + 2000 }),
      message([2], { expiresAt: NOON + 1000 }),
      message([3], { expiresAt: NOON + 9000 }),
    ]
    for (const one of [late, soon, young]) await accept(spool, one)
    await spool.settle((await claimOne(spool, 2)).token, settlement('a', [deferred(0, HOUR_MS)]))
    assert.deepEqual(await expired(spool, NOON + 999), [])
    world.pass(2000)
    const found = await expired(spool, NOON + 2000)
    assert.deepEqual(
      found.map(({ id, lane: of }) => [id, of]),
      [
        [soon.id, lane(2)],
        [late.id, lane(1)],
      ],
    )
    assert.deepEqual(await expired(spool, NOON + 2000), [])
    for (const claim of found) await spool.settle(claim.token, settlement('b', [failed()]))
    assert.deepEqual((await claimAll(spool, 1)).length, 0)
    assert.equal((await spool.admin.summary()).messages, 1)
  })

  test('what is out, stopped or a notice is not expired; released, it has time for one attempt', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const sent = await Promise.all([1, 2, 3].map((n) => accept(spool, message([n], { expiresAt: NOON + 1000 }))))
    const out = await claimOne(spool, 1)
    await spool.admin.change([sent[1]?.id ?? out.id], { kind: 'hold', reason: 'x' })
    const tell = [{ lane: NOTICE_LANE, dueAt: NOON + HOUR_MS, recipients: [0] }]
    await spool.settle((await claimOne(spool, 3)).token, settlement('a', [failed()], { notices: tell }))
    world.pass(10_000)
    await spool.renew([out.token], LEASE_MS)
    assert.deepEqual(await expired(spool, NOON + 10_000), [])
    await spool.admin.change([sent[1]?.id ?? out.id], { kind: 'release' })
    assert.deepEqual(await expired(spool, NOON + 10_000), [])
    // On either engine whoever looked in vain looks again within minutes.
    world.pass(HOUR_MS + 300_000)
    const ids = (await expired(spool, world.place.clock.now)).map(({ id }) => id)
    assert.ok(ids.includes(sent[1]?.id ?? out.id))
  })

  test('whose senders were told of no delay is found once past the time, in steps that end', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const [never, tried, told, held] = [
      await accept(spool, message([1])),
      await accept(spool, message([2])),
      await accept(spool, message([3])),
      await accept(spool, message([4])),
    ]
    await spool.settle((await claimOne(spool, 2)).token, settlement('a', [deferred()]))
    const mark = { marks: { delayNoticeAt: NOON } }
    await spool.settle((await claimOne(spool, 3)).token, settlement('a', [deferred()], mark))
    await spool.admin.change([held.id], { kind: 'hold', reason: 'x' })
    const step = (arrivedBefore: number, after = '') =>
      spool.ages.claimUntold({ arrivedBefore, after, leaseMs: LEASE_MS })
    assert.deepEqual(await step(NOON - 1), { claims: [], after: '', ended: true })
    const { claims, after, ended } = await step(NOON)
    assert.equal(ended, true)
    assert.deepEqual(claims.map(({ id }) => id).sort(), [never.id, tried.id].sort())
    assert.ok(!claims.some(({ id }) => id === told.id))
    assert.deepEqual(await step(NOON, after), { claims: [], after, ended: true })
  })

  test('a settlement of nothing tried charges no attempt, and leaves its notice and its mark', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const { id } = await accept(spool, message())
    const claim = await claimOne(spool)
    const notices = [{ lane: NOTICE_LANE, dueAt: NOON, recipients: [0] }]
    const marks = { delayNoticeAt: NOON }
    await spool.settle(claim.token, settlement('a', [deferred(0, 5000)], { notices, marks, untried: {} }))
    const [waiting, notice] = (await spool.admin.show(id))?.deliveries ?? []
    assert.deepEqual([waiting?.attempts, waiting?.state, waiting?.dueAt], [0, 'queued', NOON])
    assert.equal(notice?.lane, NOTICE_LANE)
    const later = settlement('b', [], { untried: { dueAt: NOON + 7000 } })
    await spool.settle((await claimOne(spool)).token, later)
    const [moved] = (await spool.admin.show(id))?.deliveries ?? []
    assert.deepEqual([moved?.attempts, moved?.dueAt], [0, NOON + 7000])
  })

  test('a rule holds the recipients that it means, charges no attempt, and is found by its name', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const { id } = await accept(spool, messageToMany(3))
    const claim = await claimOne(spool)
    const heldByRules = [{ ...HELD, recipients: [0, 2] }]
    assert.deepEqual(await spool.settle(claim.token, settlement('a', [], { heldByRules })), { kind: 'settled' })
    const shown = (await spool.admin.show(id))?.deliveries.map(({ state, stateReason, rule, attempts, recipients }) => {
      return [state, stateReason, rule, attempts, recipients.map(({ index }) => index)]
    })
    assert.deepEqual(shown?.toSorted(), [
      ['held', 'audit', HELD.rule, 0, [0, 2]],
      ['queued', undefined, undefined, 0, [1]],
    ])
    assert.deepEqual(await idsByRule(spool), [id])
    const { held, heldByRules: byRules, recipientsOpen } = await spool.admin.summary()
    assert.deepEqual([held, byRules, recipientsOpen], [1, 1, 3])
    const [rest, ...more] = await claimAll(spool)
    assert.deepEqual([rest?.recipients.map(({ index }) => index), more], [[1], []])
  })

  test('mail that a rule means is held from its acceptance, and released with the rule alone', async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const deliveries = [{ lane: lane(), recipients: [0], held: HELD }]
    const ruled = await accept(spool, message([1], { deliveries }))
    const byHand = await accept(spool, message([1]))
    await spool.admin.change([byHand.id], { kind: 'hold', reason: 'mine' })
    assert.deepEqual(await claimAll(spool), [])
    assert.deepEqual(await idsByRule(spool), [ruled.id])
    const results = async (action: Parameters<Spool['admin']['change']>[1]) =>
      (await spool.admin.change([ruled.id, byHand.id], action)).map(({ result }) => result)
    assert.deepEqual(await results({ kind: 'release', rule: 'deadbeef' }), ['nothing-to-do', 'nothing-to-do'])
    assert.deepEqual(await results({ kind: 'release', rule: HELD.rule }), ['done', 'nothing-to-do'])
    assert.deepEqual(
      (await claimAll(spool)).map(({ id }) => id),
      [ruled.id],
    )
    assert.deepEqual(await idsByRule(spool), [])
  })

  test("an order to release leaves what a rule holds; an order to hold makes it the operator's", async (t) => {
    const spool = await new SpoolWorld(t, open).open()
    const deliveries = [{ lane: lane(), recipients: [0], held: HELD }]
    const { id } = await accept(spool, message([1], { deliveries }))
    const order = async (action: Parameters<Spool['admin']['change']>[1]) =>
      (await spool.admin.change([id], action))[0]?.result
    assert.equal(await order({ kind: 'release' }), 'nothing-to-do')
    assert.equal(await order({ kind: 'hold', reason: 'mine' }), 'done')
    assert.equal(await order({ kind: 'release', rule: HELD.rule }), 'nothing-to-do')
    const [delivery] = (await spool.admin.show(id))?.deliveries ?? []
    assert.deepEqual([delivery?.state, delivery?.stateReason, delivery?.rule], ['held', 'mine', undefined])
    assert.equal(await order({ kind: 'release' }), 'done')
  })

  test('rules are there after a restart, oldest first, until they are dropped', async (t) => {
    const world = new SpoolWorld(t, open)
    const [old, young]: readonly [HoldRule, HoldRule] = [
      { id: 'ffffffff', domain: 'example.com', reason: 'a', since: NOON - 1 },
      { id: '00000000', tag: 'news', reason: 'b', since: NOON, until: NOON + 1 },
    ]
    const first = await world.open()
    for (const rule of [young, old, { ...young, until: NOON + 2 }]) await first.holdRules.put(rule)
    const { holdRules } = await world.open()
    assert.deepEqual(await holdRules.list(), [old, { ...young, until: NOON + 2 }])
    await holdRules.drop(old.id)
    await holdRules.drop(old.id)
    assert.deepEqual(
      (await holdRules.list()).map(({ id }) => id),
      [young.id],
    )
  })

  test('the queue is counted by lane, domain, sender and tag, in classes of age', async (t) => {
    const world = new SpoolWorld(t, open)
    const spool = await world.open()
    const minute = 60_000
    await accept(spool, message([1, 2], { receivedAt: NOON - 6 * minute, envelope: envelope({ tag: 'news' }) }))
    await accept(
      spool,
      message([1], { receivedAt: NOON - 3000 * minute, envelope: envelope({ reversePath: 'nullReversePath' }) }),
    )
    await accept(spool, message([1], { receivedAt: NOON - minute, envelope: envelope({ tag: 'news' }) }))
    const shape = async (by: 'lane' | 'domain' | 'sender' | 'tag', limit = 10) => {
      const { rows, others } = await spool.admin.shape({ by, now: NOON, limit })
      return [
        rows.map(({ name, counts, oldestReceivedAt }) => [name, counts.join(''), NOON - oldestReceivedAt]),
        others,
      ]
    }
    const none = { names: 0, counts: new Array(10).fill(0) }
    assert.deepEqual(await shape('lane'), [
      [
        [lane(1), '1100000001', 3000 * minute],
        [lane(2), '0100000000', 6 * minute],
      ],
      none,
    ])
    assert.deepEqual(await shape('domain'), [
      [
        ['[192.0.2.1]', '1100000001', 3000 * minute],
        ['[192.0.2.2]', '0100000000', 6 * minute],
      ],
      none,
    ])
    assert.deepEqual(await shape('sender'), [
      [
        ['[192.0.2.200]', '1100000000', 6 * minute],
        ['', '0000000001', 3000 * minute],
      ],
      none,
    ])
    assert.deepEqual(await shape('tag'), [[['news', '1100000000', 6 * minute]], none])
    const [rows, others] = await shape('lane', 1)
    assert.deepEqual([(rows as unknown[]).length, others], [1, { names: 1, counts: [0, 1, 0, 0, 0, 0, 0, 0, 0, 0] }])
    for (const by of ['lane', 'tag'] as const) {
      const wish = { by, now: NOON, limit: 10 }
      const both = { summary: await spool.admin.summary(), shape: await spool.admin.shape(wish) }
      assert.deepEqual(await spool.admin.overview(wish), both)
    }
    const { tags, laneCount, oldestLanes } = await spool.admin.summary()
    assert.deepEqual(tags, [{ tag: 'news', messages: 2, oldestReceivedAt: NOON - 6 * minute }])
    assert.deepEqual([laneCount, oldestLanes[0]?.lane], [2, lane(1)])
  })
}
