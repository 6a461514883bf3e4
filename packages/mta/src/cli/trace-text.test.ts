import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { HistoryEntry, SettledRecipient } from '../history/entry.ts'
import { acceptedEntry, attemptEntry, hostTrouble, settledEntry } from '../history/history.fixture.ts'
import type { QueueId } from '../spool/queue-id.ts'
import { latestText, traceJson, traceText } from './trace-text.ts'

const id = '0198a1b2-0000-7000-8000-000000000001' as QueueId
const AT = Date.UTC(2026, 10, 22, 9, 30)
const paper = { now: AT + 3_600_000, colours: false }

function message(...entries: readonly HistoryEntry[]) {
  return { id, entries, omitted: 0 }
}

const accepted = acceptedEntry({ id, at: AT })
const session = { ...attemptEntry(id).session, tlsVerdict: 'failed: certificate-name-mismatch' }
const kept = settledEntry(id, {
  ...{ at: AT + 210, attempt: 1 },
  recipients: [
    { address: 'jane@example.com', end: 'deferred', status: '4.7.5', text: 'tls-policy', dueAt: AT + 300_000 },
  ],
  met: [
    hostTrouble({
      ...{
        at: AT + 200,
        status: '4.7.5',
        cause: 'tls-policy: mta-sts: example.com',
        session,
        stsMatched: '*.example.com',
      },
      ...{ durationMs: 41.6, policy: { stsPolicy: 'enforce', stsId: '20261101', stsFrom: 'fresh', stsAgeSeconds: 0 } },
    }),
    hostTrouble({ at: AT + 205, mxHostname: 'mx2.example.com', status: '4.4.1', cause: 'timeout: connect' }),
  ],
})

