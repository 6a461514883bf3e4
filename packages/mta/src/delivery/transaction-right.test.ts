import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createLocalPermits } from '../limits/adapters/local-permits.ts'
import type { Permit, SiteId } from '../limits/permits.ts'
import { TransactionRight } from './transaction-right.ts'

const SITE = 'mx.example.test:25' as SiteId
/** One at once, then one an hour. */
const SLOW = { transactions: 1, perMs: 3_600_000, burst: 1 } as const
/** One at once, then one in 20 ms. */
const QUICK = { transactions: 50, perMs: 1_000, burst: 1 } as const

async function permitFor(rate?: typeof SLOW | typeof QUICK): Promise<Permit> {
  const permit = await createLocalPermits(rate === undefined ? {} : { rate }).acquire(SITE)
  assert.ok(permit !== undefined)
  return permit
}

function rightOf(permit: Permit | undefined, { signal = new AbortController().signal, others = false } = {}) {
  const later: number[] = []
  const context = { signal, othersWaiting: () => others }
  return { right: new TransactionRight({ permit, context, onLater: (_, ms) => later.push(ms) }), later }
}

describe('the right to begin transactions', () => {
  test('lasts as long as the permit; a turn that lost it has more to do', async () => {
    const permit = await permitFor()
    const { right } = rightOf(permit)
    assert.equal(await right.begin(), true)
    permit.release('good')
    assert.equal(right.goesOn, false)
    assert.equal(await right.begin(), false)
    assert.deepEqual(right.end, { kind: 'more' })
  })

  test('waits for a place that comes soon', async () => {
    const { right } = rightOf(await permitFor(QUICK))
    const startedAt = performance.now()
    assert.deepEqual([await right.begin(), await right.begin()], [true, true])
    assert.ok(performance.now() - startedAt >= 15)
  })

  test('for a place that comes late the lane is parked until then', async () => {
    const { right } = rightOf(await permitFor(SLOW))
    assert.deepEqual([await right.begin(), await right.begin()], [true, false])
    assert.equal(right.goesOn, false)
    assert.ok(right.end.kind === 'parked' && right.end.retryAfterMs > 3_500_000)
  })

  test('while others wait for the slot nobody keeps it for a place', async () => {
    const { right, later } = rightOf(await permitFor(QUICK), { others: true })
    assert.deepEqual([await right.begin(), await right.begin()], [true, false])
    assert.equal(later.length, 1)
    assert.ok((later[0] ?? Number.NaN) <= 20)
  })

  test('ends with the turn, also while it waits', async () => {
    const stopping = new AbortController()
    const { right } = rightOf(await permitFor(QUICK), { signal: stopping.signal })
    await right.begin()
    const second = right.begin()
    stopping.abort()
    assert.equal(await second, false)
  })

  test('a next hop without hosts needs no permit', async () =>
    assert.equal(await rightOf(undefined).right.begin(), true))
})
