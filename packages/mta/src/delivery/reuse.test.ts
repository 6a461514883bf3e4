import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LocalDemand, type ProofRequirement, tlsRequirement } from '@hermetic/policy'
import { type IdleFacts, reusable } from './reuse.ts'

const nothing = local('nothing')
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
  assert.ok(!reusable(warm, local('encrypted')))
  assert.ok(!reusable({ ...warm, requirement: local('pkix') }, local('encrypted')))
})

test('not under another policy, another pattern, or a policy that came or went', () => {
  const sts = { mode: 'testing', id: '1', matched: 'mx.example.test' } as const
  const proven = { ...warm, requirement: { ...nothing, sts } }
  assert.ok(reusable(proven, { ...nothing, sts: { ...sts } }))
  assert.ok(!reusable(proven, nothing))
  assert.ok(!reusable(warm, { ...nothing, sts }))
  assert.ok(!reusable(proven, { ...nothing, sts: { ...sts, id: '2' } }))
  assert.ok(!reusable(proven, { ...nothing, sts: { ...sts, matched: undefined } }))
})

function local(demand: LocalDemand): ProofRequirement {
  const requirement = tlsRequirement({ local: demand })
  assert(requirement.kind === 'prove')
  return requirement
}
