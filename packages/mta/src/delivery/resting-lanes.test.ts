import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { parseDomainName } from '@hermetic/policy'
import { type LaneId, laneId } from './lane.ts'
import type { DeliveryProblem } from './outcome.ts'
import { RestingLanes } from './resting-lanes.ts'

const PROBLEM: DeliveryProblem = {
  ...{ cause: { kind: 'connect-failed', code: 'ECONNREFUSED' }, status: '4.4.1', permanence: 'transient' },
  ...{ fault: 'network', scope: 'host', at: 0 },
}

function mx(name: string): LaneId {
  const domain = parseDomainName(name)
  assert.ok(domain.ok)
  return laneId({ kind: 'mx', nextHop: { kind: 'name', name: domain.value }, port: 25 })
}

const LANE = mx('example.test')
let now = 0
let lanes: RestingLanes

beforeEach(() => {
  now = 0
  lanes = new RestingLanes(() => now)
})

function failed(lane: LaneId, backoffUntil?: number): void {
  const until = backoffUntil === undefined ? {} : { backoffUntil }
  lanes.heard({ event: 'next-hop-failed', lane, nextHop: 'example.test', problem: PROBLEM, messages: 1, ...until })
}

test('a rest is told with its reason until its time is over', () => {
  failed(LANE, 1_000)
  assert.deepEqual(lanes.restOf(LANE), { problem: PROBLEM, until: 1_000 })
  assert.equal(lanes.restOf(mx('other.test')), undefined)
  now = 1_000
  assert.equal(lanes.restOf(LANE), undefined)
})

test('a failure for good is no rest, and ends one', () => {
  failed(LANE, 1_000)
  failed(LANE)
  assert.equal(lanes.restOf(LANE), undefined)
})

test('ten thousand lanes are remembered, the latest ones', () => {
  for (let count = 0; count <= 10_000; count += 1) failed(mx(`d${count}.test`), 1_000)
  assert.equal(lanes.restOf(mx('d0.test')), undefined)
  assert.ok(lanes.restOf(mx('d1.test')) !== undefined)
})
