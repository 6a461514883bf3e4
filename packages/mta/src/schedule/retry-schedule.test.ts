import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { covers } from '../../../../test/conformance/covers.ts'
import {
  type AttemptSoFar,
  afterAmbiguous,
  attemptsWithin,
  defaultRetryOptions,
  laneBackoffMs,
  messageExpiry,
  nextAttempt,
} from './retry-schedule.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const first: AttemptSoFar = { now: 0, expiresAt: 5 * DAY, attempts: 1, pace: 'steady', chance: 0 }

describe('RFC 5321 §4.5.4.1: when to try again', () => {
  test('SMTP-53: the steady interval is never under 30 minutes', () => {
    covers('SMTP-53', { observe: 'pure' })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempts, chance) => {
          const next = nextAttempt({ ...first, attempts, chance })
          assert.ok(next.kind === 'retry' && next.dueAt >= 30 * MINUTE)
        },
      ),
    )
  })

  test('SMTP-53: a problem of the network is tried sooner three times, then steadily', () => {
    covers('SMTP-53', { observe: 'pure' })
    const delays = [1, 2, 3, 4, 5].map((attempts) => nextAttempt({ ...first, attempts, pace: 'quick' }))
    assert.deepEqual(
      delays.map((next) => (next.kind === 'retry' ? next.dueAt / MINUTE : undefined)),
      [5, 10, 20, 30, 39],
    )
  })

  test('greylisting is tried sooner twice, then steadily', () => {
    const delays = [1, 2, 3, 4].map((attempts) => nextAttempt({ ...first, attempts, pace: 'greylisted' }))
    assert.deepEqual(
      delays.map((next) => (next.kind === 'retry' ? next.dueAt / MINUTE : undefined)),
      [6, 15, 30, 39],
    )
  })

  test('SMTP-53: with a clock that runs through the schedule a message is tried for five days and then given up', () => {
    covers('SMTP-53', { observe: 'pure' })
    let now = 0
    let attempts = 0
    for (;;) {
      attempts += 1
      const next = nextAttempt({ ...first, now, attempts, pace: 'quick', chance: 0.5 })
      if (next.kind === 'expired') break
      assert.ok(next.dueAt > now && next.dueAt - now <= 3.3 * 60 * MINUTE)
      now = next.dueAt
    }
    assert.equal(now, 5 * DAY)
    assert.ok(attempts > 40 && attempts < 100, `${attempts} attempts`)
  })

  test('the last attempt comes at the expiry, not after it', () => {
    assert.deepEqual(nextAttempt({ ...first, now: 5 * DAY - MINUTE }), { kind: 'retry', dueAt: 5 * DAY })
  })

  test('a message that is over its age is not tried again', () => {
    assert.deepEqual(nextAttempt({ ...first, now: 5 * DAY }), { kind: 'expired' })
  })

  test('chance only ever delays, by at most a tenth', () => {
    const next = nextAttempt({ ...first, chance: 0.999 })
    assert.ok(next.kind === 'retry' && next.dueAt > 30 * MINUTE && next.dueAt <= 33 * MINUTE)
  })

  test('every number can be set', () => {
    const next = nextAttempt({ ...first, pace: 'quick' }, { ...defaultRetryOptions, quickMs: [7], jitter: 0 })
    assert.deepEqual(next, { kind: 'retry', dueAt: 7 })
  })
})

describe('RFC 5321 §4.5.4.1: when to give up', () => {
  test('SMTP-53: after five days', () => {
    covers('SMTP-53', { observe: 'pure' })
    assert.equal(messageExpiry({ receivedAt: 1000, nullReversePath: false }), 1000 + 5 * DAY)
  })

  test('a notification sooner', () => {
    assert.equal(messageExpiry({ receivedAt: 1000, nullReversePath: true }), 1000 + 2 * DAY)
  })
})

describe('RFC 5321 §3.8: after a connection that was lost behind the final dot', () => {
  test('no sooner than 15 minutes', () => {
    const next = afterAmbiguous({ now: 0, ambiguousCount: 1, chance: 0 })
    assert.deepEqual(next, { kind: 'retry', dueAt: 15 * MINUTE })
  })

  test('held after the third', () => {
    assert.deepEqual(afterAmbiguous({ now: 0, ambiguousCount: 2, chance: 0 }).kind, 'retry')
    assert.deepEqual(afterAmbiguous({ now: 0, ambiguousCount: 3, chance: 0 }), { kind: 'hold' })
  })
})

test('a lane whose hosts are all dead rests longer each time, up to a quarter of an hour', () => {
  const rests = [1, 2, 3, 4, 5, 6, 100].map((failures) => laneBackoffMs({ failures, chance: 0 }) / MINUTE)
  assert.deepEqual(rests, [1, 2, 4, 8, 15, 15, 15])
})

test('as many attempts fit into the age of a message as the quickest end of each allows', () => {
  const options = {
    ...defaultRetryOptions,
    ...{ quickMs: [1_000], greylistedMs: [2_000, 3_000], intervalMs: 10_000, intervalGrowth: 1, ambiguousMax: 0 },
  }
  assert.equal(attemptsWithin(1, 100, options), 2)
  // 1 s, then 3 s, then 10 s each.
  assert.equal(attemptsWithin(4_000, 100, options), 3)
  assert.equal(attemptsWithin(14_000, 100, options), 4)
  assert.equal(attemptsWithin(1_000_000, 5, options), 5)
})
