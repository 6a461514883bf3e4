import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Gate } from './gate.ts'

test('no more than its size runs at once, the others follow in order, failures included', async () => {
  const gate = new Gate(2)
  const started: number[] = []
  const finish: (() => void)[] = []
  const runs = [0, 1, 2, 3].map((index) =>
    gate.run(async () => {
      started.push(index)
      await new Promise<void>((resolve) => finish.push(resolve))
      if (index === 0) throw new Error('expected')
      return index
    }),
  )
  const outcomes = Promise.allSettled(runs)
  await turn()
  assert.deepEqual(started, [0, 1])
  finish[0]?.()
  await turn()
  assert.deepEqual(started, [0, 1, 2])
  finish[1]?.()
  finish[2]?.()
  await turn()
  finish[3]?.()
  assert.deepEqual(
    (await outcomes).map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : 'failed')),
    ['failed', 1, 2, 3],
  )
})

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
