import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ContentCache, ENTRY_BYTES } from './content-cache.ts'
import { newQueueId } from './queue-id.ts'

test('the oldest content makes room, and what was removed no longer counts', () => {
  const cache = new ContentCache(10 + 2 * ENTRY_BYTES)
  const [a, b, c, d] = [newQueueId(), newQueueId(), newQueueId(), newQueueId()]
  cache.put(a, Buffer.alloc(4))
  cache.put(b, Buffer.alloc(4))
  cache.put(c, Buffer.alloc(4))
  assert.deepEqual(
    [a, b, c].map((id) => cache.get(id)?.byteLength),
    [undefined, 4, 4],
  )
  cache.delete(b)
  cache.put(d, Buffer.alloc(6))
  assert.deepEqual(
    [c, d].map((id) => cache.get(id)?.byteLength),
    [4, 6],
  )
})

test('content larger than the cache displaces nothing', () => {
  const cache = new ContentCache(10 + ENTRY_BYTES)
  const [a, b] = [newQueueId(), newQueueId()]
  cache.put(a, Buffer.alloc(4))
  cache.put(b, Buffer.alloc(11))
  assert.equal(cache.get(a)?.byteLength, 4)
  assert.equal(cache.get(b), undefined)
})
