import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { CountedSession, ReportedPolicy } from './counted-session.ts'
import { anySession, DAY, RECIPIENT } from './report.fixture.ts'
import {
  type DomainTally,
  EMPTY_TALLY,
  FAILURES_MAX,
  failureKey,
  mergeTallies,
  POLICIES_MAX,
  sessionTally,
  tallyTotals,
} from './tally.ts'
import { TallySum } from './tally-sum.ts'

const STS: ReportedPolicy = {
  policyType: 'sts',
  policyDomain: RECIPIENT,
  policyString: ['mode: enforce'],
  mxHost: ['a'],
}
const sumOf = (sessions: readonly CountedSession[]) => mergeTallies(sessions.map(sessionTally))

/** Far beyond both bounds, for the properties below. */
const flood = fc
  .tuple(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 400 }), fc.constantFrom('sts', 'tlsa'))
  .map(([policies, names, policyType]): readonly CountedSession[] =>
    Array.from({ length: 500 }, (_, at) => ({
      policy: { ...STS, policyType: policyType as 'sts', policyString: [`v${at % policies}`] },
      failures:
        at % 3 === 0 ? [] : [{ resultType: 'certificate-expired' as const, receivingMxHelo: `h${(at * 7) % names}` }],
    })),
  )
const sessions = fc.oneof(
  { weight: 3, arbitrary: fc.array(anySession, { maxLength: 30 }) },
  { weight: 1, arbitrary: flood },
)

describe('RFC 8460 §4.4: what is counted together', () => {
  test('a session with two failures is one failed session, and the same failure twice is one', () => {
    const expired = { resultType: 'certificate-expired' } as const
    const session = { policy: STS, failures: [expired, { resultType: 'starttls-not-supported' }, expired] } as const
    const [entry] = sumOf([session, { policy: STS, failures: [] }]).policies
    assert.deepEqual([entry?.successfulSessions, entry?.failedSessions], [1, 1])
    assert.deepEqual(entry?.failures, [
      { failure: expired, sessions: 1 },
      { failure: { resultType: 'starttls-not-supported' }, sessions: 1 },
    ])
  })

  test('a policy that changed gives two entries, and failures that differ in one member are two', () => {
    const at = (receivingIp: string): CountedSession => ({
      policy: STS,
      failures: [{ resultType: 'certificate-expired', receivingIp }],
    })
    const changed = { policy: { ...STS, policyString: ['mode: testing'] }, failures: [] }
    const sum = sumOf([at('192.0.2.1'), at('192.0.2.2'), at('192.0.2.1'), changed])
    assert.deepEqual(
      sum.policies.map(({ failures }) => failures.map(({ sessions: count }) => count)),
      [[2, 1], []],
    )
  })

  test('a million distinct names cost no more than the bound, and no total is wrong', () => {
    const sum = new TallySum()
    for (let at = 0; at < 1_000_000; at += 1) {
      const failures = [{ resultType: 'validation-failure' as const, receivingMxHelo: `host-${at}` }]
      sum.add({ day: DAY, policyDomain: RECIPIENT, sessions: [{ policy: STS, failures }] })
    }
    const [entry] = sum.take()[0]?.tally.policies ?? []
    assert.equal(entry?.failures.length, FAILURES_MAX)
    assert.equal(entry?.failedSessions, 1_000_000)
    assert.deepEqual(entry?.otherFailures, { 'validation-failure': 1_000_000 - FAILURES_MAX })
    assert.equal(sum.isEmpty, true)
  })

  test('policies beyond the bound are one sum for each type', () => {
    const many = Array.from({ length: 1000 }, (_, at) => ({
      policy: { ...STS, policyString: [`${at}`] },
      failures: [],
    }))
    const { policies, otherPolicies } = sumOf(many)
    assert.equal(policies.length, POLICIES_MAX)
    assert.deepEqual(otherPolicies, {
      sts: { successfulSessions: 1000 - POLICIES_MAX, failedSessions: 0, otherFailures: {} },
    })
  })
})

describe('sums merge', () => {
  test('in every order and grouping to the same sum', () => {
    fc.assert(
      fc.property(sessions, sessions, sessions, (a, b, c) => {
        const [x, y, z] = [sumOf(a), sumOf(b), sumOf(c)]
        const all = sumOf([...a, ...b, ...c])
        assert.deepEqual(mergeTallies([mergeTallies([x, y]), z]), all)
        assert.deepEqual(mergeTallies([x, mergeTallies([z, y])]), all)
        assert.deepEqual(mergeTallies([z, EMPTY_TALLY, y, x]), all)
      }),
      { numRuns: 60 },
    )
  })

  test('without losing a session or a failure, within the bounds', () => {
    fc.assert(
      fc.property(sessions, (all) => {
        const sum = sumOf(all)
        const failed = all.filter(({ failures }) => failures.length > 0).length
        assert.deepEqual(tallyTotals(sum), { successfulSessions: all.length - failed, failedSessions: failed })
        const details = all.flatMap(({ failures }) => [...new Set(failures.map(failureKey))])
        assert.equal(failuresIn(sum), details.length)
        assert.ok(sum.policies.length <= POLICIES_MAX)
        assert.ok(sum.policies.every(({ failures }) => failures.length <= FAILURES_MAX))
      }),
      { numRuns: 60 },
    )
  })

  test('in memory to the same sum', () => {
    fc.assert(
      fc.property(sessions, (all) => {
        const sum = new TallySum()
        for (const session of all) sum.add({ day: DAY, policyDomain: RECIPIENT, sessions: [session] })
        const [taken] = sum.take()
        assert.deepEqual(taken?.tally ?? EMPTY_TALLY, sumOf(all))
      }),
      { numRuns: 60 },
    )
  })
})

function failuresIn({ policies, otherPolicies }: DomainTally): number {
  const others = [...policies, ...Object.values(otherPolicies)].flatMap(({ otherFailures }) =>
    Object.values(otherFailures),
  )
  const told = policies.flatMap(({ failures }) => failures.map(({ sessions: count }) => count))
  return [...others, ...told].reduce((total, count) => total + count, 0)
}
