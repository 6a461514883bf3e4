/** What `FetchLeases` promises, as tests: every adapter's test file is one call to this. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type DomainName, parseDomainName } from '../domain-name.ts'
import type { FetchLeases } from './fetch-leases.ts'

/** The same store for every process that is opened within one test; a lease ends by itself after `leaseMs`. */
export type OpenFetchLeases = (t: TestContext, options?: { readonly leaseMs?: number }) => Promise<FetchLeases>

export function fetchLeasesContract(openFor: OpenFetchLeases): void {
  test('STS-74: of many that ask at once, one fetches; when it has ended, the next', async (t) => {
    const leases = await Promise.all(Array.from({ length: 10 }, () => openFor(t)))
    const taken = await Promise.all(leases.map((one) => one.take(QUESTION)))
    const [ours, ...others] = taken.filter(({ kind }) => kind === 'ours')
    assert.ok(ours?.kind === 'ours' && others.length === 0)
    assert.equal(taken.filter(({ kind }) => kind === 'theirs').length, 9)
    await leases[0]?.end(A, ours.token)
    const next = await Promise.all(leases.map((one) => one.take(QUESTION)))
    assert.equal(next.filter(({ kind }) => kind === 'ours').length, 1)
  })

  test('domains do not wait for each other', async (t) => {
    const leases = await openFor(t)
    assert.equal((await leases.take(QUESTION)).kind, 'ours')
    assert.equal((await leases.take({ ...QUESTION, policyDomain: name('b.test') })).kind, 'ours')
  })

  test('a failure holds off everybody for this id, and nobody for another', async (t) => {
    const leases = await openFor(t)
    const taken = await leases.take(QUESTION)
    assert.ok(taken.kind === 'ours')
    await leases.end(A, taken.token, { ...FAILURE, backOffMs: 60_000 })
    const again = await leases.take(QUESTION)
    assert.ok(again.kind === 'failed')
    assert.deepEqual(again.report, FAILURE.report)
    assert.ok(again.retryInMs > 0 && again.retryInMs <= 60_000)
    const other = await leases.take({ ...QUESTION, id: '2' })
    assert.ok(other.kind === 'ours')
    await leases.end(A, other.token)
    assert.equal((await leases.take(QUESTION)).kind, 'ours', 'a success ends the waiting')
  })

  test('what holds off ends by itself', async (t) => {
    const leases = await openFor(t)
    const taken = await leases.take(QUESTION)
    assert.ok(taken.kind === 'ours')
    await leases.end(A, taken.token, { ...FAILURE, backOffMs: 20 })
    await until(async () => (await leases.take(QUESTION)).kind === 'ours')
  })

  test('a lease that nobody ends goes to the next, and cannot be ended by who had it before', async (t) => {
    const leases = await openFor(t, { leaseMs: 30 })
    const first = await leases.take(QUESTION)
    assert.ok(first.kind === 'ours')
    const patient = await openFor(t)
    await until(async () => (await patient.take(QUESTION)).kind === 'ours')
    await leases.end(A, first.token, { ...FAILURE, backOffMs: 60_000 })
    assert.equal((await patient.take(QUESTION)).kind, 'theirs')
  })
}

const A = name('a.test')
const QUESTION = { policyDomain: A, id: '1' }
const FAILURE = { id: '1', report: { resultType: 'sts-policy-fetch-error', failureReasonCode: 'status-500' } } as const

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5))
}

function name(text: string): DomainName {
  const parsed = parseDomainName(text)
  assert.ok(parsed.ok)
  return parsed.value
}
