import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { newQueueId } from '../spool/queue-id.ts'
import type { AttemptEntry, HistoryEntry } from './entry.ts'
import { acceptedEntry, observedEntry, settledEntry } from './history.fixture.ts'
import { ObservedTally } from './observed.ts'

function tallied(entries: readonly HistoryEntry[]) {
  const tally = new ObservedTally()
  for (const entry of entries) tally.add(entry)
  return tally.domains()
}

test('deliveries are counted by domain, with hosts and reasons, beside those that nothing would have refused', () => {
  const entries = [
    observedEntry({ domain: 'a.test', host: 'one.a.test', at: 10, refuse: 'tlsa-mismatch, certificate-untrusted' }),
    observedEntry({ domain: 'a.test', host: 'one.a.test', at: 20, refuse: 'certificate-untrusted' }),
    observedEntry({ domain: 'a.test', host: 'two.a.test', at: 30 }),
    observedEntry({ domain: 'b.test', host: 'mx.b.test', at: 40 }),
  ]
  assert.deepEqual(tallied(entries), [
    {
      ...{ domain: 'a.test', deliveries: 3, refused: 2, lastAt: 20 },
      reasons: [
        { reason: 'certificate-untrusted', refused: 2 },
        { reason: 'tlsa-mismatch', refused: 1 },
      ],
      hosts: [
        { mxHostname: 'one.a.test', deliveries: 2, refused: 2 },
        { mxHostname: 'two.a.test', deliveries: 1, refused: 0 },
      ],
    },
    {
      ...{ domain: 'b.test', deliveries: 1, refused: 0, reasons: [] },
      hosts: [{ mxHostname: 'mx.b.test', deliveries: 1, refused: 0 }],
    },
  ])
})

test('what was not delivered, went by a route, or is no attempt does not count', () => {
  const kept = observedEntry({ domain: 'a.test', refuse: 'not-encrypted' })
  const none = { delivered: 0, deferred: 1, failed: 0, ambiguous: 0 }
  const deferred: AttemptEntry = { ...kept, record: { ...kept.record, recipients: none } }
  const routed: AttemptEntry = { ...kept, record: { ...kept.record, lane: 'route:smtp.example.net:587' } }
  assert.deepEqual(tallied([deferred, routed, acceptedEntry(), settledEntry(newQueueId())]), [])
})

test('parts that are counted apart and put together are the whole, wherever it is cut', () => {
  const entry = fc
    .record({
      domain: fc.constantFrom('a.test', 'b.test', '__proto__'),
      host: fc.constantFrom('mx', 'constructor'),
      at: fc.nat(100),
      refuse: fc.constantFrom(
        undefined,
        'not-encrypted',
        'tlsa-mismatch, not-encrypted',
        'tlsa-mismatch, tlsa-mismatch',
      ),
    })
    .map(({ refuse, ...rest }) => observedEntry({ ...rest, ...(refuse === undefined ? {} : { refuse }) }))
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 30 }), fc.nat(30), (entries, cut) => {
      const whole = new ObservedTally()
      whole.merge(tallied(entries.slice(0, cut)))
      whole.merge(tallied(entries.slice(cut)))
      assert.deepEqual(whole.domains(), tallied(entries))
    }),
  )
})
