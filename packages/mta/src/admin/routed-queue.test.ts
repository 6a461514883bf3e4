/** Orders to many messages ask the store page by page: each question to a store far away costs a round trip. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { labEntry, labId, labQueue } from './queue-lab.ts'
import { routedQueue } from './routed-queue.ts'

for (const ask of ['expect', 'change'] as const) {
  test(`a re-route of many messages looks at a page of them at once, and never at all: ${ask}`, async () => {
    const entries = Array.from({ length: 150 }, (_, at) => labEntry(at))
    const queue = labQueue(entries)
    const asked: number[] = []
    let waiting = 0
    const show: typeof queue.show = async (id) => {
      waiting += 1
      await new Promise(setImmediate)
      if (waiting > 0) asked.push(waiting)
      waiting = 0
      return queue.show(id)
    }
    const routed = routedQueue({ ...queue, show }, { port: 25 })
    const ids = [...entries.map(({ id }) => id), labId(999)]
    const answered = await routed[ask](ids, { kind: 'reroute' })
    assert.deepEqual(asked, [64, 64, 23])
    assert.deepEqual(
      answered.map(({ id }) => id),
      ids,
    )
    assert.deepEqual(answered.at(-1), { id: labId(999), result: 'not-found' })
  })
}
