/** The background refresh and the forced fetch: rows 19, 20, 22 and 23 of Table B end to end, and who is told. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { domainName } from '../../../../test/lab/policy-host-world.ts'
import { err } from '../result.ts'
import { REFETCH_PAUSE_MS } from './freshness.ts'
import { DAY, MINUTE, policyText, SourceBed, START } from './source.fixture.ts'
import type { Refreshed } from './source-refresh.ts'

const A = domainName('a.test')
const ENFORCE = { answer: { body: policyText('enforce') } }

/** A domain whose policy was fetched at `START`. */
async function known(t: Parameters<typeof SourceBed.start>[0], answer = ENFORCE.answer) {
  const bed = await SourceBed.start(t)
  const host = await bed.host('a.test', { answer })
  bed.record('a.test', '1')
  await bed.policyFor('a.test')
  return { bed, host }
}

/** And the policy that was in force meanwhile is named. */
function troubleOf(refreshed: Refreshed): string | undefined {
  assert.ok(refreshed.kind === 'fetched')
  if (refreshed.trouble !== undefined) assert.equal(refreshed.trouble.inForce.mode, 'enforce')
  return refreshed.trouble?.reason
}

describe('background refresh', () => {
  test('STS-71: fetches whatever the record says, and a success renews the lifetime', async (t) => {
    covers('STS-71', { observe: 'https' })
    const { bed, host } = await known(t)
    bed.record('a.test', undefined)
    for (let day = 1; day <= 10; day += 1) {
      bed.now = START + day * DAY
      assert.deepEqual(troubleOf(await bed.source.refresh(A)), 'txt-missing')
      assert.equal((await bed.cache.get(A))?.fetchedAt, bed.now)
      assert.equal(await bed.said('a.test'), 'enforce 1 cache')
    }
    assert.equal(host.requests.length, 11)
    assert.equal(bed.told('sts-record-trouble').length, 10, 'once in each cycle')
  })

  test('the trouble with a record has a word for reports', async (t) => {
    const { bed } = await known(t)
    for (const [record, trouble] of [
      [['v=STSv1; id=1', 'v=STSv1; id=2'], 'txt-duplicate'],
      [['v=STSv1;'], 'txt-invalid'],
      [['v=STSv1; id=1'], undefined],
    ] as const) {
      bed.record('a.test', record)
      bed.later()
      assert.equal(troubleOf(await bed.source.refresh(A)), trouble)
    }
    bed.dns.fail('_mta-sts.a.test', { kind: 'rcode', rcode: 'SERVFAIL' })
    bed.later()
    assert.equal(troubleOf(await bed.source.refresh(A)), 'txt-lookup-failed')
  })

  test('a refresh takes over the id that DNS announces by then', async (t) => {
    const { bed, host } = await known(t)
    bed.record('a.test', '2')
    bed.later()
    await bed.source.refresh(A)
    assert.equal(await bed.said('a.test'), 'enforce 2 cache')
    assert.equal(host.requests.length, 2)
  })

  test('STS-43 STS-73: each failed refresh is told with domain and cause, and the third raises the one alarm', async (t) => {
    covers(['STS-43', 'STS-73'], { observe: 'store' })
    const { bed, host } = await known(t)
    host.answer = { status: 500 }
    for (let day = 1; day <= 5; day += 1) {
      bed.now = START + day * DAY
      bed.restart()
      const refreshed = await bed.source.refresh(A)
      assert.equal(refreshed.kind === 'failed' && refreshed.uncounted?.report.failureReasonCode, 'status-500')
      assert.equal(bed.told('sts-policy-not-renewed').length, day)
      assert.equal(bed.told('sts-refresh-alarm').length, day < 3 ? 0 : 1)
      assert.ok(((await bed.cache.get(A))?.refreshAt ?? 0) > bed.now)
    }
    const expiresAt = START + 7 * DAY
    const told = { event: 'sts-refresh-alarm', policyDomain: 'a.test', mode: 'enforce', failedRefreshes: 3, expiresAt }
    assert.deepEqual(bed.told('sts-refresh-alarm'), [told])
    assert.equal(bed.told('sts-policy-expiring').length, 0)
    bed.now = START + 6.5 * DAY
    await bed.source.refresh(A)
    assert.equal(bed.told('sts-policy-expiring').length, 1, 'no try comes before the end')
    assert.equal(await bed.said('a.test'), 'enforce 1 cache')
  })

  test('`none` is refreshed without any alarm', async (t) => {
    const { bed, host } = await known(t, { body: policyText('none') })
    host.answer = { status: 500 }
    for (let day = 1; day <= 6; day += 1) {
      bed.now = START + day * DAY
      const refreshed = await bed.source.refresh(A)
      assert.deepEqual(refreshed, { kind: 'failed', trouble: undefined, uncounted: undefined })
    }
    bed.record('a.test', undefined)
    bed.later()
    assert.deepEqual(await bed.source.refresh(A), { kind: 'not-tried' })
    assert.deepEqual(new Set(bed.events.map(({ event }) => event)), new Set(['sts-fetch-ended']))
    assert.equal(host.requests.length, 7)
  })

  test('within the back-off of a failed fetch it waits, and a limit of our own counts as nothing', async (t) => {
    const { bed, host } = await known(t)
    host.answer = { status: 500 }
    bed.now = START + DAY
    await bed.source.refresh(A)
    bed.later(MINUTE)
    assert.deepEqual(await bed.source.refresh(A), { kind: 'not-tried' })
    assert.equal((await bed.cache.get(A))?.refreshAt, START + DAY + 5 * MINUTE)
    bed.restart({ fetch: async () => err({ kind: 'own-limit' }) })
    assert.deepEqual(await bed.source.refresh(A), { kind: 'not-tried' })
    assert.equal((await bed.cache.get(A))?.failedRefreshes, 1)
    bed.cache.close()
    assert.deepEqual(await bed.source.refresh(A), { kind: 'unavailable' })
  })

  test('what is unknown or has expired is left to mail', async (t) => {
    const { bed, host } = await known(t)
    assert.deepEqual(await bed.source.refresh(domainName('b.test')), { kind: 'not-tried' })
    bed.now = START + 7 * DAY + 1
    assert.deepEqual(await bed.source.refresh(A), { kind: 'not-tried' })
    assert.equal(host.requests.length, 1)
  })
})

