import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { ClaimsJournal, parseClaimsJournal, readSuspects } from './claims-journal.ts'
import { newQueueId } from './queue-id.ts'

function folder(t: { after(done: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), 'claims-'))
  t.after(() => rmSync(path, { recursive: true }))
  return join(path, 'claims.journal')
}

test('who was in flight when the process died is a suspect; who had ended is not', (t) => {
  const path = folder(t)
  const [flying, landed, twice] = [newQueueId(), newQueueId(), newQueueId()]
  const journal = new ClaimsJournal(path, [])
  for (const id of [flying, landed, twice, twice]) journal.began(id)
  journal.ended(landed)
  journal.ended(twice)
  journal.flush()
  assert.deepEqual(readSuspects(path), [
    { id: flying, deaths: 1 },
    { id: twice, deaths: 1 },
  ])
})

test('deaths add up only for a message that was in flight again', (t) => {
  const path = folder(t)
  const [again, waiting, cured] = [newQueueId(), newQueueId(), newQueueId()]
  const journal = new ClaimsJournal(
    path,
    [again, waiting, cured].map((id) => ({ id, deaths: 1 })),
  )
  journal.began(again)
  journal.began(cured)
  journal.ended(cured)
  journal.flush()
  assert.deepEqual(readSuspects(path), [
    { id: again, deaths: 2 },
    { id: waiting, deaths: 1 },
  ])
})

test('a clean stop leaves no journal, and without one nobody is suspect', (t) => {
  const path = folder(t)
  const journal = new ClaimsJournal(path, [])
  journal.began(newQueueId())
  journal.flush()
  journal.closeClean()
  assert.equal(existsSync(path), false)
  assert.deepEqual(readSuspects(path), [])
})

test('the journal does not grow with the mail that passed', (t) => {
  const path = folder(t)
  const journal = new ClaimsJournal(path, [])
  const stays = newQueueId()
  journal.began(stays)
  for (let n = 0; n < 30_000; n += 1) {
    const id = newQueueId()
    journal.began(id)
    journal.ended(id)
    if (n % 100 === 0) journal.flush()
  }
  journal.flush()
  assert.ok(statSync(path).size < 1_100_000, `${statSync(path).size} bytes`)
  assert.deepEqual(readSuspects(path), [{ id: stays, deaths: 1 }])
})

test('a hint that cannot be read is no hint, and never an error', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseClaimsJournal(text)))
  assert.deepEqual(parseClaimsJournal('+../../../../etc/passwd-aaaaaaaaaaaaaaa\n+01'), [])
})
