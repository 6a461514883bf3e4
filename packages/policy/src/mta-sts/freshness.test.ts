/** Table B of docs/conformance: policy cache × record × fetch → effective policy, one test for each row. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { CachedPolicy } from '../ports/policy-cache.ts'
import {
  announcedId,
  BACK_OFF_MS,
  type Course,
  expiresAt,
  type FreshnessFacts,
  freshness,
  isLive,
  REFETCH_PAUSE_MS,
  refreshDelayMs,
} from './freshness.ts'
import { MAX_AGE_SECONDS, parsePolicyFile, type StsMode, type StsPolicy } from './policy-file.ts'
import type { RecordAnswer } from './record-lookup.ts'

const NOW = Date.UTC(2026, 10, 22)
const DAY = 86_400_000

function policy(mode: StsMode, maxAge = 604_800): StsPolicy {
  const parsed = parsePolicyFile(Buffer.from(`version: STSv1\nmode: ${mode}\nmx: mx.test\nmax_age: ${maxAge}`))
  assert.ok(parsed.ok)
  return parsed.value
}

const cached = (mode: StsMode, { age = 1_000, maxAge = 604_800 } = {}): CachedPolicy => ({
  policy: policy(mode, maxAge),
  id: 'old',
  fetchedAt: NOW - age,
  refreshAt: NOW,
})

const ABSENT: RecordAnswer = { kind: 'absent', ttlSeconds: 60 }
const UNUSABLE: RecordAnswer = { kind: 'unusable', error: { kind: 'missing-id' }, ttlSeconds: 60 }
const DUPLICATE: RecordAnswer = { kind: 'unusable', error: { kind: 'several-records', count: 2 }, ttlSeconds: 60 }
const FAILED: RecordAnswer = { kind: 'failed', reason: { kind: 'timeout' } }
const SAME: RecordAnswer = { kind: 'record', id: 'old', ttlSeconds: 60 }
const OTHER: RecordAnswer = { kind: 'record', id: 'new', ttlSeconds: 60 }
const DAMAGED: readonly RecordAnswer[] = [DUPLICATE, UNUSABLE]
const ALL: readonly RecordAnswer[] = [ABSENT, UNUSABLE, DUPLICATE, FAILED, SAME, OTHER]

const NO_ENTRY = [undefined, cached('enforce', { age: 604_800_001 }), cached('none', { age: 604_800_001 })]
const POLICIES = [cached('enforce'), cached('testing')]

function course(facts: Partial<FreshnessFacts>): Course {
  const nothing = { occasion: 'delivery', cached: undefined, record: ABSENT, backOff: undefined } as const
  return freshness({ ...nothing, refetchFrom: 0, now: NOW, ...facts })
}

const NOTHING: Course = { kind: 'use', what: 'nothing' }
const AS_CACHED: Course = { kind: 'use', what: 'cached' }
const fetchOr = (otherwise: 'nothing' | 'cached', failureCounts = true): Course => ({
  kind: 'fetch',
  otherwise,
  failureCounts,
})

describe('Table B, on delivery', () => {
  test('row 1: no policy and no record: none, and nothing is fetched', () => {
    for (const entry of NO_ENTRY) assert.deepEqual(course({ cached: entry, record: ABSENT }), NOTHING)
  })

  test('row 2: no policy and a duplicate or invalid record: none, and nothing is fetched', () => {
    for (const entry of NO_ENTRY) {
      for (const record of DAMAGED) assert.deepEqual(course({ cached: entry, record }), NOTHING)
    }
  })

  test('row 3: no policy and a failed lookup: none, and nothing is fetched', () => {
    for (const entry of NO_ENTRY) assert.deepEqual(course({ cached: entry, record: FAILED }), NOTHING)
  })

  test('rows 4, 5, 6: no policy and a valid record: fetched, and none when that fails, which counts', () => {
    for (const entry of NO_ENTRY) assert.deepEqual(course({ cached: entry, record: OTHER }), fetchOr('nothing'))
  })

  test('row 7: within five minutes of a failed fetch for the same id: none, and no new count', () => {
    const until = NOW + BACK_OFF_MS
    for (const entry of NO_ENTRY) {
      const facts: Partial<FreshnessFacts> = { cached: entry, record: OTHER, backOff: { id: 'new', until } }
      assert.deepEqual(course(facts), { kind: 'wait', meanwhile: 'nothing', until })
      assert.equal(course({ ...facts, now: until - 1 }).kind, 'wait')
      assert.equal(course({ ...facts, now: until }).kind, 'fetch')
      assert.equal(course({ ...facts, backOff: { id: 'yet another', until } }).kind, 'fetch')
    }
    assert.ok(BACK_OFF_MS >= 5 * 60_000)
  })

  test('row 8: an unexpired policy and no record: the cached one', () => {
    for (const entry of POLICIES) assert.deepEqual(course({ cached: entry, record: ABSENT }), AS_CACHED)
  })

  test('row 9: an unexpired policy and a duplicate or invalid record: the cached one', () => {
    for (const entry of POLICIES) {
      for (const record of DAMAGED) assert.deepEqual(course({ cached: entry, record }), AS_CACHED)
    }
  })

  test('row 10: an unexpired policy and a failed lookup: the cached one', () => {
    for (const entry of POLICIES) assert.deepEqual(course({ cached: entry, record: FAILED }), AS_CACHED)
  })

  test('row 11: an unexpired policy and its own id: the cached one, without a fetch', () => {
    for (const entry of POLICIES) assert.deepEqual(course({ cached: entry, record: SAME }), AS_CACHED)
  })

  test('rows 12, 13, 14: an unexpired policy and another id: fetched, and the cached one when that fails', () => {
    for (const entry of POLICIES) assert.deepEqual(course({ cached: entry, record: OTHER }), fetchOr('cached'))
  })

  test('row 13: and within the back-off for the new id the cached one, without a fetch', () => {
    const until = NOW + 1
    for (const entry of POLICIES) {
      const waiting = course({ cached: entry, record: OTHER, backOff: { id: 'new', until } })
      assert.deepEqual(waiting, { kind: 'wait', meanwhile: 'cached', until })
    }
  })

  test('row 15: an unexpired `none` without a record that announces something else stays, nothing is fetched', () => {
    for (const record of [ABSENT, DUPLICATE, UNUSABLE, FAILED, SAME]) {
      assert.deepEqual(course({ cached: cached('none'), record }), AS_CACHED)
    }
  })

  test('rows 16, 17: an unexpired `none` and another id: fetched, and `none` when that fails, which counts (D-20)', () => {
    assert.deepEqual(course({ cached: cached('none'), record: OTHER }), fetchOr('cached'))
  })

  test('row 18: an expired policy is not revived by its own id: it is fetched, and none when that fails', () => {
    for (const mode of ['enforce', 'testing', 'none'] as const) {
      const entry = cached(mode, { age: 604_800_001 })
      assert.deepEqual(course({ cached: entry, record: SAME }), fetchOr('nothing'))
    }
  })

  test('row 21: a policy of age 0 is never taken from the cache, not even within its own millisecond', () => {
    const entry = cached('enforce', { age: 0, maxAge: 0 })
    assert.equal(isLive(entry, NOW), false)
    assert.deepEqual(course({ cached: entry, record: ABSENT }), NOTHING)
    assert.deepEqual(course({ cached: entry, record: SAME }), fetchOr('nothing'))
  })
})

describe('Table B, background refresh', () => {
  test('rows 19, 20: an unexpired policy is fetched whatever the record says; a failure counts and ends nothing', () => {
    for (const entry of POLICIES) {
      for (const record of ALL) {
        assert.deepEqual(course({ occasion: 'refresh', cached: entry, record }), fetchOr('cached'))
      }
    }
  })

  test('row 20: within the back-off for the announced id the refresh waits; without a record that is the cached id', () => {
    const until = NOW + 1
    for (const [record, id] of [
      [SAME, 'old'],
      [OTHER, 'new'],
      [ABSENT, 'old'],
      [FAILED, 'old'],
    ] as const) {
      const facts = { occasion: 'refresh', cached: cached('enforce'), record } as const
      assert.equal(announcedId(record, facts.cached), id)
      assert.deepEqual(course({ ...facts, backOff: { id, until } }), { kind: 'wait', meanwhile: 'cached', until })
      assert.equal(course({ ...facts, backOff: { id: 'yet another', until } }).kind, 'fetch')
    }
  })

  test('row 15: `none` is asked for quietly while its record stands, and not at all when that is gone', () => {
    const none = { occasion: 'refresh', cached: cached('none') } as const
    for (const record of [ABSENT, DUPLICATE, UNUSABLE, FAILED]) assert.deepEqual(course({ ...none, record }), AS_CACHED)
    assert.deepEqual(course({ ...none, record: SAME }), fetchOr('cached', false))
    assert.deepEqual(course({ ...none, record: OTHER }), fetchOr('cached', true))
  })

  test('what has expired is not refreshed: mail will ask for it', () => {
    for (const entry of NO_ENTRY) {
      for (const record of ALL) assert.deepEqual(course({ occasion: 'refresh', cached: entry, record }), NOTHING)
    }
  })
})

describe('Table B, forced fetch after a failed validation', () => {
  test('rows 22, 23: an unexpired policy is fetched although its id is unchanged, and stays when that fails', () => {
    for (const entry of POLICIES) {
      for (const record of ALL) {
        assert.deepEqual(course({ occasion: 'refetch', cached: entry, record }), fetchOr('cached'))
      }
    }
  })

  test('rows 22, 23: once in five minutes for a domain, but a changed id is followed at once', () => {
    const facts = { occasion: 'refetch', cached: cached('enforce'), refetchFrom: NOW + 1 } as const
    for (const record of [SAME, ABSENT, UNUSABLE, FAILED]) {
      assert.deepEqual(course({ ...facts, record }), { kind: 'wait', meanwhile: 'cached', until: NOW + 1 })
      assert.equal(course({ ...facts, record, now: NOW + 1 }).kind, 'fetch')
    }
    assert.deepEqual(course({ ...facts, record: OTHER }), fetchOr('cached'))
    assert.equal(REFETCH_PAUSE_MS, 5 * 60_000)
  })

  test('the limit is for forced fetches only', () => {
    assert.equal(course({ record: OTHER, refetchFrom: NOW + 1 }).kind, 'fetch')
    const refresh = { occasion: 'refresh', cached: cached('enforce'), record: SAME, refetchFrom: NOW + 1 } as const
    assert.equal(course(refresh).kind, 'fetch')
  })

  test('where nothing is cached that could forbid something, it is the same as on delivery', () => {
    for (const entry of [...NO_ENTRY, cached('none')]) {
      for (const record of ALL) {
        const facts = { cached: entry, record }
        assert.deepEqual(course({ ...facts, occasion: 'refetch' }), course(facts))
      }
    }
  })
})

describe('time', () => {
  test('a policy counts until max_age after its fetch, and not a millisecond longer', () => {
    const entry = cached('enforce', { maxAge: 60 })
    assert.equal(expiresAt(entry), entry.fetchedAt + 60_000)
    assert.equal(isLive(entry, entry.fetchedAt + 60_000), true)
    assert.equal(isLive(entry, entry.fetchedAt + 60_001), false)
    assert.equal(isLive(entry, entry.fetchedAt - DAY), true, 'a clock that was set back ends nothing')
  })

  test('refreshes are due within a day, spread, several times in the life of a policy', () => {
    const age = fc.integer({ min: 0, max: MAX_AGE_SECONDS })
    fc.assert(
      fc.property(age, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (seconds, chance) => {
        const delay = refreshDelayMs(policy('enforce', seconds), () => chance)
        assert.ok(delay >= 5 * 60_000 && delay < 0.95 * DAY + 1)
        if (seconds >= 3_600) assert.ok(delay * 4 < seconds * 1_000)
      }),
    )
    const week = policy('enforce')
    assert.ok(refreshDelayMs(week, () => 0.99) - refreshDelayMs(week, () => 0) > 5 * 3_600_000)
  })

  test('a failure to find out never weakens: no record and no failure ends what is cached', () => {
    const entry = fc.constantFrom(...POLICIES, cached('none'))
    const occasion = fc.constantFrom('delivery', 'refresh', 'refetch') as fc.Arbitrary<FreshnessFacts['occasion']>
    const backOff = fc.option(fc.record({ id: fc.constantFrom('old', 'new'), until: fc.nat().map((n) => NOW + n) }), {
      nil: undefined,
    })
    fc.assert(
      fc.property(entry, occasion, fc.constantFrom(...ALL), backOff, (held, when, record, waiting) => {
        const decided = course({ cached: held, occasion: when, record, backOff: waiting })
        const without =
          decided.kind === 'use' ? decided.what : decided.kind === 'fetch' ? decided.otherwise : decided.meanwhile
        assert.equal(without, 'cached')
      }),
    )
  })
})
