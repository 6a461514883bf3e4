import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextPatienceEnd, RunningTurn, relieve, slotShares } from './running-turn.ts'

const unknown = { now: 0, silences: 0, knownToMove: false, urgent: false }

test('a lane that nobody knows has a second for a word; each silence before gives six times as long, the fifth as long as SMTP allows', () => {
  const ends = [0, 1, 2, 3, 4].map((silences) => new RunningTurn({ ...unknown, silences }).patienceEndsAt)
  assert.deepEqual(ends, [1_000, 6_000, 36_000, 216_000, Number.POSITIVE_INFINITY])
})

test('a word from a host, or progress, gives half a minute from then on', () => {
  const turn = new RunningTurn(unknown)
  turn.heard(500)
  assert.equal(turn.patienceEndsAt, 30_500)
  assert.equal(turn.wasSilent(40_000), false)
  assert.equal(turn.progressed(700), true)
  assert.equal(turn.progressed(800), false)
  assert.equal(turn.patienceEndsAt, 30_800)
  assert.equal(turn.moves(30_799), true)
  assert.equal(turn.moves(30_800), false)
})

test('as many turns are asked to yield as lanes wait, the longest silent first, and never twice', () => {
  const turns = [300, 100, 200].map((now) => new RunningTurn({ ...unknown, now }))
  const asked = (): readonly boolean[] => turns.map(({ yielding }) => yielding.aborted)
  relieve(turns, { waiting: 2, now: 1_000 })
  assert.deepEqual(asked(), [false, false, false])
  assert.equal(nextPatienceEnd(turns), 1_100)
  relieve(turns, { waiting: 1, now: 2_000 })
  assert.deepEqual(asked(), [false, true, false])
  relieve(turns, { waiting: 1, now: 2_000 })
  assert.deepEqual(asked(), [false, true, false])
  relieve(turns, { waiting: 5, now: 2_000 })
  assert.deepEqual(asked(), [true, true, true])
  assert.equal(nextPatienceEnd(turns), undefined)
})

test('every share of the slots lets one turn through, and few slots keep none for urgent mail', () => {
  assert.deepEqual(slotShares(1), { unproven: 1, silent: 1, ordinary: 1 })
  assert.deepEqual(slotShares(100), { unproven: 50, silent: 25, ordinary: 90 })
})
