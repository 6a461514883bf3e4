import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RecipientOutcome } from '../delivery/outcome.ts'
import { nullReversePath } from '../smtp/mail-address.ts'
import { delayed, envelope, failed, recipient, relayed, SAMPLE_TIME } from './dsn.fixture.ts'
import { NOTICE_LANE } from './notice-lane.ts'
import { defaultNoticeSettings, isDelayToTell, type NoticedClaim, planNotices } from './notice-plan.ts'

const MINUTE = 60_000
const HOUR = 3_600_000
const RECIPIENTS = [0, 1, 2].map((index) => ({
  ...recipient(index, { notify: ['SUCCESS', 'FAILURE', 'DELAY'] }),
  ambiguousCount: 0,
}))

function claim(changes: Partial<NoticedClaim> & { readonly ageMs?: number } = {}): NoticedClaim {
  const { ageMs = 10_000, ...more } = changes
  const receivedAt = SAMPLE_TIME - ageMs
  const message = { envelope: envelope(), recipients: RECIPIENTS, marks: {} }
  return { ...message, receivedAt, expiresAt: receivedAt + 120 * HOUR, ...more }
}

const SPLIT = { envelope: envelope({ lanes: 7 }) }

function plan(of: NoticedClaim, outcomes: readonly RecipientOutcome[], more: { readonly hold?: string } = {}) {
  return planNotices(of, { outcomes, ...more }, { now: SAMPLE_TIME, settings: defaultNoticeSettings })
}

function waiting(index: number, forMs: number) {
  return { ...delayed(index), dueAt: SAMPLE_TIME + forMs }
}

function ambiguous(index: number, forMs: number): RecipientOutcome {
  return { ...waiting(index, forMs), kind: 'ambiguous' }
}

describe('what is told of a settlement, and when', () => {
  test('of a message to one next hop at once, in one notification', () => {
    const { now, later } = plan(claim(), [failed(0), relayed(1), waiting(2, MINUTE)])
    assert.deepEqual(
      now.map(({ action, recipient: { index } }) => [action, index]),
      [
        ['failed', 0],
        ['relayed', 1],
      ],
    )
    assert.deepEqual(later, [])
  })

  test('of a message to several at the next of its moments', () => {
    const { now, later } = plan(claim(SPLIT), [failed(0), relayed(1), waiting(2, MINUTE)])
    assert.deepEqual(now, [])
    assert.deepEqual(later, [{ lane: NOTICE_LANE, dueAt: SAMPLE_TIME + 5_000, recipients: [0, 1] }])
  })

  test('nothing of what is delivered', () => {
    const { withoutDsn: _, ...passedOn } = relayed(0)
    assert.deepEqual(plan(claim(SPLIT), [passedOn]), { now: [], later: [] })
  })

  test('failures that nobody is told of are said, whole and in part', () => {
    const recipients = [0, 1].map((index) => ({
      ...recipient(index),
      ambiguousCount: 0,
      notify: index === 0 ? ['NEVER' as const] : ['FAILURE' as const],
    }))
    const partly = plan(claim({ recipients }), [failed(0), failed(1)])
    assert.deepEqual([partly.now.length, partly.untold], [1, { failed: 1, reason: 'not-requested' }])
    const silent = plan(claim({ envelope: envelope({ reversePath: nullReversePath, lanes: 2 }) }), [failed(0)])
    assert.deepEqual(silent, { now: [], later: [], untold: { failed: 1, reason: 'null-reverse-path' } })
  })
})

describe('RFC 3461 §5.2.5 when a delay is told', () => {
  const markAt = (of: NoticedClaim) => of.receivedAt + 4 * HOUR

  test('not while the next attempt comes before its time', () => {
    assert.deepEqual(plan(claim({ ageMs: 3 * HOUR }), [waiting(0, 59 * MINUTE)]).later, [])
  })

  test('at its time, when the next attempt comes after it', () => {
    const late = claim({ ageMs: 3 * HOUR })
    const { later, delayNoticeAt } = plan(late, [waiting(0, 61 * MINUTE), waiting(1, 5 * MINUTE)])
    assert.deepEqual(later, [{ lane: NOTICE_LANE, dueAt: markAt(late), recipients: [0] }])
    assert.equal(delayNoticeAt, markAt(late))
  })

  test('at once when its time has passed; with others at a moment of the message', () => {
    const [one] = plan(claim({ ageMs: 5 * HOUR }), [waiting(0, MINUTE)]).later
    assert.equal(one?.dueAt, SAMPLE_TIME)
    const [split] = plan(claim({ ageMs: 5 * HOUR, ...SPLIT }), [waiting(0, MINUTE)]).later
    assert.ok(split !== undefined && split.dueAt > SAMPLE_TIME && split.dueAt <= SAMPLE_TIME + 15 * MINUTE)
  })

  test('once for a delivery', () => {
    const marks = { delayNoticeAt: SAMPLE_TIME - HOUR }
    assert.deepEqual(plan(claim({ ageMs: 5 * HOUR, marks }), [waiting(0, MINUTE)]), { now: [], later: [] })
  })

  test('at once when an operator has to decide', () => {
    const { later } = plan(claim(), [ambiguous(0, 15 * MINUTE)], { hold: 'ambiguous' })
    assert.deepEqual(later, [{ lane: NOTICE_LANE, dueAt: SAMPLE_TIME, recipients: [0] }])
  })

  for (const [what, of] of [
    ['no reverse-path', claim({ ageMs: 5 * HOUR, envelope: envelope({ reversePath: nullReversePath }) })],
    ['an age that ends before', claim({ ageMs: 5 * HOUR, expiresAt: SAMPLE_TIME - 2 * HOUR })],
    [
      'NOTIFY without DELAY',
      claim({ ageMs: 5 * HOUR, recipients: [{ ...recipient(0, { notify: ['FAILURE'] }), ambiguousCount: 0 }] }),
    ],
  ] as const) {
    test(`never of a message with ${what}`, () => assert.deepEqual(plan(of, [waiting(0, MINUTE)]).later, []))
  }

  test('not of what goes another way at once, nor of what is over its age and tried a last time', () => {
    const late = claim({ ageMs: 5 * HOUR })
    assert.deepEqual(plan(late, [{ ...waiting(0, MINUTE), lane: NOTICE_LANE }]).later, [])
    assert.deepEqual(plan({ ...late, expiresAt: SAMPLE_TIME - 1 }, [waiting(0, MINUTE)]).later, [])
  })
})

test('a delay is to be told once its time has come, once, and to somebody', () => {
  const isToTell = (of: NoticedClaim): boolean =>
    isDelayToTell(of, { now: SAMPLE_TIME, settings: defaultNoticeSettings })
  const late = claim({ ageMs: 4 * HOUR })
  assert.equal(isToTell(claim({ ageMs: 4 * HOUR - 1 })), false)
  assert.equal(isToTell(late), true)
  assert.equal(isToTell({ ...late, marks: { delayNoticeAt: SAMPLE_TIME } }), false)
  assert.equal(isToTell({ ...late, envelope: envelope({ reversePath: nullReversePath }) }), false)
})
