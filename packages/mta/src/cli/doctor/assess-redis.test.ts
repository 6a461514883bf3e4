import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assessRedis } from './assess-redis.ts'
import type { RedisFacts } from './facts.ts'

const GOOD: Extract<RedisFacts, { readonly kind: 'asked' }> = {
  ...{ kind: 'asked', place: 'redis://127.0.0.1:6379', verdict: 'durable', wanted: 'strict', findings: [] },
  ...{ memory: { usedBytes: 1_000, maxBytes: 1_000_000 }, answerMs: [0.1, 0.2, 0.9] },
}
const WEAK = { verdict: 'weak', findings: ['appendfsync is everysec, not always'] } as const

const grades = (facts: RedisFacts): readonly string[] => assessRedis(facts).map(({ grade }) => grade)

describe('Redis, as doctor sees it', () => {
  for (const [rule, facts, expected] of [
    ['a durable one is fine', GOOD, ['ok', 'ok', 'ok']],
    ['a weak one does not do for strict', { ...GOOD, ...WEAK }, ['fail', 'ok', 'ok']],
    ['a weak one is told about for relaxed', { ...GOOD, ...WEAK, wanted: 'relaxed' }, ['warn', 'ok', 'ok']],
    ['a replica never does', { ...GOOD, verdict: 'unusable', wanted: 'relaxed' }, ['fail', 'ok', 'ok']],
    ['a slow one is told about', { ...GOOD, answerMs: [9, 9, 9] }, ['ok', 'warn', 'ok']],
    ['one without a limit is told about', { ...GOOD, memory: undefined }, ['ok', 'ok', 'warn']],
    [
      'one that is nearly full is told about',
      { ...GOOD, memory: { usedBytes: 8, maxBytes: 10 } },
      ['ok', 'ok', 'warn'],
    ],
    ['one that cannot be reached fails', { kind: 'unreachable', place: 'redis://x', detail: 'ECONNREFUSED' }, ['fail']],
  ] as const) {
    test(rule, () => assert.deepEqual(grades(facts), expected))
  }

  test('what is missing stands in the finding', () => {
    const [durability] = assessRedis({ ...GOOD, ...WEAK })
    assert.match(durability?.found ?? '', /the relay does not start: appendfsync is everysec, not always/)
  })
})
