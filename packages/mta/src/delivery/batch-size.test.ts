import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { FIRST_BATCH, nextBatchSize } from './batch-size.ts'

describe('the size of a batch', () => {
  for (const [rule, size, tookMs, expected] of [
    ['doubles for a fast peer', 10, 20, 20],
    ['ends at the most', 40, 20, 50],
    ['stays when it is right', 20, 500, 20],
    ['halves for a slow peer', 20, 4_000, 10],
    ['keeps enough for pipelining', 4, 60_000, 4],
  ] as const) {
    test(rule, () => assert.equal(nextBatchSize(size, { tookMs, max: 50 }), expected))
  }

  test('is never nothing and never over the most, whatever is measured', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(100_000)), fc.integer({ min: 1, max: 500 }), (times, max) => {
        let size = Math.min(FIRST_BATCH, max)
        for (const tookMs of times) {
          size = nextBatchSize(size, { tookMs, max })
          assert.ok(size >= 1 && size <= max)
        }
      }),
    )
  })
})
