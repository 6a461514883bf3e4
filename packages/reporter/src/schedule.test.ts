import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { covers } from '../../../test/conformance/covers.ts'
import { DAY, domain, RECIPIENT } from './report.fixture.ts'
import { parseRua } from './rua.ts'
import { firstAttemptAt, forgottenAt, nextAttempt, RETRY_FOR_MS, SPREAD_MS, targetSite } from './schedule.ts'
import { dayClosesAt, dayEndsAt } from './utc-day.ts'

const HOUR = 3_600_000

test('RPT-97: reports of a day are spread over the hours after it, each at a time of its own', () => {
  covers('RPT-97', { observe: 'pure' })
  const times = Array.from({ length: 1000 }, (_, at) =>
    firstAttemptAt({ day: DAY, policyDomain: domain(`d${at}.example`), storeId: 's' }),
  )
  const after = times.map((time) => time - dayClosesAt(DAY))
  assert.ok(after.every((ms) => ms >= 1_000 && ms < 1_000 + SPREAD_MS))
  for (const hour of [0, 1, 2, 3]) {
    const within = after.filter((ms) => Math.floor((ms - 1_000) / HOUR) === hour).length
    assert.ok(within > 180 && within < 320, `hour ${hour}: ${within} of 1000`)
  }
  const one = { day: DAY, policyDomain: RECIPIENT, storeId: 's' }
  assert.equal(firstAttemptAt(one), firstAttemptAt({ ...one }), 'every node computes the same')
  assert.notEqual(firstAttemptAt(one), firstAttemptAt({ ...one, storeId: 't' }))
})

test('RPT-101: the gaps between attempts grow, and a day after the first it is given up', () => {
  covers('RPT-101', { observe: 'pure' })
  for (const random of [0, 0.5, 1]) {
    const gaps: number[] = []
    let now = 0
    for (let attempts = 1; ; attempts += 1) {
      const next = nextAttempt({ attempts, firstAttemptAt: 0, now, random })
      if (next.kind === 'give-up') break
      gaps.push(next.at - now)
      now = next.at
    }
    assert.equal(now, RETRY_FOR_MS, 'the last attempt is a day after the first')
    const growing = gaps.slice(0, 6)
    assert.ok(growing.every((gap, at) => at === 0 || gap > (growing[at - 1] ?? 0) * 1.5))
    assert.ok(gaps.length < 15 && Math.max(...gaps) <= 4.4 * HOUR)
  }
})

test('an attempt is never planned for the past or beyond the day', () => {
  const attempt = fc.record({
    attempts: fc.integer({ min: 1, max: 10_000 }),
    now: fc.integer({ min: 0, max: 2 * RETRY_FOR_MS }),
    random: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  fc.assert(
    fc.property(attempt, (one) => {
      const next = nextAttempt({ ...one, firstAttemptAt: 0 })
      assert.equal(next.kind, one.now < RETRY_FOR_MS ? 'retry' : 'give-up')
      assert.ok(next.kind === 'give-up' || (next.at > one.now && next.at <= RETRY_FOR_MS))
    }),
  )
})

test('what is kept of a day outlives every attempt to send it, and ends two days after it', () => {
  assert.equal(forgottenAt(DAY), dayEndsAt(DAY) + 48 * HOUR)
  assert.ok(forgottenAt(DAY) > dayClosesAt(DAY) + 1_000 + SPREAD_MS + RETRY_FOR_MS)
})

test('reports are counted by the mail domain or the host that they burden', () => {
  for (const [uri, site] of [
    ['mailto:tls@r.example', 'r.example'],
    ['https://Collect.example:8443/x', 'collect.example'],
  ] as const) {
    const rua = parseRua(uri)
    assert.ok(rua.ok)
    assert.equal(targetSite(rua.value), site)
  }
})
