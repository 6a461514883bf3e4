/**
 * Mail for a tar pit takes nothing from mail that flows: `test/soak/fairness` in a small size. The bound is that of the
 * full size, with a second on top, because so little mail is through in a moment.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measure } from '../soak/fairness/fairness.ts'

const SIZES = { healthyDomains: 40, healthyMessages: 200, tarPitMessages: 300, silentLanes: 0 }
const SLACK_MS = 1_000
/** `delivery.concurrency`. */
const SLOTS = 100

test('healthy domains have their mail in twice the time they need alone, beside a tar pit', async (t) => {
  const alone = await measure(SIZES, 'alone')
  const measured = await measure(SIZES, 'tar-pit')
  t.diagnostic(`${Math.round(measured.healthyMs)} ms, alone ${Math.round(alone.healthyMs)} ms`)
  assert.ok(measured.stuckMost > 0, 'nothing stood still')
  assert.ok(measured.stuckMost <= SLOTS / 2, `${measured.stuckMost} connections stood still at once`)
  assert.ok(measured.healthyMs <= 2 * alone.healthyMs + SLACK_MS, `${measured.healthyMs} ms`)
})
