/** The embedded spool killed at every step (`spool-kill.ts`), and the judge of such runs judged. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proveEveryKill } from './spool-kill.ts'
import { SpoolLedger } from './spool-ledger.ts'

test('kill -9 at every durable step: nothing acknowledged is lost, nothing settled comes back', (t) =>
  proveEveryKill(t))

test('the ledger notices a loss, a return and a delivery of what was refused', () => {
  const ids = ['00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002']
  const lost = new SpoolLedger()
  lost.tellLines(`accepted ${ids[0]}\n`)
  assert.equal(lost.verdict().problems.length, 1)
  const returned = new SpoolLedger()
  returned.tellLines(`accepted ${ids[0]}\nclaimed ${ids[0]}\nsent ${ids[0]}\nsettled ${ids[0]}\nclaimed ${ids[0]}\n`)
  assert.equal(returned.problems.length, 1)
  const refused = new SpoolLedger()
  refused.tellLines(`refused ${ids[1]}\nclaimed ${ids[1]}\n`)
  assert.equal(refused.problems.length, 1)
})
