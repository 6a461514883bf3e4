/**
 * The soak with kill -9 (test/soak) believes its ledger; here the ledger is shown to tell losses and duplicates.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type KillSoakResult, verdictOf } from '../soak/kill-report.ts'
import { Ledger } from '../soak/ledger.ts'
import { failedRecipients } from '../soak/receiving-mx.ts'

function verdict(fill: (ledger: Ledger) => void, more: Partial<KillSoakResult> = {}): readonly string[] {
  const ledger = new Ledger()
  fill(ledger)
  return verdictOf({
    seed: 1,
    messages: 1,
    kills: 1,
    accepted: 1,
    failedTries: 0,
    ledger: ledger.report(),
    mx: { transactions: 0, refusedRecipients: 0, refusedContents: 0, dropped: 0, inClear: 0 },
    leftInQueue: 0,
    quarantined: 0,
    seconds: 1,
    machine: '',
    ...more,
  })
}

describe('ledger of the kill soak', () => {
  it('is content when every promise was kept by an arrival or a notification', () => {
    const problems = verdict((ledger) => {
      ledger.promise(['a@x.test', 'b@x.test'])
      ledger.arrive(['a@x.test', 'never-promised@x.test'], 1)
      ledger.bounce(['b@x.test'], 2)
    })
    assert.deepEqual(problems, [])
  })

  it('calls a promised recipient of whom nothing is heard lost', () => {
    assert.deepEqual(
      verdict((ledger) => ledger.promise(['a@x.test'])),
      ['1 lost: a@x.test'],
    )
  })

  it('refuses a recipient that was delivered and reported as failed', () => {
    const problems = verdict((ledger) => {
      ledger.promise(['a@x.test'])
      ledger.arrive(['a@x.test'], 1)
      ledger.bounce(['a@x.test'], 2)
    })
    assert.deepEqual(problems, ['delivered and bounced: a@x.test'])
  })

  it('forgives a duplicate only when the relay was killed right after the first arrival', () => {
    const doubled = (times: readonly number[], kills: readonly number[]) =>
      verdict((ledger) => {
        ledger.promise(['a@x.test'])
        for (const at of kills) ledger.kill(at)
        for (const at of times) ledger.arrive(['a@x.test'], at)
      })
    assert.deepEqual(doubled([100, 900], [110]), [])
    assert.deepEqual(doubled([100, 900], []), ['duplicates outside the window: a@x.test'])
    assert.deepEqual(doubled([100, 900], [50]), ['duplicates outside the window: a@x.test'])
    assert.deepEqual(doubled([100, 9000], [5000]), ['duplicates outside the window: a@x.test'])
    assert.deepEqual(doubled([100, 900, 950], [110]), ['duplicates outside the window: a@x.test'])
  })

  it('refuses quarantined messages, a queue that does not empty and messages never accepted', () => {
    const problems = verdict(() => undefined, { quarantined: 1, leftInQueue: 2, accepted: 0 })
    assert.equal(problems.length, 3)
  })

  it('reads the recipients a notification is about', () => {
    const head = Buffer.from('Reporting-MTA: dns; r\r\n\r\nFinal-Recipient: rfc822; a@x.test\r\nAction: failed\r\n')
    assert.deepEqual(failedRecipients(head), ['a@x.test'])
  })
})
