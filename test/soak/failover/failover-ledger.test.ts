import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FailoverLedger } from './failover-ledger.ts'

test('a loss and a repetition are explained by a death of the master that came soon after, and by nothing else', () => {
  let now = 0
  const ledger = new FailoverLedger(() => now)
  const accepted = (address: string, at: number): void => {
    now = at
    ledger.promise([address])
  }
  accepted('lost-early@x', 1_000)
  accepted('lost-late@x', 9_500)
  accepted('twice-early@x', 1_100)
  accepted('twice-late@x', 9_600)
  ledger.arrive(['twice-early@x'], 1_200)
  ledger.arrive(['twice-late@x'], 10_300)
  now = 10_000
  ledger.masterDied()
  accepted('under-way@x', 10_050)
  accepted('later@x', 12_000)
  ledger.arrive(['later@x', 'under-way@x', 'twice-early@x', 'twice-late@x', 'nobody@x'], 13_000)
  assert.deepEqual(ledger.accounts(), {
    promised: 6,
    delivered: 4,
    lost: [
      { address: 'lost-early@x', beforeDeathMs: undefined },
      { address: 'lost-late@x', beforeDeathMs: 500 },
    ],
    repeated: [
      { address: 'twice-early@x', beforeDeathMs: undefined },
      { address: 'twice-late@x', beforeDeathMs: -300 },
    ],
    unpromised: 1,
  })
  assert.deepEqual([ledger.withoutIntakeMs, ledger.withoutDeliveryMs], [[2_000], [3_000]])
})
