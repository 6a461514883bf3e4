import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogEvent } from './log-events.ts'
import { policyRefusal } from './refusal-metrics.ts'
import { MOST_REFUSED_DOMAINS, RefusedDomains } from './refused-domains.ts'

const HOUR_MS = 3_600_000

function refused(nextHop: string, kind: 'tls-policy' | 'connect-failed' = 'tls-policy'): LogEvent {
  return { event: 'next-hop-failed', nextHop, problem: { cause: { kind } } } as unknown as LogEvent
}

function attempted(nextHop: string, delivered: number): LogEvent {
  return { event: 'attempt-finished', nextHop, recipients: { delivered } } as unknown as LogEvent
}

test('a domain counts once, however often it is refused, and until mail is delivered there', () => {
  const domains = new RefusedDomains()
  domains.note(refused('a.test'), 0)
  domains.note(refused('a.test'), 1)
  domains.note(refused('b.test'), 2)
  domains.note(refused('c.test', 'connect-failed'), 3)
  assert.equal(domains.count(4), 2)
  domains.note(attempted('a.test', 0), 5)
  assert.equal(domains.count(6), 2)
  domains.note(attempted('a.test', 1), 7)
  assert.equal(domains.count(8), 1)
})

test('a refusal is forgotten after four hours, counted from the last one', () => {
  const domains = new RefusedDomains()
  domains.note(refused('a.test'), 0)
  domains.note(refused('b.test'), 0)
  domains.note(refused('a.test'), HOUR_MS)
  assert.equal(domains.count(4 * HOUR_MS), 1)
  assert.equal(domains.count(5 * HOUR_MS), 0)
})

test('strangers cannot make it grow without end', () => {
  const domains = new RefusedDomains()
  for (let index = 0; index < MOST_REFUSED_DOMAINS + 5; index++) domains.note(refused(`${index}.test`), index)
  assert.equal(domains.count(MOST_REFUSED_DOMAINS), MOST_REFUSED_DOMAINS)
})

test('a refusal counts by whose policy it was and by its first reason, without details', () => {
  const cause = { kind: 'tls-policy', policyDomain: 'a.test' } as const
  const labels = (reason: string, mechanism?: 'dane' | 'mta-sts') =>
    policyRefusal({ ...cause, reason, ...(mechanism === undefined ? {} : { mechanism }) }).map((one) => one.labels)
  assert.deepEqual(labels('handshake-failed (reset), x', 'mta-sts'), [
    { policy: 'mta-sts', reason: 'handshake-failed' },
  ])
  assert.deepEqual(labels('sts-mx-mismatch, tlsa-invalid', 'dane'), [{ policy: 'dane', reason: 'sts-mx-mismatch' }])
  assert.deepEqual(labels('certificate-untrusted (UNABLE_TO_VERIFY)'), [
    { policy: 'local', reason: 'certificate-untrusted' },
  ])
  assert.deepEqual(policyRefusal({ kind: 'connect-failed', code: 'ECONNREFUSED' }), [])
})
