import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configOf } from '../config/config-lab.ts'
import { tell } from './telling.ts'

test('what the start has told before there is a queue to count is counted too, once', async () => {
  const telling = tell(configOf(''), { version: 'test', logStream: { write: () => undefined } })
  telling.emit({ event: 'spool-durability-relaxed', findings: 'appendonly is no, not yes' })
  const metrics = telling.count({
    summary: () => Promise.reject(new Error('no queue')),
    health: () => ({ intake: 'open', claims: 'open', detail: '', usedBytes: 0, maxBytes: 1 }),
    policies: async () => undefined,
    now: Date.now,
  })
  const { text } = await metrics.scrape()
  assert.match(text, /^hermetic_spool_not_durable_total\{used="yes"\} 1$/m)
})
