/** What operators do with cached policies, on the real source and store (RFC 8461 §10.3). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { domainName } from '../../../../test/lab/policy-host-world.ts'
import { PolicyCacheUnavailable } from '../ports/policy-cache.ts'
import { createPolicyAdmin, type PolicyAdmin } from './administration.ts'
import { BACK_OFF_MS } from './freshness.ts'
import type { PolicyPurge } from './purge.ts'
import { DAY, policyText, SourceBed, START } from './source.fixture.ts'

const A = domainName('a.test')
const ENFORCE = { answer: { body: policyText('enforce') } }

async function known(t: Parameters<typeof SourceBed.start>[0]) {
  const bed = await SourceBed.start(t)
  const host = await bed.host('a.test', ENFORCE)
  bed.record('a.test', '1')
  await bed.policyFor('a.test')
  const told: PolicyPurge[] = []
  const { cache, source } = bed
  const admin = createPolicyAdmin({ cache, source, now: () => bed.now, tell: (purge) => void told.push(purge) })
  return { bed, host, admin, told }
}

async function renewed(admin: PolicyAdmin) {
  const { kind } = await admin.refresh(A)
  return kind
}

describe('purge', () => {
  test('ends a policy, tells who did it and when, and the next mail is first contact', async (t) => {
    const { bed, host, admin, told } = await known(t)
    const purge = { policyDomain: A, mode: 'enforce', by: 'jane', at: START } as const
    assert.deepEqual(await admin.purge(A, 'jane'), purge)
    assert.deepEqual(told, [purge])
    assert.equal(await admin.show(A), undefined)
    bed.record('a.test', undefined)
    bed.later()
    assert.equal(await bed.said('a.test'), 'no-record')
    bed.record('a.test', '1')
    bed.later()
    assert.equal(await bed.said('a.test'), 'enforce 1 fresh')
    assert.equal(host.requests.length, 2)
  })

  test('of nothing is nothing, and is not told', async (t) => {
    const { admin, told } = await known(t)
    assert.equal(await admin.purge(domainName('b.test'), 'jane'), undefined)
    assert.deepEqual(told, [])
  })

  test('also takes what cannot be read', async (t) => {
    const { bed, told } = await known(t)
    const get = () => Promise.reject(new PolicyCacheUnavailable('damaged'))
    const cache = { get, list: bed.cache.list.bind(bed.cache), remove: bed.cache.remove.bind(bed.cache) }
    const admin = createPolicyAdmin({ cache, now: () => bed.now, tell: (purge) => void told.push(purge) })
    assert.equal((await admin.purge(A, 'jane'))?.mode, undefined)
    assert.equal(await bed.cache.get(A), undefined)
  })
})

describe('refresh', () => {
  test('fetches although the id is the same, and says whether the document is another one', async (t) => {
    const { bed, host, admin } = await known(t)
    bed.later(DAY / 2)
    const same = await admin.refresh(A)
    assert.deepEqual([same.kind, same.kind === 'fetched' && same.changed], ['fetched', false])
    host.answer = { body: policyText('testing') }
    const other = await admin.refresh(A)
    assert.equal(other.kind === 'fetched' && other.changed, true)
    assert.equal(bed.told('sts-policy-weakened').length, 1)
    assert.equal((await admin.show(A))?.fetchedAt, bed.now)
  })

  test('asks DNS itself: a record that was absent a moment ago is found', async (t) => {
    const bed = await SourceBed.start(t)
    await bed.host('a.test', ENFORCE)
    const admin = createPolicyAdmin({ cache: bed.cache, source: bed.source, now: () => bed.now, tell: () => undefined })
    const nothing = await admin.refresh(A)
    assert.equal(nothing.kind === 'nothing-announced' && nothing.record.kind, 'absent')
    bed.record('a.test', '1')
    assert.equal(await renewed(admin), 'fetched')
  })

  test('that fails keeps the policy, remembers why, and the next one waits five minutes', async (t) => {
    const { bed, host, admin } = await known(t)
    host.answer = { status: 404 }
    const failed = await admin.refresh(A)
    assert.equal(failed.kind === 'failed' && failed.report.failureReasonCode, 'status-404')
    const { failedRefreshes, lastFailure } = (await admin.show(A)) ?? {}
    assert.deepEqual(
      { failedRefreshes, lastFailure },
      { failedRefreshes: 1, lastFailure: { at: START, reason: 'sts-policy-fetch-error: status-404' } },
    )
    assert.deepEqual(await admin.refresh(A), { kind: 'waiting', retryFrom: START + BACK_OFF_MS })
    assert.equal(await bed.said('a.test'), 'enforce 1 cache')
    assert.equal(host.requests.length, 2)
  })

  test('needs somebody who can fetch', async (t) => {
    const { bed } = await known(t)
    const admin = createPolicyAdmin({ cache: bed.cache, now: () => bed.now, tell: () => undefined })
    assert.equal(await renewed(admin), 'not-running')
    bed.cache.close()
    assert.deepEqual(await bed.source.renew(A), { kind: 'unavailable', because: 'cache' })
  })
})
