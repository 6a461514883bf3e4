import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nullReversePath } from '../smtp/mail-address.ts'
import { parseQueueId } from '../spool/queue-id.ts'
import { address, dsnRequest, envelope, failed, recipient, SAMPLE_TIME } from './dsn.fixture.ts'
import { dsnQueueId, failureDsn } from './dsn-message.ts'

describe('the failure notification as a message of the queue', () => {
  test('RFC 3461 §6.1: null reverse-path, no RET, NOTIFY=NEVER, to the original reverse-path only', () => {
    const made = failureDsn(dsnRequest())
    assert.equal(made.kind, 'dsn')
    if (made.kind !== 'dsn') return
    const { message } = made
    assert.equal(message.envelope.reversePath, nullReversePath)
    assert.deepEqual(message.envelope.dsn, {})
    assert.deepEqual(message.envelope.origin, { kind: 'local', purpose: 'dsn' })
    assert.deepEqual(message.recipients, [{ index: 0, address: address('alice', 'app.example'), notify: ['NEVER'] }])
    assert.deepEqual(message.deliveries, [{ lane: 'mx:app.example:25', recipients: [0] }])
    assert.equal(message.expiresAt, SAMPLE_TIME + 86_400_000)
    assert.equal(message.content.kind === 'memory' && message.content.bytes.length, message.envelope.size)
  })

  test('the same settlement makes the same message, another one a different id', () => {
    assert.deepEqual(failureDsn(dsnRequest()), failureDsn(dsnRequest()))
    const one = dsnQueueId('claim/1', SAMPLE_TIME)
    assert.equal(one, dsnQueueId('claim/1', SAMPLE_TIME))
    assert.notEqual(one, dsnQueueId('claim/2', SAMPLE_TIME))
    assert.equal(parseQueueId(one), one)
    // RFC 9562 §4.1 and §4.2: variant 10, version 8.
    assert.match(one, /^.{14}8.{4}[89ab]/)
  })

  test('a notification about a REQUIRETLS message demands REQUIRETLS (RFC 8689 §5)', () => {
    const request = dsnRequest()
    const original = { ...request.original, envelope: envelope({ tls: 'requiretls' }) }
    const made = failureDsn({ ...request, original })
    assert.equal(made.kind === 'dsn' && made.message.envelope.tls, 'requiretls')
  })

  test('failures that nobody is told about are counted, whole and in part', () => {
    const request = dsnRequest()
    const silent = failureDsn({ ...request, original: { ...request.original, recipients: [never(0)] } })
    assert.deepEqual(silent, {
      kind: 'none',
      reason: 'not-requested',
      events: [{ event: 'failure-not-reported', id: request.original.id, recipients: 1, reason: 'not-requested' }],
    })
    const original = { ...request.original, recipients: [recipient(0), never(1)] }
    const partly = failureDsn({ ...request, original, outcomes: [failed(0), failed(1)] })
    assert.deepEqual(
      partly.events.map(({ event, recipients }) => [event, recipients]),
      [
        ['dsn-queued', 1],
        ['failure-not-reported', 1],
      ],
    )
  })

  test('a settlement without failures makes neither message nor event', () => {
    assert.deepEqual(failureDsn(dsnRequest({ outcomes: [] })), { kind: 'none', reason: 'nothing-failed', events: [] })
  })
})

function never(index: number) {
  return recipient(index, { notify: ['NEVER'] })
}
