import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { adapted, newAdaptiveLimit, permitsAllowed } from './adaptive.ts'
import type { PermitFeedback } from './permits.ts'

const feedbacks = fc.array(fc.constantFrom<PermitFeedback>('good', 'failed', 'unused'), { maxLength: 300 })

describe('the limit that follows what a site bears', () => {
  test('stays between one and the ceiling, in whole thousandths, whatever comes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 100 }), feedbacks, (a, b, all) => {
        const [initial, ceiling] = [Math.min(a, b), Math.max(a, b)]
        let state = newAdaptiveLimit(initial)
        for (const feedback of all) {
          state = adapted(state, { feedback, round: state.round }, ceiling)
          assert.ok(Number.isInteger(state.limitMilli))
          const allowed = permitsAllowed(state, ceiling)
          assert.ok(allowed >= 1 && allowed <= ceiling)
        }
      }),
    )
  })

  test('an unused permit says nothing', () => {
    const state = newAdaptiveLimit(5)
    assert.deepEqual(adapted(state, { feedback: 'unused', round: 0 }, 20), state)
  })

  test('a failure of an earlier round says nothing', () => {
    const state = { limitMilli: 4_000, round: 3 }
    assert.deepEqual(adapted(state, { feedback: 'failed', round: 2 }, 20), state)
    assert.deepEqual(adapted(state, { feedback: 'failed', round: 3 }, 20), { limitMilli: 2_000, round: 4 })
  })
})
