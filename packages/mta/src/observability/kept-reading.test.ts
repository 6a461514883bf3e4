import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeptReading } from './kept-reading.ts'

function world(takesMs: number) {
  const clock = { now: 1_000 }
  let readings = 0
  const kept = new KeptReading({
    read: async () => {
      readings += 1
      clock.now += takesMs
    },
    monotonic: () => clock.now,
    patienceMs: 1,
  })
  return { clock, kept, readings: () => readings }
}

for (const [takesMs, keptMs] of [
  [1, 5_000],
  [1_000, 20_000],
  [60_000, 120_000],
] as const) {
  test(`a reading that takes ${takesMs} ms is kept for ${keptMs} ms`, async () => {
    const { clock, kept, readings } = world(takesMs)
    assert.equal(kept.ageMs, undefined)
    await kept.fresh()
    clock.now += keptMs
    await kept.fresh()
    assert.deepEqual([readings(), kept.ageMs], [1, keptMs])
    clock.now += 1
    await kept.fresh()
    assert.equal(readings(), 2)
  })
}

test('the first reading is waited for; a later one that takes long leaves the one before, with its age', async () => {
  const waiting: (() => void)[] = []
  const clock = { now: 0 }
  const read = (): Promise<void> => new Promise((resolve) => waiting.push(resolve))
  const kept = new KeptReading({ read, monotonic: () => clock.now, patienceMs: 1 })
  const first = kept.fresh()
  const together = kept.fresh()
  assert.equal(waiting.length, 1)
  waiting[0]?.()
  await Promise.all([first, together])
  clock.now = 10_000
  await kept.fresh()
  await kept.fresh()
  assert.deepEqual([waiting.length, kept.ageMs], [2, 10_000])
  waiting[1]?.()
})
