/**
 * The soak with kill -9 (test/soak) believes its ledger; here the ledger is shown to tell losses and duplicates.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type KillSoakResult, verdictOf } from '../soak/kill-report.ts'
import { Ledger, type Settle } from '../soak/ledger.ts'
import { failedRecipients } from '../soak/receiving-mx.ts'
import { parseSettled } from '../soak/settle-log.ts'

function verdict(fill: (ledger: Ledger) => void, more: Partial<KillSoakResult> = {}): readonly string[] {
  const ledger = new Ledger()
  fill(ledger)
  return verdictOf({
    seed: 1,
    engine: 'embedded',
    messages: 1,
    kills: 1,
    accepted: 1,
    cutOff: 0,
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
      ledger.promise(['a@x.test', 'b@x.test'], 'id1')
      ledger.arrive(['a@x.test', 'never-promised@x.test'], 1)
      ledger.bounce(['b@x.test'], 2)
    })
    assert.deepEqual(problems, [])
  })

  it('calls a promised recipient of whom nothing is heard lost', () => {
    assert.deepEqual(
      verdict((ledger) => ledger.promise(['a@x.test'], 'id1')),
      ['1 lost: a@x.test'],
    )
  })

  it('refuses a recipient that was delivered and reported as failed', () => {
    const problems = verdict((ledger) => {
      ledger.promise(['a@x.test'], 'id1')
      ledger.arrive(['a@x.test'], 1)
      ledger.bounce(['a@x.test'], 2)
    })
    assert.deepEqual(problems, ['delivered and bounced: a@x.test'])
  })

  it('forgives a duplicate only when another life sent it and the settle had not been committed', () => {
    const outside = (cause: string) => [`duplicates outside the window: a@x.test (${cause})`]
    const doubled = (times: readonly number[], settle?: Settle) =>
      verdict((ledger) => {
        ledger.promise(['a@x.test'], 'id1')
        ledger.launch(50)
        ledger.kill(110)
        ledger.launch(200)
        for (const at of times) ledger.arrive(['a@x.test'], at)
        if (settle !== undefined) ledger.settle(settle)
      })
    assert.deepEqual(doubled([100, 900]), [])
    assert.deepEqual(doubled([120, 900]), [])
    assert.deepEqual(doubled([60, 100]), outside('same-life'))
    assert.deepEqual(doubled([210, 900]), outside('same-life'))
    assert.deepEqual(doubled([100, 900, 950]), outside('same-life'))
    assert.deepEqual(doubled([100, 900], { id: 'id1', domain: 'x.test', at: 105 }), outside('settled-before-kill'))
    assert.deepEqual(doubled([100, 900], { id: 'id1', domain: 'x.test', at: 90 }), [])
    assert.deepEqual(doubled([100, 900], { id: 'id1', domain: 'y.test', at: 105 }), [])
    assert.deepEqual(doubled([100, 900], { id: 'id2', domain: 'x.test', at: 105 }), [])
  })

  it('reads what the relay says about settles from its log, and nothing else', () => {
    const line =
      '{"level":"debug","time":"2026-11-22T09:00:00.250Z","event":"message-settled","id":"id1","lane":"mx:x.test:25"}'
    assert.deepEqual(parseSettled(line), { id: 'id1', domain: 'x.test', at: Date.UTC(2026, 10, 22, 9, 0, 0, 250) })
    for (const other of [
      '',
      'not json "message-settled"',
      line.slice(0, 90),
      line.replace('message-settled', 'other'),
    ]) {
      assert.equal(parseSettled(other), undefined)
    }
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
