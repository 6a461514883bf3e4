import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type NoticeMoments, noticeMoment } from './notice-moment.ts'

const MOMENTS: NoticeMoments = { firstMs: 15_000, gapMaxMs: 900_000 }
const ARRIVED = 1_000_000

function momentAt(ageMs: number, moments = MOMENTS): number {
  return noticeMoment({ receivedAt: ARRIVED, now: ARRIVED + ageMs }, moments) - ARRIVED
}

describe('the moments of a message', () => {
  for (const [age, moment] of [
    [0, 15_000],
    [15_000, 15_000],
    [15_001, 30_000],
    [40_000, 60_000],
    [900_000, 960_000],
    [960_001, 1_860_000],
    [4_000_000, 4_560_000],
    [-5, 15_000],
  ] as const) {
    test(`what is known at ${age} ms is told at ${moment} ms`, () => assert.equal(momentAt(age), moment))
  }

  test('nobody waits longer than the message has waited, or than the first moment, or than the longest gap', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2_000_000_000 }),
        fc.integer({ min: 1, max: 60_000 }),
        fc.integer({ min: 60_000, max: 3_600_000 }),
        (age, firstMs, gapMaxMs) => {
          const wait = momentAt(age, { firstMs, gapMaxMs }) - age
          assert.ok(wait >= 0 && wait <= Math.max(firstMs, Math.min(age, gapMaxMs)), `${wait} ms at ${age} ms`)
        },
      ),
    )
  })

  test('a moment is its own moment, so lanes that end between two meet', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 500_000_000 }), (age) => {
        const moment = momentAt(age)
        assert.equal(momentAt(moment), moment)
        assert.equal(momentAt(age + Math.floor((moment - age) / 2)), moment)
      }),
    )
  })

  test('five days have few of them', () => {
    const moments = new Set(Array.from({ length: 43_200 }, (_, n) => momentAt(n * 10_000)))
    assert.ok(moments.size < 490, `${moments.size}`)
    const firstHour = [...moments].filter((moment) => moment <= 3_600_000)
    assert.ok(firstHour.length < 12, `${firstHour.length}`)
  })
})
