import assert from 'node:assert/strict'
import { test } from 'node:test'
import { labEntry } from '../admin/queue-lab.ts'
import { NOTICE_LANE } from '../bounce/notice-lane.ts'
import type { DeliveryProblem } from '../delivery/outcome.ts'
import type { QueueEntry } from '../spool/spool.ts'
import { listText, messageText } from './queue-text.ts'

for (const [tls, shown] of [
  ['default', '7bit'],
  ['requiretls', '7bit, REQUIRETLS'],
  ['tls-optional', '7bit, TLS-Required: No'],
] as const) {
  test(`queue show tells what the sender wants of TLS: ${tls}`, () => {
    const entry = labEntry(1)
    const text = messageText({ ...entry, envelope: { ...entry.envelope, tls } }, { now: 1_500_000, width: undefined })
    assert.match(text, new RegExp(`^Content: .*, ${shown}$`, 'm'))
  })
}

const PROBLEM: DeliveryProblem = {
  ...{ cause: { kind: 'connect-failed', code: 'ECONNREFUSED' }, status: '4.4.1', permanence: 'transient' },
  ...{ fault: 'network', scope: 'host', at: 1_000_000 },
}

for (const [what, wait, said] of [
  [
    'a suspended route',
    { suspended: { said: '535 5.7.8 no', until: 1_600_000 } },
    'its route is suspended: the login is refused (535 5.7.8 no), tried again at 1970-01-01T00:26:40Z',
  ],
  [
    'a lane that rests',
    { resting: { problem: PROBLEM, until: 1_600_000 } },
    'nobody could be talked to there (4.4.1 connect-failed: ECONNREFUSED), tried again at 1970-01-01T00:26:40Z',
  ],
  ['a relay that drains', { phase: 'draining' }, 'this relay is draining: hermetic drain'],
  [
    'a limit',
    { limit: { site: 'x', connections: 1, adaptive: false, waitsFor: 'connections' } },
    'no connection is free; [delivery]: 1 connection at once to x',
  ],
] as const) {
  test(`queue show names ${what} as the reason for waiting, beside all others`, () => {
    const entry = labEntry(1)
    const [delivery] = entry.deliveries
    assert.ok(delivery !== undefined)
    const waiting = { [delivery.lane]: wait }
    const text = messageText(entry, { now: 1_050_000, width: undefined, waiting })
    assert.ok(text.includes(`  waits because ${said}\n  waits because the last attempt failed\n`), text)
  })
}

for (const [wait, dueAt, said] of [
  [{ suspended: { said: '535 5.7.8 no', until: 1_600_000 } }, 0, 'in 9m (login refused)'],
  [{ resting: { problem: PROBLEM, until: 1_600_000 } }, 0, 'in 9m (lane rests)'],
  [{ resting: { problem: PROBLEM, until: 1_600_000 } }, 1_700_000, 'in 10m'],
  [{ phase: 'draining' }, 0, 'draining'],
  [{ limit: { site: 'x', connections: 1, adaptive: false, waitsFor: 'connections' } }, 0, 'now (at its limit)'],
  [{ limit: { site: 'x', connections: 1, adaptive: false, waitsFor: 'rate' } }, 0, 'now (at its rate)'],
  [{ limit: { site: 'x', connections: 1, adaptive: false } }, 0, 'now'],
  [undefined, 0, 'now'],
] as const) {
  test(`queue list tells when the lane is tried, not only the message: ${said}`, () => {
    const entry = labEntry(1)
    const deliveries = entry.deliveries.map((delivery) => ({ ...delivery, dueAt }))
    const waiting = Object.fromEntries(deliveries.flatMap(({ lane }) => (wait === undefined ? [] : [[lane, wait]])))
    const [, row = ''] = listText([{ ...entry, deliveries }], { now: 1_050_000, width: undefined, waiting }).split('\n')
    assert.equal(row.split(/ {2,}/)[6], said)
  })
}

test('queue show names the rule that holds a delivery, and what ends it', () => {
  const entry = labEntry(1)
  const [delivery] = entry.deliveries
  assert.ok(delivery !== undefined)
  const held = { ...delivery, state: 'held', stateReason: 'audit', rule: '0badcafe' } as const
  const text = messageText({ ...entry, deliveries: [held] }, { now: 0, width: undefined })
  assert.match(text, /: held by rule 0badcafe \(audit\), 1 try$/m)
  assert.match(text, /^ {2}waits because rule 0badcafe holds it: hermetic hold remove 0badcafe$/m)
})

test('a notice that its sender has is no line of the queue; one that is still to be told is', () => {
  const entry = labEntry(1)
  const [delivery] = entry.deliveries
  assert.ok(delivery !== undefined)
  const paper = { now: 1_050_000, width: undefined }
  for (const [state, lines] of [
    ['settled', 2],
    ['queued', 3],
  ] as const) {
    const told: QueueEntry = { ...entry, deliveries: [delivery, { ...delivery, lane: NOTICE_LANE, state }] }
    assert.equal(listText([told], paper).trimEnd().split('\n').length, lines)
    assert.equal(messageText(told, paper).includes('Lane notice'), state === 'queued')
  }
})
