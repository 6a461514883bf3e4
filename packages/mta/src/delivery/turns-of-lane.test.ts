import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LaneId } from './lane.ts'
import { TurnsOfLanes } from './turns-of-lane.ts'

const LANE = 'mx:example.com:25' as LaneId
const OTHER = 'mx:example.net:25' as LaneId

test('a turn whose claim was full wants another worker, until a claim of its lane finds less', () => {
  const turns = new TurnsOfLanes()
  const [first, second, elsewhere] = [turns.begin(LANE), turns.begin(LANE), turns.begin(OTHER)]
  first.claimed(true)
  elsewhere.claimed(true)
  assert.equal(first.wantsAnother, false, 'the second is about to find out')
  second.claimed(true)
  assert.deepEqual([first.wantsAnother, second.wantsAnother], [true, true])
  second.asks()
  assert.equal(first.wantsAnother, false)
  second.claimed(false)
  assert.deepEqual([first.wantsAnother, second.wantsAnother], [false, false], 'it took all there was')
  assert.equal(elsewhere.wantsAnother, true, 'another lane knows nothing of it')
  first.asks()
  first.claimed(true)
  assert.deepEqual([first.wantsAnother, second.wantsAnother], [true, false], 'more has come since')
})

test('a turn that ends before its claim keeps nobody back, and a lane without turns is forgotten', () => {
  const turns = new TurnsOfLanes()
  const [first, second] = [turns.begin(LANE), turns.begin(LANE)]
  first.claimed(true)
  second.end()
  assert.equal(first.wantsAnother, true)
  assert.equal(turns.size, 1)
  first.end()
  assert.equal(turns.size, 0)
})
