import assert from 'node:assert/strict'
import { test } from 'node:test'
import { labEntry } from '../admin/queue-lab.ts'
import { messageText } from './queue-text.ts'

for (const [tls, shown] of [
  ['default', '7bit'],
  ['requiretls', '7bit, REQUIRETLS'],
  ['tls-optional', '7bit, TLS-Required: No'],
] as const) {
  test(`queue show tells what the sender wants of TLS: ${tls}`, () => {
    const entry = labEntry(1)
    const text = messageText({ ...entry, envelope: { ...entry.envelope, tls } }, { now: 1_500_000, width: undefined })
    assert.match(text, new RegExp(`^Content: .*, ${shown}$`, 'm'))
  })
}
