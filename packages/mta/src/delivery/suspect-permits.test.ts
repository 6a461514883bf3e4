import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLocalPermits } from '../limits/adapters/local-permits.ts'
import type { SiteId } from '../limits/permits.ts'
import type { LaneId } from './lane.ts'
import { SuspectPermits } from './suspect-permits.ts'

const SITE = 'mx.example.test:25' as SiteId
const LANE = 'mx:example.test:25' as LaneId

function held(patienceMs = 5_000) {
  const permits = createLocalPermits({ perSite: 1 })
  return { permits, child: new SuspectPermits({ permits, lane: LANE, patienceMs }) }
}

test('a child that waits in line gets the next permit', async () => {
  const { permits, child } = held()
  const other = await permits.acquire(SITE)
  const asked = child.acquire(SITE)
  other?.release('good')
  assert.equal(await asked, 1)
  assert.equal(await permits.acquire(SITE), undefined)
  child.release(1, 'good')
  assert.ok((await permits.acquire(SITE)) !== undefined)
})

test('it waits no longer than its patience; a call that comes later is passed on', async () => {
  const { permits, child } = held(5)
  const other = await permits.acquire(SITE)
  assert.equal(await child.acquire(SITE), undefined)
  let called = 0
  const onFree = (): void => {
    called += 1
  }
  assert.equal(await permits.acquire(SITE, onFree), undefined)
  other?.release('good')
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(called, 1)
})

test('what a child holds when it dies comes back, and what it waited for is not taken any more', async () => {
  const { permits, child } = held()
  assert.equal(await child.acquire(SITE), 1)
  const second = child.acquire(SITE)
  child.close()
  assert.equal(await second, undefined)
  assert.equal(await child.pace(1, { transactions: 1, patienceMs: 0 }), undefined)
  assert.ok((await permits.acquire(SITE)) !== undefined)
})

test('a permit that was lost paces nothing', async () => {
  let isHeld = true
  const permits = createLocalPermits({ perSite: 1 })
  const losing = {
    acquire: async (site: SiteId) => {
      const permit = await permits.acquire(site)
      return permit && { ...permit, isHeld: () => isHeld }
    },
  }
  const child = new SuspectPermits({ permits: losing, lane: LANE })
  assert.equal(await child.acquire(SITE), 1)
  assert.deepEqual(await child.pace(1, { transactions: 1, patienceMs: 0 }), { kind: 'go', afterMs: 0 })
  isHeld = false
  assert.equal(await child.pace(1, { transactions: 1, patienceMs: 0 }), undefined)
})
