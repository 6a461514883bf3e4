import assert from 'node:assert/strict'
import { test } from 'node:test'
import { historyLimit } from './limit.ts'

const MIB = 1024 ** 2

test('the history takes what is configured, and never more than a tenth of what the disk could give', () => {
  for (const [maxBytes, usedBytes, diskFreeBytes, limit, why] of [
    [100, 0, 10_000, 100, 'a roomy disk'],
    [100, 50, 150, 20, 'a disk that fills up takes back what the history has'],
    [100, 0, 0, 0, 'a full disk leaves nothing'],
    [100, 90, undefined, 100, 'a disk that cannot be asked'],
  ] as const) {
    const facts = { maxBytes: maxBytes * MIB, usedBytes: usedBytes * MIB }
    const free = diskFreeBytes === undefined ? undefined : diskFreeBytes * MIB
    assert.equal(historyLimit({ ...facts, diskFreeBytes: free }), limit * MIB, why)
  }
})
