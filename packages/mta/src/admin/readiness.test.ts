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
