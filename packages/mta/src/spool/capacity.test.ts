import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { capacity, reserveBytes } from './capacity.ts'

const MIB = 1024 * 1024
const facts = { usedBytes: 0, pendingBytes: 0, reusableBytes: 0, maxBytes: 100, diskFreeBytes: 1000 }

for (const [rule, given, intake, claims] of [
  ['an empty store takes all', {}, 'open', 'open'],
  ['just below 85 % intake is open', { usedBytes: 84 }, 'open', 'open'],
  ['at 85 % intake stops, claims go on', { usedBytes: 85 }, 'full', 'open'],
  ['accepts under way count for intake', { usedBytes: 60, pendingBytes: 25 }, 'full', 'open'],
  ['accepts under way do not stop claims', { usedBytes: 60, pendingBytes: 40 }, 'full', 'open'],
  ['at 95 % claims stop too', { usedBytes: 95 }, 'full', 'stopped'],
  ['the disk is the limit when it has less', { usedBytes: 40, diskFreeBytes: 5 }, 'full', 'open'],
  ['a full disk stops claims', { usedBytes: 40, diskFreeBytes: 0 }, 'full', 'stopped'],
  ['free pages in the store count as room', { usedBytes: 40, diskFreeBytes: 0, reusableBytes: 60 }, 'open', 'open'],
  ['an unknown disk leaves the setting', { usedBytes: 40, diskFreeBytes: undefined }, 'open', 'open'],
] as const) {
  test(rule, () => {
    const { intake: i, claims: c } = capacity({ ...facts, ...given })
    assert.deepEqual([i, c], [intake, claims])
  })
}

test('claims never stop while intake is open', () => {
  const bytes = fc.nat({ max: 1000 })
  fc.assert(
    fc.property(
      bytes,
      bytes,
      bytes,
      bytes,
      bytes,
      (usedBytes, pendingBytes, reusableBytes, maxBytes, diskFreeBytes) => {
        const { intake, claims } = capacity({ usedBytes, pendingBytes, reusableBytes, maxBytes, diskFreeBytes })
        assert.ok(claims === 'open' || intake === 'full')
      },
    ),
  )
})

test('64 MiB are kept for settles, a sixteenth of a small store', () => {
  assert.equal(reserveBytes(10 * 1024 * MIB), 64 * MIB)
  assert.equal(reserveBytes(16 * MIB), MIB)
})
