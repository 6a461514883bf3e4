import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { laneId } from '../delivery/lane.ts'
import { SpoolFaults } from './faults.ts'
import { formatJournalLine } from './journal-line.ts'
import { newQueueId } from './queue-id.ts'
import type { ClaimToken, NewMessage } from './spool.ts'
import { type UnsettledEntry, UnsettledJournal } from './unsettled-journal.ts'

function place(t: { after(done: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), 'unsettled-'))
  t.after(() => rmSync(path, { recursive: true }))
  return join(path, 'unsettled.journal')
}

const lane = laneId({ kind: 'mx', nextHop: { kind: 'literal', family: 4, address: '192.0.2.1' }, port: 25 })
const bounce: NewMessage = {
  id: newQueueId(),
  envelope: {
    reversePath: 'nullReversePath',
    body: '8bitmime',
    smtpUtf8: false,
    tls: 'default',
    dsn: {},
    size: 4,
    origin: { kind: 'local', purpose: 'dsn' },
  },
  recipients: [],
  deliveries: [{ lane, recipients: [] }],
  receivedAt: 1,
  expiresAt: 2,
  content: { kind: 'memory', bytes: Buffer.from([0, 13, 10, 255]) },
}
const settle: UnsettledEntry = {
  kind: 'settle',
  token: 'token' as ClaimToken,
  settlement: { id: 's/1', outcomes: [], enqueue: [bounce], marks: { delayNoticeAt: 3 } },
}
const tombstone: UnsettledEntry = { kind: 'tombstone', id: newQueueId() }

test('entries come back in order, with their bytes, and are gone after the replay', async (t) => {
  const path = place(t)
  const { journal } = await UnsettledJournal.open(path, {})
  await Promise.all([journal.append(settle), journal.append(tombstone)])
  await journal.close()
  assert.equal(statSync(path).mode & 0o777, 0o600)
  const again = await UnsettledJournal.open(path, {})
  assert.deepEqual([again.entries, again.damagedLines], [[settle, tombstone], 0])
  await again.journal.clear()
  assert.equal(existsSync(path), false)
  assert.deepEqual((await UnsettledJournal.open(path, {})).entries, [])
})

test('a torn tail costs its own entry only, also when more is appended after it', async (t) => {
  const path = place(t)
  const first = await UnsettledJournal.open(path, {})
  await first.journal.append(settle)
  await first.journal.close()
  appendFileSync(path, '0badc0de 400 {"kind":"set')
  const second = await UnsettledJournal.open(path, {})
  assert.equal(second.damagedLines, 1)
  await second.journal.append(tombstone)
  await second.journal.close()
  const third = await UnsettledJournal.open(path, {})
  assert.deepEqual([third.entries, third.damagedLines], [[settle, tombstone], 1])
})

test('an append that fails says so and harms neither the one before nor the one after', async (t) => {
  const path = place(t)
  const faults = new SpoolFaults()
  const { journal } = await UnsettledJournal.open(path, { faults })
  await journal.append(tombstone)
  faults.arm('journal-write', { act: 'fail' })
  await assert.rejects(journal.append(settle))
  await journal.append(settle)
  await journal.close()
  assert.deepEqual((await UnsettledJournal.open(path, {})).entries, [tombstone, settle])
})

test('an entry that comes while an older one is being forgotten stays', async (t) => {
  const path = place(t)
  const { journal } = await UnsettledJournal.open(path, {})
  await journal.append(settle)
  await Promise.all([journal.clear(), journal.append(tombstone)])
  await journal.close()
  const again = await UnsettledJournal.open(path, {})
  assert.deepEqual(again.entries, [tombstone])
})

test('an outcome that an earlier version wrote down brings its notification with the tag that it had', async (t) => {
  const path = place(t)
  const { tls: _, ...envelope } = bounce.envelope
  const written = (requireTls: boolean): string => {
    const notification = { ...bounce, envelope: { ...envelope, requireTls }, content: 'AA0K/w==' }
    return formatJournalLine({ ...settle, settlement: { ...settle.settlement, enqueue: [notification] } })
  }
  appendFileSync(path, `\n${written(false)}\n${written(true)}`)
  const { entries } = await UnsettledJournal.open(path, {})
  const read = entries.flatMap((entry) => (entry.kind === 'settle' ? entry.settlement.enqueue : []))
  assert.deepEqual(read, [bounce, { ...bounce, envelope: { ...bounce.envelope, tls: 'requiretls' } }])
})
