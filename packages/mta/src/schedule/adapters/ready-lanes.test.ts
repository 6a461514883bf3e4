import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReadyLanes } from './ready-lanes.ts'

const all = { unknown: true, silent: true }

test('the three lines take turns, and one that is held back holds back no other', () => {
  const lanes = new ReadyLanes<string>()
  for (const number of [1, 2]) {
    lanes.add(`moving${number}`, 'moving')
    lanes.add(`unknown${number}`, 'unknown')
    lanes.add(`silent${number}`, 'silent')
  }
  assert.deepEqual([lanes.size, lanes.held], [6, 4])
  const first = new Set([lanes.take(all), lanes.take(all), lanes.take(all)].map((lane) => lane?.slice(0, -1)))
  assert.deepEqual(first, new Set(['moving', 'unknown', 'silent']))
  assert.equal(lanes.take({ unknown: false, silent: false }), 'moving2')
  assert.equal(lanes.waits({ unknown: false, silent: false }), false)
  assert.equal(lanes.take({ unknown: false, silent: true }), 'silent2')
})

test('of the lanes that nobody knows the newest comes first, and each eighth time the oldest', () => {
  const lanes = new ReadyLanes<number>()
  for (let lane = 0; lane < 100; lane += 1) lanes.add(lane, 'unknown')
  const taken = Array.from({ length: 16 }, () => lanes.take(all))
  assert.deepEqual(taken, [99, 98, 97, 96, 95, 94, 93, 0, 92, 91, 90, 89, 88, 87, 86, 1])
})

test('a lane stands in line once, also after it was taken and came again', () => {
  const lanes = new ReadyLanes<string>()
  lanes.add('a', 'unknown')
  lanes.add('a', 'moving')
  assert.equal(lanes.size, 1)
  assert.equal(lanes.take(all), 'a')
  lanes.add('a', 'unknown')
  lanes.add('b', 'unknown')
  lanes.prove('a')
  lanes.remove('b')
  assert.equal(lanes.take(all), 'a')
  assert.equal(lanes.take(all), undefined)
})
