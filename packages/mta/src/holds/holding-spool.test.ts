import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openSqliteSpool } from '../spool/adapters/sqlite-spool.ts'
import { claimAll, envelope, eventually, lane, message, NOON } from '../spool/spool.fixture.ts'
import { StoreUnavailable } from '../spool/spool.ts'
import type { HoldEvent } from './events.ts'
import { HoldKeeper } from './hold-keeper.ts'
import type { HoldRule } from './hold-rule.ts'
import { HoldRules, type HoldWish } from './hold-rules.ts'
import { holdingSpool } from './holding-spool.ts'

const RULE: HoldWish = { id: '0badcafe', domain: '[192.0.2.1]', reason: 'audit' }

async function world(t: TestContext) {
  const dataDir = mkdtempSync(join(tmpdir(), 'holds-'))
  const clock = { now: NOON }
  const now = (): number => clock.now
  const opened = await openSqliteSpool({ dataDir, maxBytes: 64 * 1024 * 1024, now, emit: () => undefined })
  assert.ok(opened.ok)
  const stored = opened.value
  t.after(async () => {
    await stored.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  const events: HoldEvent[] = []
  const emit = (event: HoldEvent): void => void events.push(event)
  const rules = new HoldRules({ store: stored.holdRules, now, emit })
  const spool = holdingSpool(stored, { rules, emit })
  const keeper = new HoldKeeper({ rules, queue: spool.admin, onReleased: () => undefined, now, emit })
  const states = async (id: ReturnType<typeof message>['id']) =>
    (await spool.admin.show(id))?.deliveries.map(({ state, rule, recipients }) => [state, rule, recipients.length])
  return { stored, spool, rules, keeper, clock, events, states }
}

test('what a rule means is held as it is accepted, recipient by recipient', async (t) => {
  const { spool, rules, events, states } = await world(t)
  await rules.add(RULE)
  const deliveries = [{ lane: lane(9), recipients: [0, 1] }]
  const sent = message([1, 2], { deliveries })
  await spool.accept(sent)
  assert.deepEqual(await states(sent.id), [
    ['held', RULE.id, 1],
    ['queued', undefined, 1],
  ])
  assert.deepEqual(
    (await claimAll(spool, 9)).map(({ recipients }) => recipients.map(({ index }) => index)),
    [[1]],
  )
  assert.deepEqual(events.at(-1), { event: 'mail-held', rule: RULE.id, recipients: 1, at: 'accept' })
})

test('what waited already is held when its turn comes, and mail of others behind it is given out at once', async (t) => {
  const { spool, rules, states } = await world(t)
  const deliveries = [{ lane: lane(9), recipients: [0] }]
  const meant = [message([1], { deliveries }), message([1], { deliveries })]
  for (const one of meant) await spool.accept(one)
  const other = message([2], { deliveries, receivedAt: NOON })
  await spool.accept(other)
  await rules.add(RULE)
  const claims = await spool.claim(lane(9), { limit: 1, leaseMs: 60_000 })
  assert.deepEqual(
    claims.map(({ id }) => id),
    [other.id],
  )
  for (const { id } of meant) assert.deepEqual(await states(id), [['held', RULE.id, 1]])
})

test('mail that cannot be held while the store does not answer keeps no other mail of its batch back', async (t) => {
  const { stored, spool, rules } = await world(t)
  const deliveries = [{ lane: lane(9), recipients: [0] }]
  const other = message([2], { deliveries })
  for (const one of [message([1], { deliveries }), other]) await spool.accept(one)
  await rules.add(RULE)
  t.mock.method(stored, 'settle', () => Promise.reject(new StoreUnavailable('gone')))
  const claims = await spool.claim(lane(9), { limit: 10, leaseMs: 60_000 })
  assert.deepEqual(
    claims.map(({ id }) => id),
    [other.id],
  )
  await stored.accept(message([1], { deliveries: [{ lane: lane(8), recipients: [0] }] }))
  await assert.rejects(spool.claim(lane(8), { limit: 10, leaseMs: 60_000 }), StoreUnavailable)
})

test('mail over its age that a rule means is held, not expired', async (t) => {
  const { spool, rules, states } = await world(t)
  const sent = message([1], { expiresAt: NOON - 1 })
  await spool.accept(sent)
  await rules.add(RULE)
  assert.deepEqual(
    await spool.ages.claimExpired({ after: 0, before: NOON, dueBefore: NOON + 1, limit: 10, leaseMs: 60_000 }),
    [],
  )
  assert.deepEqual(await states(sent.id), [['held', RULE.id, 1]])
})

test('a rule that is removed lets go what it held and nothing else, and is forgotten', async (t) => {
  const { spool, rules, keeper, clock, events, states } = await world(t)
  await rules.add(RULE)
  const [ruled, byHand] = [message([1]), message([2])]
  for (const one of [ruled, byHand]) await spool.accept(one)
  await spool.admin.change([byHand.id], { kind: 'hold', reason: 'mine' })
  assert.equal(await rules.remove(RULE.id), true)
  assert.equal(await rules.remove(RULE.id), false)
  const removed = rules.known[0] as HoldRule
  await keeper.end(removed)
  assert.deepEqual(await states(ruled.id), [['queued', undefined, 1]])
  assert.deepEqual(await states(byHand.id), [['held', undefined, 1]])
  // Whoever shares the queue may not have read it yet.
  assert.equal(rules.known.length, 1)
  clock.now += 30_001
  await keeper.end(removed)
  assert.deepEqual(rules.known, [])
  assert.deepEqual(events.slice(-2), [
    { event: 'held-mail-released', rule: RULE.id, messages: 1 },
    { event: 'hold-rule-ended', rule: RULE.id, by: 'order' },
  ])
})

test('a rule ends by its time, without anybody ordering it', async (t) => {
  const { spool, rules, keeper, clock, states } = await world(t)
  await rules.add({ ...RULE, until: NOON + 1000 })
  const [before, after] = [message([1]), message([1])]
  await spool.accept(before)
  clock.now += 1000
  await spool.accept(after)
  assert.deepEqual(await states(after.id), [['queued', undefined, 1]])
  keeper.start()
  await eventually('its mail is released', async () => (await states(before.id))?.[0]?.[0] === 'queued')
  await keeper.stop()
})

for (const [what, wish, holds] of [
  ['a domain', { domain: 'example.com' }, false],
  ['a domain of recipients', { domain: '[192.0.2.1]' }, true],
  ['a sender', { sender: 'sender@[192.0.2.200]' }, true],
  ['another sender', { sender: 'other@[192.0.2.200]' }, false],
  ['the domain of a sender', { sender: '[192.0.2.200]' }, true],
  ['the null reverse-path', { sender: '' }, false],
  ['a login', { credential: 'shop' }, true],
  ['another login', { credential: 'shop2' }, false],
  ['a tag', { tag: 'news' }, true],
  ['a tag and another domain', { tag: 'news', domain: 'example.com' }, false],
] as const) {
  test(`a rule for ${what} ${holds ? 'holds' : 'spares'} the message`, async (t) => {
    const { spool, rules, states } = await world(t)
    await rules.add({ id: '00000001', reason: 'x', ...wish })
    const origin = { kind: 'credential', username: 'shop', address: '192.0.2.9' } as const
    const sent = message([1], { envelope: envelope({ origin, tag: 'news' }) })
    await spool.accept(sent)
    assert.equal((await states(sent.id))?.[0]?.[0], holds ? 'held' : 'queued')
  })
}
