import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLocalPermits } from '../limits/adapters/local-permits.ts'
import type { SiteId } from '../limits/permits.ts'
import type { LaneId } from './lane.ts'
import { PARKED_MS, WaitingLanes } from './waiting-lanes.ts'

const SITE = 'mx.test:25' as SiteId
const [A, B] = ['mx:a.test:25' as LaneId, 'mx:b.test:25' as LaneId]

function waitingLanes() {
  let now = 0
  const woken: LaneId[] = []
  const lanes = new WaitingLanes({
    permits: createLocalPermits({ perSite: 1 }),
    monotonic: () => now,
    wake: (lane) => woken.push(lane),
  })
  return { lanes, woken, pass: (ms: number) => (now += ms) }
}

test('a lane without a permit waits until one is free, and is woken then', async () => {
  const { lanes, woken } = waitingLanes()
  const permit = await lanes.acquire(A, SITE, { wait: true })
  assert.equal(await lanes.acquire(B, SITE, { wait: true }), undefined)
  assert.equal(lanes.remainingMs(B), PARKED_MS)
  permit?.release('good')
  assert.deepEqual(woken, [B])
  assert.equal(lanes.remainingMs(B), 0)
  assert.ok(await lanes.acquire(B, SITE, { wait: true }))
})

test('asking again after the wait keeps one place in the line', async () => {
  const { lanes, woken, pass } = waitingLanes()
  const permit = await lanes.acquire(A, SITE, { wait: true })
  for (let times = 0; times < 3; times += 1) {
    assert.equal(await lanes.acquire(B, SITE, { wait: true }), undefined)
    pass(PARKED_MS)
    assert.equal(lanes.remainingMs(B), 0)
  }
  permit?.release('good')
  const second = await lanes.acquire(A, SITE, { wait: true })
  second?.release('good')
  assert.deepEqual(woken, [B])
})

test('one more worker of a lane does not wait', async () => {
  const { lanes, woken } = waitingLanes()
  const permit = await lanes.acquire(A, SITE, { wait: true })
  assert.equal(await lanes.acquire(A, SITE, { wait: false }), undefined)
  assert.equal(lanes.remainingMs(A), 0)
  permit?.release('good')
  assert.deepEqual(woken, [])
})

test('a lane whose mail has gone is forgotten a while after it waited, and lanes that wait are counted by limit', async () => {
  const { lanes, pass } = waitingLanes()
  await lanes.acquire(A, SITE, { wait: true })
  await lanes.acquire(B, SITE, { wait: true })
  lanes.pause(A, SITE, 1_000)
  assert.deepEqual(lanes.counts(), { connections: 1, rate: 1 })
  assert.deepEqual(lanes.waitOf(A), { site: SITE, limit: 'rate' })
  pass(PARKED_MS)
  assert.equal(lanes.waitOf(B), undefined)
  assert.deepEqual(lanes.counts(), { connections: 0, rate: 0 })
  assert.equal(lanes.size, 2)
  pass(60_000)
  lanes.counts()
  assert.equal(lanes.size, 0)
})
