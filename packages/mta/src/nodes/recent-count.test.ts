import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RECENT_MS, RecentCount } from './recent-count.ts'

test('what was there before the first look is not counted', () => {
  assert.equal(new RecentCount().look(1_000, 0), 0)
})

test('what was added in the last minute is counted, what was added before is not', () => {
  const recent = new RecentCount()
  recent.look(0, 0)
  assert.equal(recent.look(10, 1_000), 10)
  assert.equal(recent.look(15, RECENT_MS), 15)
  assert.equal(recent.look(15, RECENT_MS + 1_000), 5)
  assert.equal(recent.look(15, 3 * RECENT_MS), 0)
})

test('looks at a total that only grows never answer less than nothing nor more than the total', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(1_000), fc.nat(5_000))), (steps) => {
      const recent = new RecentCount()
      let [total, at] = [0, 0]
      for (const [added, waited] of steps) {
        total += added
        at += waited
        const lately = recent.look(total, at)
        assert.ok(lately >= 0 && lately <= total)
      }
    }),
  )
})