describe('a trace', () => {
  test('is a timeline: what was demanded, proved and said at each step, and where it stands now', () => {
    const delivered = settledEntry(id, { at: AT + 301_000, attempt: 2 })
    const text = traceText(message(accepted, kept, attemptEntry(id, AT + 300_900), delivered), paper)
    assert.equal(
      text,
      `Id:         ${id}
Message-ID: <one@app.example>
From:       app@sender.example
To:         jane@example.com
Size:       4.9 KiB
Now:        delivered

2026-11-22T09:30:00Z  +0ms     accepted  from app at 192.0.2.1, for 1 recipient, lane mx:example.com:25
2026-11-22T09:30:00Z  +200ms   no mail   attempt 1: mx.example.com [192.0.2.25], 42 ms
                      MTA-STS     enforce, id 20261101, fresh, 0s old; names this host by *.example.com
                      demanded    pkix
                      channel     TLSv1.3 TLS_AES_256_GCM_SHA384
                      proved      failed: certificate-name-mismatch (sts: success)
                      certificate CN=mx.example.com, until 2026-12-24T00:00:00Z, issued by CN=Example CA
                      names       DNS:mx.example.com
                      sha-256     ${'ab'.repeat(32)}
                      cause       4.7.5 tls-policy: mta-sts: example.com
2026-11-22T09:30:00Z  +205ms   no mail   attempt 1: mx2.example.com [192.0.2.25]
                      cause       4.4.1 timeout: connect
2026-11-22T09:30:00Z  +210ms   settled   jane@example.com: deferred; next try 2026-11-22T09:35:00Z
                      because     4.7.5 tls-policy
2026-11-22T09:35:00Z  +5m      delivered attempt 1: mx.example.com [192.0.2.25], 13 ms
                      MTA-STS     enforce, id 20261101, cache, 1m old; names this host by *.example.com
                      demanded    pkix
                      channel     TLSv1.3 TLS_AES_256_GCM_SHA384
                      proved      sts (sts: success)
                      certificate CN=mx.example.com, until 2026-12-24T00:00:00Z, issued by CN=Example CA
                      names       DNS:mx.example.com
                      sha-256     ${'ab'.repeat(32)}
                      reply       250 2.0.0 ok
2026-11-22T09:35:01Z  +5m      settled   jane@example.com: delivered
`,
    )
  })

  for (const [now, entries] of [
    ['waiting', [accepted]],
    ['waiting; next try in 4m', [accepted, kept]],
    ['cancelled', [accepted, kept, { kind: 'ordered', id, at: AT + 1_000, action: 'cancel' }]],
    [
      'expired',
      [accepted, settledEntry(id, { recipients: [{ address: 'jane@example.com', end: 'expired', text: '' }] })],
    ],
  ] as const) {
    test(`tells that a message is ${now}`, () => {
      const text = traceText(message(...entries), { now: AT + 60_000, colours: false })
      assert.equal(/^Now: +(.*)$/m.exec(text)?.[1], now)
    })
  }

  test('tells recipients that fared alike together, and many by their number', () => {
    const recipients = Array.from({ length: 9 }, (_, at): SettledRecipient => {
      return { address: `r${at}@example.com`, end: 'failed', status: '5.1.1', text: 'no such user' }
    })
    const text = traceText(message(settledEntry(id, { at: AT, recipients, dsnId: id })), paper)
    assert.match(
      text,
      /settled {3}r0@example\.com, .*r4@example\.com and 4 more: failed\n +because {5}5\.1\.1 no such user\n +notice {6}the sender is told by /,
    )
    assert.match(text, /^Accepted: +not in the history$/m)
  })

  test('tells words that the delivery record learned later, by their names', () => {
    const { record, ...attempt } = attemptEntry(id, AT)
    const later = { ...record, daneUsage: 3, newWord: 'x' }
    const text = traceText(message({ ...attempt, record: later }), paper)
    assert.match(text, /^ +dane_usage {2}3$/m)
    assert.match(text, /^ +new_word {4}x$/m)
  })

  test('of the last attempts has no head and no beginning', () => {
    const text = latestText(message(accepted, kept), paper)
    assert.match(text, /^2026-11-22T09:30:00Z {2}\+200ms {3}no mail/)
    assert.equal(latestText(message(accepted), paper), '')
  })

  test('is safe on a terminal and on its lines, and whole as JSON, whatever peers wrote', () => {
    const text = fc.string({ unit: 'binary', maxLength: 60 })
    fc.assert(
      fc.property(text, text, text, (reply, cause, name) => {
        const attempt = attemptEntry(id, AT)
        const told = message(
          acceptedEntry({ id, at: AT, messageId: name, sender: cause, recipients: [{ address: reply, lane: name }] }),
          {
            ...attempt,
            record: { ...attempt.record, reply, cause, mxHostname: name },
            session: { ...attempt.session, certSubject: name, certNames: reply, certIssuer: cause },
          },
          settledEntry(id, {
            ...{ at: AT, hold: cause, met: [hostTrouble({ mxHostname: name, cause })] },
            recipients: [{ address: reply, end: 'failed', status: '5.0.0', text: cause }],
          }),
          { kind: 'noted', id, at: AT, note: reply },
        )
        const plain = traceText(told, paper)
        assert.doesNotMatch(plain.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\u2028\u2029]/u)
        assert.equal(plain.split('\n').length, traceText(calm(told), paper).split('\n').length)
        const json = traceJson(told)
        assert.doesNotMatch(json, /[\p{Cc}\p{Cf}\u2028\u2029]/u)
        const read = JSON.parse(json)
        assert.deepEqual([read.entries[1].record.reply, read.entries[1].session.cert_subject], [reply, name])
      }),
    )
  })
})

/** The same with letters in place of what peers wrote; empty stays empty, for that is not shown. */
function calm<T>(value: T): T {
  return JSON.parse(
    JSON.stringify(value, (name, field) => (typeof field === 'string' && PEER.has(name) && field !== '' ? 'x' : field)),
  )
}

const PEER: ReadonlySet<string> = new Set([
  ...['messageId', 'sender', 'address', 'lane', 'reply', 'cause', 'mxHostname', 'note', 'hold', 'text'],
  ...['certSubject', 'certNames', 'certIssuer'],
])
