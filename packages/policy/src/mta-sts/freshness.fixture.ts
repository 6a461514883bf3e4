/**
 * Table B of docs/conformance as checks of the freshness decision: one for each row, to be made of the real tables and
 * of tables with a cell that was changed on purpose.
 */
import assert from 'node:assert/strict'
import type { CachedPolicy } from '../ports/policy-cache.ts'
import {
  announcedId,
  BACK_OFF_MS,
  type Course,
  type FreshnessFacts,
  type freshness,
  isLive,
  REFETCH_PAUSE_MS,
} from './freshness.ts'
import { parsePolicyFile, type StsMode, type StsPolicy } from './policy-file.ts'
import type { RecordAnswer } from './record-lookup.ts'

export const NOW = Date.UTC(2026, 10, 22)

export function policy(mode: StsMode, maxAge = 604_800): StsPolicy {
  const parsed = parsePolicyFile(Buffer.from(`version: STSv1\nmode: ${mode}\nmx: mx.test\nmax_age: ${maxAge}`))
  assert.ok(parsed.ok)
  return parsed.value
}

export const cached = (mode: StsMode, { age = 1_000, maxAge = 604_800 } = {}): CachedPolicy => ({
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
export const ALL: readonly RecordAnswer[] = [ABSENT, UNUSABLE, DUPLICATE, FAILED, SAME, OTHER]

const NO_ENTRY = [undefined, cached('enforce', { age: 604_800_001 }), cached('none', { age: 604_800_001 })]
export const POLICIES = [cached('enforce'), cached('testing')]

const NOTHING: Course = { kind: 'use', what: 'nothing' }
const AS_CACHED: Course = { kind: 'use', what: 'cached' }
const fetchOr = (otherwise: 'nothing' | 'cached', failureCounts = true): Course => ({
  kind: 'fetch',
  otherwise,
  failureCounts,
})

/** What is not named: a delivery, nothing held, no record, no failure before. */
export type Decide = (facts: Partial<FreshnessFacts>) => Course

export function decideBy(decision: typeof freshness): Decide {
  const nothing = { occasion: 'delivery', cached: undefined, record: ABSENT, backOff: undefined } as const
  return (facts) => decision({ ...nothing, refetchFrom: 0, now: NOW, ...facts })
}

export const TABLE_B: Readonly<Record<string, (course: Decide) => void>> = {
  // Table B, on delivery
  'row 1: no policy and no record: none, and nothing is fetched': (course) => {
    for (const entry of NO_ENTRY) assert.deepEqual(course({ cached: entry, record: ABSENT }), NOTHING)
  },

  'row 2: no policy and a duplicate or invalid record: none, and nothing is fetched': (course) => {
    for (const entry of NO_ENTRY) {
      for (const record of DAMAGED) assert.deepEqual(course({ cached: entry, record }), NOTHING)
    }
  },

  'row 3: no policy and a failed lookup: none, and nothing is fetched': (course) => {
    for (const entry of NO_ENTRY) assert.deepEqual(course({ cached: entry, record: FAILED }), NOTHING)
  },

  'rows 4, 5, 6: no policy and a valid record: fetched, and none when that fails, which counts': (course) => {
    for (const entry of NO_ENTRY) assert.deepEqual(course({ cached: entry, record: OTHER }), fetchOr('nothing'))
  },

  'row 7: within five minutes of a failed fetch for the same id: none, and no new count': (course) => {
    const until = NOW + BACK_OFF_MS
    for (const entry of NO_ENTRY) {
      const facts: Partial<FreshnessFacts> = { cached: entry, record: OTHER, backOff: { id: 'new', until } }
      assert.deepEqual(course(facts), { kind: 'wait', meanwhile: 'nothing', until })
      assert.equal(course({ ...facts, now: until - 1 }).kind, 'wait')
      assert.equal(course({ ...facts, now: until }).kind, 'fetch')
      assert.equal(course({ ...facts, backOff: { id: 'yet another', until } }).kind, 'fetch')
    }
    assert.ok(BACK_OFF_MS >= 5 * 60_000)
  },

  'row 8: an unexpired policy and no record: the cached one': (course) => {
    for (const entry of POLICIES) assert.deepEqual(course({ cached: entry, record: ABSENT }), AS_CACHED)
  },

  'row 9: an unexpired policy and a duplicate or invalid record: the cached one': (course) => {
    for (const entry of POLICIES) {
      for (const record of DAMAGED) assert.deepEqual(course({ cached: entry, record }), AS_CACHED)
    }
  },

  'row 10: an unexpired policy and a failed lookup: the cached one': (course) => {
    for (const entry of POLICIES) assert.deepEqual(course({ cached: entry, record: FAILED }), AS_CACHED)
  },

  'row 11: an unexpired policy and its own id: the cached one, without a fetch': (course) => {
    for (const entry of POLICIES) assert.deepEqual(course({ cached: entry, record: SAME }), AS_CACHED)
  },

  'rows 12, 13, 14: an unexpired policy and another id: fetched, and the cached one when that fails': (course) => {
    for (const entry of POLICIES) assert.deepEqual(course({ cached: entry, record: OTHER }), fetchOr('cached'))
  },

  'row 13: and within the back-off for the new id the cached one, without a fetch': (course) => {
    const until = NOW + 1
    for (const entry of POLICIES) {
      const waiting = course({ cached: entry, record: OTHER, backOff: { id: 'new', until } })
      assert.deepEqual(waiting, { kind: 'wait', meanwhile: 'cached', until })
    }
  },

  'row 15: an unexpired `none` without a record that announces something else stays, nothing is fetched': (course) => {
    for (const record of [ABSENT, DUPLICATE, UNUSABLE, FAILED, SAME]) {
      assert.deepEqual(course({ cached: cached('none'), record }), AS_CACHED)
    }
  },

  'rows 16, 17: an unexpired `none` and another id: fetched, and `none` when that fails, which counts (D-20)': (
    course,
  ) => {
    assert.deepEqual(course({ cached: cached('none'), record: OTHER }), fetchOr('cached'))
  },

  'row 18: an expired policy is not revived by its own id: it is fetched, and none when that fails': (course) => {
    for (const mode of ['enforce', 'testing', 'none'] as const) {
      const entry = cached(mode, { age: 604_800_001 })
      assert.deepEqual(course({ cached: entry, record: SAME }), fetchOr('nothing'))
    }
  },

  'row 21: a policy of age 0 is never taken from the cache, not even within its own millisecond': (course) => {
    const entry = cached('enforce', { age: 0, maxAge: 0 })
    assert.equal(isLive(entry, NOW), false)
    assert.deepEqual(course({ cached: entry, record: ABSENT }), NOTHING)
    assert.deepEqual(course({ cached: entry, record: SAME }), fetchOr('nothing'))
  },

  // Table B, background refresh
  'rows 19, 20: an unexpired policy is fetched whatever the record says; a failure counts and ends nothing': (
    course,
  ) => {
    for (const entry of POLICIES) {
      for (const record of ALL) {
        assert.deepEqual(course({ occasion: 'refresh', cached: entry, record }), fetchOr('cached'))
      }
    }
  },

  'row 20: within the back-off for the announced id the refresh waits; without a record that is the cached id': (
    course,
  ) => {
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
  },

  'row 15: `none` is asked for quietly while its record stands, and not at all when that is gone': (course) => {
    const none = { occasion: 'refresh', cached: cached('none') } as const
    for (const record of [ABSENT, DUPLICATE, UNUSABLE, FAILED]) assert.deepEqual(course({ ...none, record }), AS_CACHED)
    assert.deepEqual(course({ ...none, record: SAME }), fetchOr('cached', false))
    assert.deepEqual(course({ ...none, record: OTHER }), fetchOr('cached', true))
  },

  'what has expired is not refreshed: mail will ask for it': (course) => {
    for (const entry of NO_ENTRY) {
      for (const record of ALL) assert.deepEqual(course({ occasion: 'refresh', cached: entry, record }), NOTHING)
    }
  },

  // Table B, forced fetch after a failed validation
  'rows 22, 23: an unexpired policy is fetched although its id is unchanged, and stays when that fails': (course) => {
    for (const entry of POLICIES) {
      for (const record of ALL) {
        assert.deepEqual(course({ occasion: 'refetch', cached: entry, record }), fetchOr('cached'))
      }
    }
  },

  'rows 22, 23: once in five minutes for a domain, but a changed id is followed at once': (course) => {
    const facts = { occasion: 'refetch', cached: cached('enforce'), refetchFrom: NOW + 1 } as const
    for (const record of [SAME, ABSENT, UNUSABLE, FAILED]) {
      assert.deepEqual(course({ ...facts, record }), { kind: 'wait', meanwhile: 'cached', until: NOW + 1 })
      assert.equal(course({ ...facts, record, now: NOW + 1 }).kind, 'fetch')
    }
    assert.deepEqual(course({ ...facts, record: OTHER }), fetchOr('cached'))
    assert.equal(REFETCH_PAUSE_MS, 5 * 60_000)
  },

  'the limit is for forced fetches only': (course) => {
    assert.equal(course({ record: OTHER, refetchFrom: NOW + 1 }).kind, 'fetch')
    const refresh = { occasion: 'refresh', cached: cached('enforce'), record: SAME, refetchFrom: NOW + 1 } as const
    assert.equal(course(refresh).kind, 'fetch')
  },

  'where nothing is cached that could forbid something, it is the same as on delivery': (course) => {
    for (const entry of [...NO_ENTRY, cached('none')]) {
      for (const record of ALL) {
        const facts = { cached: entry, record }
        assert.deepEqual(course({ ...facts, occasion: 'refetch' }), course(facts))
      }
    }
  },
}
