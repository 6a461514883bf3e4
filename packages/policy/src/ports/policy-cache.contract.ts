/** What `PolicyCache` promises, as tests: every adapter's test file is one call to this. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { type DomainName, parseDomainName } from '../domain-name.ts'
import { parsePolicyFile, type StsMode, type StsPolicy } from '../mta-sts/policy-file.ts'
import type { CachedPolicy, PolicyCache } from './policy-cache.ts'

export interface PolicyCacheBed {
  /** The same store whenever it is called within one test; closes what was open before. */
  readonly reopen: () => Promise<PolicyCache>
  /** UTC milliseconds, for the store too. */
  now: number
}

export function policyCacheContract(bedFor: (t: TestContext) => PolicyCacheBed): void {
  test('STS-75: an entry survives reopening as it was put, and an absent one is undefined', async (t) => {
    covers('STS-75', { observe: 'store' })
    const bed = bedFor(t)
    const entry = cached({ fetchedAt: bed.now })
    await (await bed.reopen()).put(A, entry)
    const cache = await bed.reopen()
    assert.deepEqual(await cache.get(A), { ...entry, policyDomain: A, failedRefreshes: 0 })
    assert.equal(await cache.get(B), undefined)
  })

  test('the document is kept as published, with everything that only reports look at', async (t) => {
    const bed = bedFor(t)
    const published = 'x-note: gr\u00fc\u00dfe \u{1f4e7}\r\nversion:STSv1  \r\nmode: none\nmode: x\nmax_age: 9999999999'
    const entry = { ...cached({ fetchedAt: bed.now }), policy: policy(published) }
    const cache = await bed.reopen()
    await cache.put(A, entry)
    assert.deepEqual((await cache.get(A))?.policy, entry.policy)
  })

  test('a later put replaces the whole entry, weaker or older as it may be', async (t) => {
    const bed = bedFor(t)
    const cache = await bed.reopen()
    await cache.put(A, cached({ fetchedAt: bed.now, mode: 'enforce' }))
    await cache.postponeRefresh(A, {
      fetchedAt: bed.now,
      refreshAt: bed.now + 9,
      failure: { at: bed.now, reason: 'x' },
    })
    const next = cached({ fetchedAt: bed.now - 1_000, mode: 'none', id: 'next' })
    await cache.put(A, next)
    assert.deepEqual(await cache.get(A), { ...next, policyDomain: A, failedRefreshes: 0 })
  })

  test('an expired entry is still answered: freshness is not the business of the store', async (t) => {
    const bed = bedFor(t)
    const cache = await bed.reopen()
    await cache.put(A, cached({ fetchedAt: bed.now, maxAge: 60 }))
    bed.now += 61_000
    assert.equal((await cache.get(A))?.id, '1')
  })

  test('entries can be listed page by page in the order of names, and removed', async (t) => {
    const bed = bedFor(t)
    const cache = await bed.reopen()
    for (const domain of [C, A, B]) await cache.put(domain, cached({ fetchedAt: bed.now }))
    const names = async (page: { readonly after?: DomainName; readonly limit: number }) =>
      (await cache.list(page)).map(({ policyDomain }) => policyDomain)
    assert.deepEqual(await names({ limit: 2 }), [A, B])
    assert.deepEqual(await names({ after: B, limit: 2 }), [C])
    assert.equal(await cache.remove(B), true)
    assert.equal(await cache.remove(B), false)
    assert.deepEqual(await names({ limit: 9 }), [A, C])
    assert.equal(await (await bed.reopen()).get(B), undefined)
  })

  test('due for refresh are unexpired entries whose time has come, the earliest first', async (t) => {
    const bed = bedFor(t)
    const cache = await bed.reopen()
    const { now } = bed
    await cache.put(A, cached({ fetchedAt: now, refreshAt: now + 20 }))
    await cache.put(B, cached({ fetchedAt: now, refreshAt: now + 10 }))
    await cache.put(C, cached({ fetchedAt: now, refreshAt: now, maxAge: 1 }))
    assert.deepEqual(await cache.dueForRefresh(now - 1, 9), [])
    assert.deepEqual(await cache.dueForRefresh(now + 1_000, 9), [C, B, A])
    assert.deepEqual(await cache.dueForRefresh(now + 1_001, 9), [B, A])
    assert.deepEqual(await cache.dueForRefresh(now + 1_001, 1), [B])
    assert.deepEqual(await cache.dueForRefresh(now + 10, 9), [C, B])
  })

  test('failed refreshes are counted over restarts, for the entry that was meant only', async (t) => {
    const bed = bedFor(t)
    const { now } = bed
    const first = await bed.reopen()
    await first.put(A, cached({ fetchedAt: now, refreshAt: now }))
    const failure = { at: now, reason: 'sts-policy-fetch-error: status-500' }
    const postponed = { fetchedAt: now, refreshAt: now + 50, failure }
    assert.equal(await first.postponeRefresh(A, postponed), 1)
    const cache = await bed.reopen()
    assert.equal(await cache.postponeRefresh(A, { fetchedAt: now, refreshAt: now + 50 }), 1)
    assert.deepEqual((await cache.get(A))?.lastFailure, failure)
    const later = { at: now + 1, reason: 'sts-webpki-invalid: webpki-expired' }
    assert.equal(await cache.postponeRefresh(A, { ...postponed, failure: later }), 2)
    assert.equal((await cache.get(A))?.failedRefreshes, 2)
    assert.deepEqual((await cache.get(A))?.lastFailure, later)
    assert.deepEqual(await cache.dueForRefresh(now + 49, 9), [])
    assert.deepEqual(await cache.dueForRefresh(now + 50, 9), [A])
    assert.equal(await cache.postponeRefresh(A, { ...postponed, fetchedAt: now - 1 }), undefined)
    assert.equal(await cache.postponeRefresh(B, postponed), undefined)
    assert.equal((await cache.get(A))?.failedRefreshes, 2)
  })

  test('unexpired entries are counted by mode, with the oldest, the next to expire, and those before a given time', async (t) => {
    const bed = bedFor(t)
    const cache = await bed.reopen()
    const { now } = bed
    assert.deepEqual(await cache.count({ now, staleBefore: now }), [])
    await cache.put(A, cached({ fetchedAt: now - 500, maxAge: 10 }))
    await cache.put(B, cached({ fetchedAt: now - 900, maxAge: 60 }))
    await cache.put(C, cached({ fetchedAt: now - 100, mode: 'none' }))
    const none = { mode: 'none', policies: 1, stale: 0, oldestFetchedAt: now - 100, soonestExpiresAt: now + 86_399_900 }
    assert.deepEqual(await cache.count({ now, staleBefore: now - 500 }), [
      { mode: 'enforce', policies: 2, stale: 1, oldestFetchedAt: now - 900, soonestExpiresAt: now + 9_500 },
      none,
    ])
    assert.deepEqual(await cache.count({ now: now + 59_101, staleBefore: 0 }), [none])
  })

  test('one of two callers gets the lease, and the other gets it when the time is over', async (t) => {
    const cache = await bedFor(t).reopen()
    const granted = await Promise.all([cache.lease(A, 60_000), cache.lease(A, 60_000)])
    assert.deepEqual(granted.sort(), [false, true])
    assert.equal(await cache.lease(B, 0), true)
    assert.equal(await cache.lease(B, 60_000), true)
  })
}

const A = domain('a.test')
const B = domain('b.test')
const C = domain('c.test')

function domain(text: string): DomainName {
  const name = parseDomainName(text)
  assert.ok(name.ok)
  return name.value
}

function policy(text: string): StsPolicy {
  const parsed = parsePolicyFile(Buffer.from(text))
  assert.ok(parsed.ok)
  return parsed.value
}

interface Fields {
  readonly fetchedAt: number
  readonly refreshAt?: number
  readonly maxAge?: number
  readonly mode?: StsMode
  readonly id?: string
}

function cached({
  fetchedAt,
  refreshAt = fetchedAt,
  maxAge = 86_400,
  mode = 'enforce',
  id = '1',
}: Fields): CachedPolicy {
  const document = `version: STSv1\nmode: ${mode}\nmx: *.example.test\nmax_age: ${maxAge}\n`
  return { policy: policy(document), id, fetchedAt, refreshAt }
}
