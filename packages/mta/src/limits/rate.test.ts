import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type ArrivalTime, pace, type Rate } from './rate.ts'

const rates = fc.record({
  transactions: fc.integer({ min: 1, max: 1_000 }),
  perMs: fc.integer({ min: 1, max: 3_600_000 }),
  burst: fc.integer({ min: 1, max: 50 }),
})
const gapsUs = fc.array(fc.integer({ min: 0, max: 5_000_000 }), { minLength: 1, maxLength: 60 })

/** When each of the transactions may begin (ms), asked for one after the other with these gaps. */
function beginnings(rate: Rate, gaps: readonly number[]): readonly number[] {
  let arrival: ArrivalTime = 0
  let nowUs = 1_000_000
  return gaps.map((gap) => {
    nowUs += gap
    const answer = pace(rate, { arrival, nowUs }, { transactions: 1, patienceMs: Number.POSITIVE_INFINITY })
    arrival = answer.arrival
    assert.equal(answer.pace.kind, 'go')
    return answer.pace.kind === 'go' ? nowUs / 1_000 + answer.pace.afterMs : Number.NaN
  })
}

describe('the rate of a site', () => {
  test('no more than the burst and one per interval begin in any time', () => {
    fc.assert(
      fc.property(rates, gapsUs, (rate, gaps) => {
        const interval = rate.perMs / rate.transactions
        const times = beginnings(rate, gaps)
        for (const [first, from] of times.entries())
          for (const [last, to] of times.entries()) {
            if (last <= first) continue
            const allowed = rate.burst + (to - from) / interval
            // Waits are whole milliseconds, intervals whole microseconds.
            const slack = 1 + (1 + 0.001 * gaps.length) / interval
            assert.ok(last - first + 1 <= allowed + slack, `${last - first + 1} in ${to - from} ms`)
          }
      }),
    )
  })

  test('who asks more seldom than the rate never waits', () => {
    fc.assert(
      fc.property(rates, fc.integer({ min: 1, max: 40 }), (rate, count) => {
        const gap = Math.ceil((rate.perMs * 1_000) / rate.transactions) + 1
        const gaps = Array.from({ length: count }, () => gap)
        const asked = gaps.map((_, at) => (1_000_000 + gap * (at + 1)) / 1_000)
        assert.deepEqual(beginnings(rate, gaps), asked)
      }),
    )
  })

  test('an impatient ask changes nothing', () => {
    fc.assert(
      fc.property(rates, fc.integer({ min: 0, max: 2 ** 50 }), (rate, arrival) => {
        const answer = pace(rate, { arrival, nowUs: 1_000 }, { transactions: 1, patienceMs: 0 })
        if (answer.pace.kind === 'later') assert.equal(answer.arrival, arrival)
      }),
    )
  })
})
