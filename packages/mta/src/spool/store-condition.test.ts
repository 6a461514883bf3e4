import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreCondition } from './store-condition.ts'

const MIB = 1024 * 1024

function full(maxBytes: number, diskFreeBytes: number, usedBytes: number): string {
  const condition = new StoreCondition(
    maxBytes,
    () => 0,
    () => undefined,
  )
  condition.space({ usedBytes, diskFreeBytes })
  const { intake, detail } = condition.health()
  assert.equal(intake, 'full')
  return detail
}

test('a store that is full because of its disk says so', () => {
  assert.match(full(1024 * MIB, 0, MIB), /^1048576 of 1048576 bytes used; the disk has 0 bytes free$/)
})

test('a store that is full by its own limit does not', () => {
  assert.match(full(MIB, 1024 * MIB, MIB), /^1048576 of 1048576 bytes used$/)
})
