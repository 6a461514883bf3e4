import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DueHeap } from './due-heap.ts'

test('whatever is pushed comes out in order of time', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 50 })), (times) => {
      const heap = new DueHeap<number>()
      for (const at of times) heap.push(at, at)
      const out: number[] = []
      for (let next = heap.pop(); next !== undefined; next = heap.pop()) out.push(next.at)
      assert.deepEqual(
        out,
        times.toSorted((a, b) => a - b),
      )
    }),
  )
})

test('pushes between pops keep the order', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer({ min: 0, max: 50 }))), (steps) => {
      const heap = new DueHeap<number>()
      const model: number[] = []
      for (const step of steps) {
        if (step === null) {
          model.sort((a, b) => a - b)
          assert.equal(heap.peek()?.at, model[0])
          assert.equal(heap.pop()?.at, model.shift())
        } else {
          heap.push(step, step)
          model.push(step)
        }
      }
    }),
  )
})
