import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { AttemptFinished } from '../delivery/events.ts'
import type { LaneId } from '../delivery/lane.ts'
import type { QueueId } from '../spool/queue-id.ts'
import { LOG_EVENTS, type LogEvent } from './log-events.ts'
import { logLine } from './log-line.ts'

// A UUID and a lane are words of ours; their parsers are tested in their rooms.
const id = '0198a1b2-0000-7000-8000-000000000001' as QueueId
const lane = 'mx:example.com:25' as LaneId
const remote = { mxHostname: 'mx.example.com', address: '192.0.2.25', port: 25 }

const certificate = {
  fingerprintSha256: 'ab'.repeat(32),
  subject: 'O=Example\nCN=mx.example.com',
  issuer: 'CN=Example CA',
  notAfter: Date.UTC(2026, 11, 24),
  names: 'DNS:mx.example.com',
}

const attempt: AttemptFinished = {
  event: 'attempt-finished',
  id,
  lane,
  nextHop: 'example.com',
  attempt: 2,
  remote,
  channel: { kind: 'tls', protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', level: 'encrypted', certificate },
  requirement: {
    kind: 'prove',
    pkix: false,
    floor: 'opportunistic',
    tlsa: false,
    sts: { mode: 'testing', id: '20261001', matched: '*.example.com' },
  },
  policy: { kind: 'sts', mode: 'testing', id: '20261001', from: 'cache', ageMs: 61_500 },
  verdict: { kind: 'proven', level: 'encrypted' },
  results: [{ policyType: 'sts', outcome: { kind: 'failure', details: [{ resultType: 'certificate-expired' }] } }],
  reused: 3,
  size: 5120,
  recipients: { delivered: 1, deferred: 1, failed: 0, ambiguous: 0 },
  reply: { code: 250, enhancedStatus: '2.0.0', lines: ['ok <jane@example.com>'] },
  cause: { kind: 'timeout', phase: 'rcpt' },
  durationMs: 12.34567,
}

describe('log lines', () => {
  test('what is null is left out: a program that ended with a code had no signal', () => {
    const because = { kind: 'ended', code: 1, signal: null, lastWords: 'fatal' } as const
    const { fields } = logLine({ event: 'unbound-not-running', because, retryInMs: 250 }, { addresses: 'full' })
    assert.deepEqual(fields['because'], { kind: 'ended', code: 1, last_words: 'fatal' })
  })

  test('the delivery record is flat and has the words of the RFCs', () => {
    assert.deepEqual(logLine(attempt, { addresses: 'full' }), {
      level: 'info',
      fields: {
        event: 'attempt-finished',
        id,
        result: 'partly-delivered',
        lane,
        next_hop: 'example.com',
        attempt: 2,
        mx_hostname: 'mx.example.com',
        address: '192.0.2.25',
        port: 25,
        tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384',
        tls_requirement: 'opportunistic',
        tls_verdict: 'encrypted',
        tls_result: 'sts: certificate-expired',
        sts_policy: 'testing',
        sts_id: '20261001',
        sts_from: 'cache',
        sts_age_seconds: 61,
        sts_matched: '*.example.com',
        cert_fingerprint: 'ab'.repeat(32),
        cert_subject: 'O=Example, CN=mx.example.com',
        cert_issuer: 'CN=Example CA',
        cert_not_after: '2026-12-24T00:00:00.000Z',
        cert_names: 'DNS:mx.example.com',
        reused: 3,
        size: 5120,
        recipients: { delivered: 1, deferred: 1, failed: 0, ambiguous: 0 },
        reply: '250 2.0.0 ok <jane@example.com>',
        cause: 'timeout: rcpt',
        duration_ms: 12.346,
      },
    })
  })

  test('a failed session tells its problem in the same words', () => {
    const problem = {
      cause: { kind: 'connect-failed', code: 'ECONNREFUSED' },
      status: '4.4.1',
      permanence: 'transient',
      fault: 'network',
      scope: 'host',
      at: 0,
    } as const
    const { fields } = logLine(
      { event: 'session-failed', lane, nextHop: 'example.com', remote, problem, durationMs: 1 },
      { addresses: 'full' },
    )
    assert.equal(fields['cause'], 'connect-failed: ECONNREFUSED')
    assert.equal(fields['status'], '4.4.1')
    assert.equal(fields['mx_hostname'], 'mx.example.com')
  })

  test('addresses can be written as their domain, also those that peers repeat', () => {
    const accepted = {
      event: 'message-accepted',
      listener: 'l',
      id,
      address: '192.0.2.1',
      reversePath: 'jane.doe@example.com',
      recipients: 1,
      size: 1,
      tls: 'TLSv1.3',
      messageTls: 'default',
      latencyMs: 1,
      spoolMs: 1,
    } as const
    assert.equal(logLine(accepted, { addresses: 'domain' }).fields['reverse_path'], '*@example.com')
    assert.equal(logLine(accepted, { addresses: 'full' }).fields['reverse_path'], 'jane.doe@example.com')
    assert.equal(logLine(attempt, { addresses: 'domain' }).fields['reply'], '250 2.0.0 ok <*@example.com>')
    const quoted: LogEvent = { event: 'spool-failing', detail: '"jane doe"@example.com, x@[192.0.2.1] said no' }
    assert.equal(logLine(quoted, { addresses: 'domain' }).fields['detail'], '*@example.com, *@[192.0.2.1] said no')
  })

  test('times are ISO 8601 in UTC', () => {
    const problem = {
      cause: { kind: 'stopped' },
      status: '4.3.2',
      permanence: 'transient',
      fault: 'local-configuration',
      scope: 'message',
      at: 0,
    } as const
    const event = { event: 'next-hop-failed', lane, nextHop: 'x', problem, messages: 1, backoffUntil: 0 } as const
    assert.equal(logLine(event, { addresses: 'full' }).fields['backoff_until'], '1970-01-01T00:00:00.000Z')
  })

  test('foreign text stays on its line and inside its bounds, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 2000 }),
        fc.constantFrom('full', 'domain'),
        (text, addresses) => {
          const { fields } = logLine({ event: 'spool-failing', detail: text }, { addresses })
          const shown = String(fields['detail'])
          assert.ok(shown.length <= 513 && !/[\p{Cc}\u2028\u2029]/u.test(shown))
        },
      ),
    )
  })

  test('masking addresses in a long text costs no more than in a short one', () => {
    const before = performance.now()
    logLine({ event: 'spool-failing', detail: `"${'\\a'.repeat(50_000)}` }, { addresses: 'domain' })
    logLine({ event: 'spool-failing', detail: 'a'.repeat(100_000) }, { addresses: 'domain' })
    assert.ok(performance.now() - before < 2_000)
  })
})

test('every event has a sentence that ends like one', () => {
  for (const [name, { sentence }] of Object.entries(LOG_EVENTS)) assert.match(sentence, /^\S.*[.]$/, name)
})
