/**
 * Mail that stands still takes nothing from mail that flows: `test/soak/fairness` in a small size. The bound is that of the
 * full size, with a second on top, because so little mail is through in a moment.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Beside, measure } from '../soak/fairness/fairness.ts'

const SIZES = { healthyDomains: 40, healthyMessages: 200, tarPitMessages: 300, silentLanes: 300 }
const SLACK_MS = 1_000
/** `delivery.concurrency`. */
const SLOTS = 100

test('healthy domains have their mail in twice the time they need alone', async (t) => {
  const alone = await measure(SIZES, 'alone')
  const beside = async (what: Beside): Promise<void> => {
    const measured = await measure(SIZES, what)
    t.diagnostic(`${Math.round(measured.healthyMs)} ms beside ${what}, alone ${Math.round(alone.healthyMs)} ms`)
    assert.ok(measured.stuckMost > 0, 'nothing stood still')
    // A connection that yields is gone here a moment before the host has seen it.
    assert.ok(measured.stuckMost <= SLOTS / 2 + SLOTS / 10, `${measured.stuckMost} connections stood still at once`)
    assert.ok(measured.healthyMs <= 2 * alone.healthyMs + SLACK_MS, `${measured.healthyMs} ms`)
  }
  await t.test('beside a tar pit', () => beside('tar-pit'))
  await t.test('beside lanes that never answer', () => beside('silent-lanes'))
})
