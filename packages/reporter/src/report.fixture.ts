/** Sessions, sums and names for the tests about reports. */
import assert from 'node:assert/strict'
import { type DomainName, parseDomainName, parsePolicyFile, type StsPolicy } from '@hermetic/policy'
import fc from 'fast-check'
import type { CountedSession, ReportedFailure, ReportedPolicy } from './counted-session.ts'
import type { ReportOrigin } from './report-name.ts'
import { RESULT_TYPES } from './result-type.ts'
import { parseUtcDay, type UtcDay } from './utc-day.ts'

export function domain(text: string): DomainName {
  const name = parseDomainName(text)
  assert.ok(name.ok, text)
  return name.value
}

export function day(text: string): UtcDay {
  const parsed = parseUtcDay(text)
  assert.ok(parsed !== undefined, text)
  return parsed
}

export function policy(text: string): StsPolicy {
  const parsed = parsePolicyFile(Buffer.from(text))
  assert.ok(parsed.ok, JSON.stringify(parsed))
  return parsed.value
}

export const RECIPIENT = domain('rcpt.example')
export const SUBMITTER = domain('sender.example')
export const DAY = day('2026-11-21')
export const ORIGIN: ReportOrigin = { submitter: SUBMITTER, policyDomain: RECIPIENT, day: DAY, storeId: 'a-store' }

const name = fc.constantFrom('mx1.rcpt.example', 'mx2.rcpt.example', 'xn--bcher-kva.example').map(domain)
const address = fc.constantFrom('192.0.2.25', '2001:db8::1', '203.0.113.9')

const failure: fc.Arbitrary<ReportedFailure> = fc.record(
  {
    resultType: fc.constantFrom(...RESULT_TYPES),
    receivingMxHostname: name,
    receivingIp: address,
    sendingMtaIp: address,
    receivingMxHelo: fc.stringMatching(/^[!-~]{1,3}$/),
    failureReasonCode: fc.constantFrom('alert-40', 'sts-mx-mismatch'),
  },
  { requiredKeys: ['resultType'], noNullPrototype: true },
)

const anyPolicy: fc.Arbitrary<ReportedPolicy> = fc.oneof(
  fc.record({
    policyType: fc.constant('sts' as const),
    policyDomain: name,
    policyString: fc.array(fc.string({ unit: 'binary', minLength: 1, maxLength: 5 }), { maxLength: 2 }),
    mxHost: fc.subarray(['mx1.rcpt.example', '*.backup.example']),
  }),
  fc.record({
    policyType: fc.constant('tlsa' as const),
    policyDomain: name,
    policyString: fc.subarray(['3 1 1 AB', '2 0 1 CD']),
    mxHost: fc.constant([]),
  }),
  fc.record({
    policyType: fc.constant('no-policy-found' as const),
    policyDomain: name,
    policyString: fc.constant([]),
    mxHost: fc.constant([]),
  }),
)

export const anySession: fc.Arbitrary<CountedSession> = fc
  .record({ policy: anyPolicy, failures: fc.array(failure, { maxLength: 3 }) })
  .map(({ policy: one, failures }) => ({ policy: { ...one }, failures }))