describe('forced fetch after a failed validation', () => {
  test('row 22: replaces the policy although its id is unchanged, and says whether trying again makes sense', async (t) => {
    const { bed, host } = await known(t)
    assert.deepEqual(await bed.source.refetch(A), { kind: 'fetched', changed: false })
    bed.later(REFETCH_PAUSE_MS)
    host.answer = { body: policyText('enforce', { mx: 'other.example.test' }) }
    assert.deepEqual(await bed.source.refetch(A), { kind: 'fetched', changed: true })
    const facts = await bed.policyFor('a.test')
    assert.equal(facts.kind === 'policy' && facts.policy.mx[0]?.name, 'other.example.test')
    assert.equal(facts.kind === 'policy' && facts.fetchedAt, bed.now)
  })

  test('row 23: keeps the policy when it fails, and begins the back-off', async (t) => {
    const { bed, host } = await known(t)
    host.answer = { status: 404 }
    const refetched = await bed.source.refetch(A)
    assert.equal(refetched.kind === 'failed' && refetched.uncounted?.report.failureReasonCode, 'status-404')
    assert.equal(refetched.kind === 'failed' && refetched.uncounted?.inForce?.mode, 'enforce')
    assert.equal(await bed.said('a.test'), 'enforce 1 cache')
    assert.deepEqual(await bed.source.refetch(A), { kind: 'limited', until: START + 5 * MINUTE })
    assert.equal(host.requests.length, 2)
  })

  test('once in five minutes, but a changed id is followed at once, and DNS is asked afresh for it', async (t) => {
    const { bed, host } = await known(t)
    await bed.source.refetch(A)
    assert.deepEqual(await bed.source.refetch(A), { kind: 'limited', until: START + REFETCH_PAUSE_MS })
    bed.record('a.test', '2')
    host.answer = { body: policyText('testing') }
    assert.deepEqual(await bed.source.refetch(A), { kind: 'fetched', changed: true })
    assert.equal(await bed.said('a.test'), 'testing 2 cache')
    assert.equal(host.requests.length, 3)
  })

  test('without a policy in force there is nothing to replace', async (t) => {
    const bed = await SourceBed.start(t)
    assert.deepEqual(await bed.source.refetch(A), { kind: 'not-needed' })
    bed.cache.close()
    assert.deepEqual(await bed.source.refetch(A), { kind: 'unavailable', because: 'cache' })
  })

  test('a limit of our own uses up no forced fetch', async (t) => {
    const { bed, host } = await known(t)
    let busy = true
    const { fetch } = bed
    bed.restart({ fetch: (domain) => (busy ? Promise.resolve(err({ kind: 'own-limit' })) : fetch(domain)) })
    assert.deepEqual(await bed.source.refetch(A), { kind: 'unavailable', because: 'own-limit' })
    busy = false
    assert.deepEqual(await bed.source.refetch(A), { kind: 'fetched', changed: false })
    assert.equal(host.requests.length, 2)
  })

  test('turns that fail together fetch once, and one of them counts the failure', async (t) => {
    const { bed, host } = await known(t)
    host.answer = { status: 500 }
    const ends = await Promise.all(Array.from({ length: 20 }, () => bed.source.refetch(A)))
    assert.equal(host.requests.length, 2)
    assert.equal(ends.filter((end) => end.kind === 'failed' && end.uncounted !== undefined).length, 1)
  })
})
