import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nullReversePath } from '../smtp/mail-address.ts'
import { parseQueueId } from '../spool/queue-id.ts'
import { address, dsnOf, dsnRequest, envelope, SAMPLE_TIME } from './dsn.fixture.ts'
import { dsnQueueId, sevenBitMessage } from './dsn-message.ts'

describe('the notification as a message of the queue', () => {
  test('RFC 3461 §6.1: null reverse-path, no RET, NOTIFY=NEVER, to the original reverse-path only', () => {
    const message = dsnOf(dsnRequest())
    assert.equal(message.envelope.reversePath, nullReversePath)
    assert.deepEqual(message.envelope.dsn, {})
    assert.deepEqual(message.envelope.origin, { kind: 'local', purpose: 'dsn' })
    assert.deepEqual(message.recipients, [{ index: 0, address: address('alice', 'app.example'), notify: ['NEVER'] }])
    assert.deepEqual(message.deliveries, [{ lane: 'mx:app.example:25', recipients: [0] }])
    assert.equal(message.expiresAt, SAMPLE_TIME + 86_400_000)
    assert.equal(message.content.kind === 'memory' && message.content.bytes.length, message.envelope.size)
  })

  test('the same settlement makes the same message, another one a different id', () => {
    assert.deepEqual(dsnOf(dsnRequest()), dsnOf(dsnRequest()))
    const one = dsnQueueId('claim/1', SAMPLE_TIME)
    assert.equal(one, dsnQueueId('claim/1', SAMPLE_TIME))
    assert.notEqual(one, dsnQueueId('claim/2', SAMPLE_TIME))
    assert.equal(parseQueueId(one), one)
    // RFC 9562 §4.1 and §4.2: variant 10, version 8.
    assert.match(one, /^.{14}8.{4}[89ab]/)
  })

  test('a notification about a REQUIRETLS message demands REQUIRETLS (RFC 8689 §5), also in seven bits', () => {
    const request = dsnRequest()
    const original = { ...request.original, envelope: envelope({ tls: 'requiretls' }) }
    const made = dsnOf({ ...request, original })
    assert.equal(made.envelope.tls, 'requiretls')
    const again = sevenBitMessage({
      refused: { receivedAt: SAMPLE_TIME, envelope: made.envelope, sender: address('alice', 'app.example') },
      ...{ bytes: Buffer.from('x'), messageId: '<a@b.example>', settlementId: 'claim/2' },
      ...{ laneFor: request.laneFor, now: SAMPLE_TIME, maxAgeMs: 1 },
    })
    const { tls, smtpUtf8, body, size, reversePath } = again.envelope
    assert.deepEqual([tls, smtpUtf8, body, size, reversePath], ['requiretls', false, '7bit', 1, nullReversePath])
    assert.notEqual(again.id, made.id)
  })
})
