import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { TargetState } from './ports/result-store.ts'
import { RUA_MAX } from './record.ts'
import { parseRua, type Rua } from './rua.ts'
import { RETRY_FOR_MS } from './schedule.ts'
import {
  type AttemptOutcome,
  afterAttempt,
  afterLimit,
  isDue,
  isOver,
  nextDueAt,
  withPublished,
} from './target-state.ts'

const MINUTE_MS = 60_000
const START = Date.UTC(2026, 10, 22, 3)
const WAITING: TargetState = { uri: 'mailto:a@x.example', state: 'waiting', attempts: 0 }

function rua(name: string): Rua {
  const parsed = parseRua(`mailto:${name}@x.example`)
  assert.ok(parsed.ok)
  return parsed.value
}

const outcome: fc.Arbitrary<AttemptOutcome> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ kind: 'failed', reason: 'status-500' } as const) },
  { weight: 2, arbitrary: fc.constant({ kind: 'not-tried', reason: 'own-limit' } as const) },
  { weight: 1, arbitrary: fc.constantFrom({ kind: 'queued' } as const, { kind: 'accepted' } as const) },
)

describe('RFC 8460 §5.5: the attempts at one target', () => {
  test('whatever happens, they end: within a day of the first, and never after success', () => {
    const life = fc.infiniteStream(fc.tuple(outcome, fc.boolean(), fc.double({ min: 0, max: 1, noNaN: true })))
    fc.assert(
      fc.property(life, (turns) => {
        let now = START
        let target = WAITING
        for (const [what, limited, random] of turns) {
          const moment = { firstAttemptAt: START, now, random }
          const after = limited && target.attempts < 3 ? afterLimit(target, moment) : afterAttempt(target, what, moment)
          assert.ok(after.attempts - target.attempts <= 1)
          target = after
          if (target.state !== 'waiting') break
          assert.ok(target.nextAt !== undefined && target.nextAt > now, 'it goes forward')
          assert.equal(isDue(target, target.nextAt - 1), false)
          now = target.nextAt
        }
        assert.ok(now <= START + RETRY_FOR_MS)
        assert.notEqual(target.state, 'waiting')
      }),
      { numRuns: 200 },
    )
  })

  test('a site that had its share goes on when the next day has begun, spread over an hour', () => {
    const [early, late] = [0, 1].map((random) => afterLimit(WAITING, { firstAttemptAt: START, now: START, random }))
    assert.equal(early?.nextAt, Date.UTC(2026, 10, 23))
    assert.equal(late?.nextAt, Date.UTC(2026, 10, 23, 1))
    assert.deepEqual([early?.attempts, early?.reason], [0, 'daily-limit'])
  })

  test('who was away when the day ended still makes the last attempt for a quarter of an hour', () => {
    const end = START + RETRY_FOR_MS
    assert.equal(isOver({ firstAttemptAt: START, now: end + 15 * MINUTE_MS }), false)
    assert.equal(isOver({ firstAttemptAt: START, now: end + 15 * MINUTE_MS + 1 }), true)
  })

  test('a report is worked on when the first of its targets is due; without a waiting one never', () => {
    const later = { ...WAITING, nextAt: 20 }
    assert.equal(nextDueAt([later, { ...later, nextAt: 10 }, { ...WAITING, state: 'accepted', nextAt: 5 }]), 10)
    assert.equal(nextDueAt([{ ...WAITING, state: 'given-up' }]), undefined)
    assert.equal(nextDueAt([WAITING]), 0)
  })
})

describe('the record as it is', () => {
  test('what has gone is given up, what has its end keeps it, what is new waits', () => {
    const done: TargetState = { uri: rua('done').uri, state: 'accepted', attempts: 1 }
    assert.deepEqual(withPublished([{ ...WAITING, attempts: 2 }, done], [rua('new')]), [
      { uri: WAITING.uri, state: 'given-up', attempts: 2, reason: 'no-longer-published' },
      done,
      { uri: rua('new').uri, state: 'waiting', attempts: 0 },
    ])
  })

  test('however often it changes, no report has more than ten targets', () => {
    const records = fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 50 }), { maxLength: 10 }), { maxLength: 20 })
    fc.assert(
      fc.property(records, (changes) => {
        let targets: readonly TargetState[] = []
        for (const names of changes) {
          targets = withPublished(
            targets,
            names.map((name) => rua(`r${name}`)),
          )
          assert.ok(targets.length <= RUA_MAX)
          assert.equal(new Set(targets.map(({ uri }) => uri)).size, targets.length)
        }
      }),
    )
  })
})
