import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { clockSkew, isOutOfStep, SKEW_MS_MAX } from './clock-skew.ts'

for (const [rule, reading, expected] of [
  ['equal clocks', { askedAt: 1_000, answeredAt: 1_004, storeTime: 1_002 }, { skewMs: 0, uncertaintyMs: 2 }],
  ['a node ahead', { askedAt: 9_000, answeredAt: 9_000, storeTime: 4_000 }, { skewMs: 5_000, uncertaintyMs: 0 }],
  ['a node behind', { askedAt: 1_000, answeredAt: 1_010, storeTime: 8_005 }, { skewMs: -7_000, uncertaintyMs: 5 }],
  [
    'a clock set back meanwhile',
    { askedAt: 9_000, answeredAt: 2_000, storeTime: 9_000 },
    { skewMs: 0, uncertaintyMs: 0 },
  ],
] as const) {
  test(`${rule}`, () => assert.deepEqual(clockSkew(reading), expected))
}

test('the limit is passed only when it surely is, whichever way', () => {
  assert.equal(isOutOfStep({ skewMs: SKEW_MS_MAX, uncertaintyMs: 0 }), false)
  assert.equal(isOutOfStep({ skewMs: SKEW_MS_MAX + 1, uncertaintyMs: 0 }), true)
  assert.equal(isOutOfStep({ skewMs: -SKEW_MS_MAX - 1, uncertaintyMs: 0 }), true)
  assert.equal(isOutOfStep({ skewMs: SKEW_MS_MAX + 100, uncertaintyMs: 150 }), false)
})

test('the true skew is never further away than the uncertainty, however long each way takes', () => {
  const ms = fc.integer({ min: 0, max: 10_000 })
  fc.assert(
    fc.property(fc.integer({ min: -100_000, max: 100_000 }), ms, ms, (skew, there, back) => {
      const askedAt = 1_000_000
      const reading = { askedAt, answeredAt: askedAt + there + back, storeTime: askedAt + there - skew }
      const { skewMs, uncertaintyMs } = clockSkew(reading)
      assert.ok(Math.abs(skewMs - skew) <= uncertaintyMs + 1)
    }),
  )
})
