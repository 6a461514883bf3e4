import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nullReversePath } from '../smtp/mail-address.ts'
import { envelope, failed, REFUSED, recipient, SAMPLE_TIME } from './dsn.fixture.ts'
import { decideFailureDsn } from './dsn-decision.ts'

describe('RFC 3461 §5.2.6 who is told about a failure', () => {
  const decide = (changes: Parameters<typeof envelope>[0], recipients = [recipient(0)], outcomes = [failed(0)]) =>
    decideFailureDsn({ envelope: envelope(changes), recipients }, outcomes)

  test('the sender, when NOTIFY is absent or holds FAILURE', () => {
    assert.equal(decide({}).kind, 'notify')
    assert.equal(decide({}, [recipient(0, { notify: ['DELAY', 'FAILURE'] })]).kind, 'notify')
  })

  for (const notify of [['NEVER'], ['SUCCESS'], ['DELAY'], ['SUCCESS', 'DELAY']] as const) {
    test(`nobody, when NOTIFY=${notify.join(',')}`, () => {
      assert.deepEqual(decide({}, [recipient(0, { notify })]), { kind: 'silent', reason: 'not-requested', failed: 1 })
    })
  }

  test('nobody, when the reverse-path is null (RFC 5321 §6.1)', () => {
    assert.deepEqual(decide({ reversePath: nullReversePath }), {
      kind: 'silent',
      reason: 'null-reverse-path',
      failed: 1,
    })
  })

  test('nobody, when the message was made by ourselves', () => {
    for (const purpose of ['dsn', 'report'] as const) {
      const decision = decide({ origin: { kind: 'local', purpose } })
      assert.deepEqual(decision, { kind: 'silent', reason: 'local-origin', failed: 1 })
    }
  })

  test('nothing is told when nothing failed for good', () => {
    const deferred = { kind: 'deferred', index: 0, problem: REFUSED, dueAt: SAMPLE_TIME } as const
    const ambiguous = { ...deferred, kind: 'ambiguous' } as const
    for (const outcome of [deferred, ambiguous]) {
      assert.deepEqual(decide({}, [recipient(0)], [outcome]), { kind: 'silent', reason: 'nothing-failed', failed: 0 })
    }
  })

  test('one notification names several recipients, none that asked for none (RFC 3461 §5.2.8)', () => {
    const recipients = [recipient(3), recipient(5, { notify: ['NEVER'] }), recipient(8, { notify: ['FAILURE'] })]
    const decision = decide({}, recipients, [failed(3), failed(5), failed(8)])
    assert.equal(decision.kind, 'notify')
    if (decision.kind !== 'notify') return
    assert.deepEqual(
      decision.failed.map((one) => one.recipient.index),
      [3, 8],
    )
    assert.equal(decision.withheld, 1)
  })
})
