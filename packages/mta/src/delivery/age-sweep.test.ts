import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { NOTICE_LANE } from '../bounce/notice-lane.ts'
import { defaultNoticeSettings } from '../bounce/notice-plan.ts'
import { defaultRetryOptions } from '../schedule/retry-schedule.ts'
import { openSqliteSpool } from '../spool/adapters/sqlite-spool.ts'
import { claimOne, deferred, LEASE_MS, lane, message, NOON, problem, settlement } from '../spool/spool.fixture.ts'
import type { NewMessage } from '../spool/spool.ts'
import { AgeSweep, EXPIRY_GRACE_MS, LAST_CHANCE_MS } from './age-sweep.ts'
import type { LaneId } from './lane.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { mailRouting } from './routing.ts'

const HOUR_MS = 3_600_000

async function world(t: TestContext) {
  const dataDir = mkdtempSync(join(tmpdir(), 'ages-'))
  const clock = { now: NOON }
  const now = (): number => clock.now
  const opened = await openSqliteSpool({ dataDir, maxBytes: 64 * 1024 * 1024, now, emit: () => undefined })
  assert.ok(opened.ok)
  const spool = opened.value
  const woken: LaneId[] = []
  const policies = { asked: 0, known: true }
  const leases = new LeaseKeeper({
    spool,
    leaseMs: LEASE_MS,
    monotonic: () => performance.now(),
    emit: () => undefined,
  })
  t.after(async () => {
    leases.close()
    await spool.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  const wake = (of: LaneId): void => void woken.push(of)
  const notifier = {
    ...{ spool, hostname: 'relay.example.com', postmaster: 'postmaster@example.com', now, sign: undefined },
    ...{ laneFor: () => lane(50), dsnMaxAgeMs: HOUR_MS },
  }
  const settler = {
    ...{ spool, leases, wake, now, random: () => 0, emit: () => undefined },
    routing: mailRouting({ port: 25 }),
    ...{ retry: defaultRetryOptions, notices: defaultNoticeSettings, notifier },
  }
  const facts = {
    getAfresh: async () => {
      policies.asked += 1
      // Only whether there are facts is asked.
      return policies.known ? ({ kind: 'facts' } as never) : ({ kind: 'nobody' } as never)
    },
  }
  const sweep = new AgeSweep({
    ...{ spool, facts, leases, settler, notices: defaultNoticeSettings, now, emit: () => undefined },
    ...{ scheduler: { wake }, leaseMs: LEASE_MS },
  })
  const run = (): Promise<void> => sweep.run(new AbortController().signal)
  const accept = async (sent: NewMessage): Promise<NewMessage> => {
    assert.deepEqual(await spool.accept(sent), { kind: 'accepted' })
    return sent
  }
  const states = async ({ id }: NewMessage) =>
    (await spool.admin.show(id))?.deliveries.map((one) => [one.lane, one.state, one.recipients[0]?.state])
  return { spool, clock, run, accept, states, woken, policies }
}

const senderIs = async (spool: Awaited<ReturnType<typeof world>>['spool']) =>
  (await spool.admin.list({ sender: '' }, { limit: 10 })).length

test('mail over its age is returned though no lane ever tried it, once its lane had a moment to', async (t) => {
  const { spool, clock, run, accept, states } = await world(t)
  const sent = await accept(message([1], { expiresAt: NOON + HOUR_MS }))
  clock.now = NOON + HOUR_MS + EXPIRY_GRACE_MS - 1
  await run()
  assert.deepEqual(await states(sent), [[lane(1), 'queued', 'open']])
  clock.now += 1
  await run()
  assert.equal(await states(sent), undefined)
  assert.equal(await senderIs(spool), 1)
})

test('what was over its age before the start has a while for one attempt, and is then returned', async (t) => {
  const { clock, run, accept, states } = await world(t)
  const sent = await accept(message([1], { receivedAt: NOON - 9 * HOUR_MS, expiresAt: NOON - HOUR_MS }))
  clock.now = NOON + LAST_CHANCE_MS - 1
  await run()
  assert.notEqual(await states(sent), undefined)
  clock.now += 1
  await run()
  assert.equal(await states(sent), undefined)
})

test('mail that is held is not over its age', async (t) => {
  const { spool, clock, run, accept, states } = await world(t)
  const sent = await accept(message([1], { expiresAt: NOON + HOUR_MS }))
  await spool.admin.change([sent.id], { kind: 'hold', reason: 'x' })
  clock.now = NOON + 9 * HOUR_MS
  await run()
  assert.deepEqual(await states(sent), [[lane(1), 'held', 'open']])
})

test('mail that a policy kept back has one more attempt, and is given up after the policy was looked for again', async (t) => {
  const { spool, clock, run, accept, states, woken, policies } = await world(t)
  const sent = await accept(message([1], { expiresAt: NOON + HOUR_MS }))
  const kept = problem({ cause: { kind: 'policy-unavailable', policyDomain: 'example.com', because: 'x' } })
  const waits = { ...deferred(0, HOUR_MS), problem: kept }
  await spool.settle((await claimOne(spool)).token, settlement('a', [waits]))
  clock.now = NOON + HOUR_MS + EXPIRY_GRACE_MS
  await run()
  assert.deepEqual([policies.asked, woken.at(-1), (await states(sent))?.[0]?.[1]], [1, lane(1), 'queued'])
  policies.known = false
  clock.now += LAST_CHANCE_MS
  await run()
  assert.deepEqual([policies.asked, (await states(sent))?.[0]?.[1]], [2, 'queued'])
  policies.known = true
  clock.now += LAST_CHANCE_MS
  await run()
  assert.deepEqual([policies.asked, await states(sent)], [3, undefined])
})

test('senders are told of mail that nobody tried, once, and no attempt is counted for it', async (t) => {
  const { spool, clock, run, accept, states, woken } = await world(t)
  const sent = await accept(message([1]))
  clock.now = NOON + 4 * HOUR_MS
  await run()
  assert.deepEqual(await states(sent), [
    [lane(1), 'queued', 'open'],
    [NOTICE_LANE, 'queued', 'to-report'],
  ])
  assert.ok(woken.includes(NOTICE_LANE))
  const [waiting] = (await spool.admin.show(sent.id))?.deliveries ?? []
  assert.deepEqual([waiting?.attempts, waiting?.dueAt], [0, NOON])
  clock.now += HOUR_MS
  await run()
  assert.equal((await states(sent))?.length, 2)
  assert.equal((await claimOne(spool)).id, sent.id)
})

test('who does not want to hear of delays is not told, and the mail waits as before', async (t) => {
  const { clock, run, accept, states } = await world(t)
  const [recipient] = message([1]).recipients
  assert.ok(recipient !== undefined)
  const sent = await accept(message([1], { recipients: [{ ...recipient, notify: ['FAILURE'] }] }))
  clock.now = NOON + 4 * HOUR_MS
  await run()
  assert.deepEqual(await states(sent), [[lane(1), 'queued', 'open']])
})
