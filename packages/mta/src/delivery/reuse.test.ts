import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tlsRequirement } from '@hermetic/policy'
import { type IdleFacts, reusable } from './reuse.ts'

const nothing = tlsRequirement('nothing')
const warm: IdleFacts = { usable: true, idleMs: 0, ageMs: 0, transactions: 1, requirement: nothing }

test('a warm connection that proved what is wanted may be used again', () => {
  assert.ok(reusable(warm, nothing))
})

for (const [what, facts] of [
  ['the peer ended', { usable: false }],
  ['waited too long', { idleMs: 10_000 }],
  ['is too old', { ageMs: 300_000 }],
  ['has carried its share', { transactions: 1_000 }],
] as const) {
  test(`not one that ${what}`, () => assert.ok(!reusable({ ...warm, ...facts }, nothing)))
}

test('not across requirements, in neither direction', () => {
  assert.ok(!reusable(warm, tlsRequirement('encrypted')))
  assert.ok(!reusable({ ...warm, requirement: tlsRequirement('pkix') }, tlsRequirement('encrypted')))
})
