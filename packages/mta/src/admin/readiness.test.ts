import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SKEW_MS_MAX } from '../nodes/clock-skew.ts'
import { type ReadinessFacts, readiness } from './readiness.ts'

const running: ReadinessFacts = {
  phase: 'running',
  store: { intake: 'open', claims: 'open', detail: '' },
  listeners: { wanted: 1, up: 1 },
  resolver: 'answers',
}

test('a draining relay is not ready, and says whether another one has its id', () => {
  assert.deepEqual(readiness({ ...running, phase: 'draining' }).reasons, ['the relay is draining'])
  const replaced = readiness({ ...running, phase: 'draining', replaced: true })
  assert.equal(replaced.ready, false)
  assert.deepEqual(replaced.reasons, ['the relay is draining: another one has its node id'])
})

test('a clock that is off keeps no work away, and is noted beyond the limit only', () => {
  for (const clockSkewMs of [undefined, 0, SKEW_MS_MAX, -SKEW_MS_MAX]) {
    assert.deepEqual(readiness({ ...running, clockSkewMs }), { ready: true, reasons: [], notes: [] })
  }
  const note = (clockSkewMs: number) => readiness({ ...running, clockSkewMs }).notes
  assert.deepEqual(note(4_960), ['the clock is 5.0 s ahead of the clock of Redis'])
  assert.deepEqual(note(-61_000), ['the clock is 61.0 s behind the clock of Redis'])
})

test('a full store keeps away only those who would take mail, and stopped claims only those who would deliver', () => {
  const store = { intake: 'full', claims: 'stopped', detail: 'at 96 %' } as const
  const facts = { ...running, store }
  assert.deepEqual(readiness({ ...facts, roles: ['submission'] }).reasons, [
    'no mail is accepted: the store is full (at 96 %)',
  ])
  assert.deepEqual(readiness({ ...facts, roles: ['delivery'] }).reasons, [
    'no mail is delivered: claims are stopped (at 96 %)',
  ])
  assert.deepEqual(readiness({ ...facts, roles: ['api'] }).reasons, [])
})

test('without name servers mail is taken, and not delivered', () => {
  const facts = { ...running, resolver: 'silent' } as const
  assert.deepEqual(readiness({ ...facts, roles: ['submission'] }).notes, ['no name server answers'])
  assert.equal(readiness({ ...facts, roles: ['submission'] }).ready, true)
  assert.equal(readiness({ ...facts, roles: ['submission', 'delivery'] }).ready, false)
})

test('what no node of the queue does is worth a note on every one', () => {
  const { ready, notes } = readiness({ ...running, roles: ['submission'], withoutNode: ['delivery'] })
  assert.equal(ready, true)
  assert.deepEqual(notes, ['no node delivers: mail waits (role delivery)'])
})
