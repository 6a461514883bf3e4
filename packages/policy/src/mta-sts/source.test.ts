/** The source on delivery: Table B end to end, and what must never weaken what is known. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { domainName } from '../../../../test/lab/policy-host-world.ts'
import { PolicyCacheUnavailable } from '../ports/policy-cache.ts'
import { err } from '../result.ts'
import { DAY, MINUTE, policyText, RECORD_TTL, SourceBed, START } from './source.fixture.ts'

const ENFORCE = { answer: { body: policyText('enforce') } }

describe('the record', () => {
  test('STS-07: is asked for as TXT at _mta-sts. and the domain', async (t) => {
    covers('STS-07', { observe: 'dns' })
    const bed = await SourceBed.start(t)
    assert.equal(await bed.said('a.test'), 'no-record')
    assert.deepEqual(
      bed.dns.queries.map(({ name, type }) => [name, type]),
      [['_mta-sts.a.test', 'TXT']],
    )
  })

  test('STS-08: is found behind a chain of aliases', async (t) => {
    covers('STS-08', { observe: 'dns' })
    const bed = await SourceBed.start(t)
    bed.record('provider.test', '1')
    bed.publish({
      '_mta-sts.user.test': { CNAME: '_mta-sts.middle.test' },
      '_mta-sts.middle.test': { CNAME: '_mta-sts.provider.test' },
    })
    const host = await bed.host('user.test', ENFORCE)
    assert.equal(await bed.said('user.test'), 'enforce 1 fresh')
    assert.equal(host.requests.length, 1)
    assert.deepEqual(new Set(bed.dns.queries.map(({ name }) => name)), new Set(['_mta-sts.user.test']))
  })

  test('STS-11: twice is none: nothing is fetched, and what is cached stays', async (t) => {
    covers('STS-11', { observe: 'https' })
    const bed = await SourceBed.start(t)
    const host = await bed.host('a.test', ENFORCE)
    bed.record('a.test', ['v=STSv1; id=1', 'v=STSv1; id=1;'])
    assert.equal(await bed.said('a.test'), 'unusable-record')
    assert.equal(host.connections, 0)
    bed.record('a.test', '1')
    bed.later()
    assert.equal(await bed.said('a.test'), 'enforce 1 fresh')
    bed.record('a.test', ['v=STSv1; id=1', 'v=STSv1; id=2'])
    bed.later()
    assert.equal(await bed.said('a.test'), 'enforce 1 cache')
    assert.equal(host.connections, 1)
  })

  test('STS-12: malformed is none: nothing is fetched, and what is cached stays', async (t) => {
    covers('STS-12', { observe: 'https' })
    const bed = await SourceBed.start(t)
    const host = await bed.host('a.test', ENFORCE)
    const malformed = ['v=STSv1; id=', 'v=STSv1', 'v=STSv1; id=a_b', `v=STSv1; id=${'x'.repeat(33)}`]
    for (const text of malformed) {
      bed.record('a.test', [text])
      bed.later()
      assert.equal(await bed.said('a.test'), 'unusable-record', text)
    }
    assert.equal(host.connections, 0)
    bed.record('a.test', '1')
    bed.later()
    await bed.policyFor('a.test')
    for (const text of malformed) {
      bed.record('a.test', [text])
      bed.later()
      assert.equal(await bed.said('a.test'), 'enforce 1 cache', text)
    }
  })

  test('STS-22: is believed for its TTL and no longer, present or absent', async (t) => {
    covers('STS-22', { observe: 'dns' })
    const bed = await SourceBed.start(t)
    await bed.host('a.test', ENFORCE)
    bed.record('a.test', '1')
    for (const domain of ['a.test', 'absent.test']) {
      bed.dns.forget()
      await bed.policyFor(domain)
      bed.later(RECORD_TTL * 1000 - 1)
      const facts = await bed.policyFor(domain)
      assert.equal(bed.dns.queries.length, 1)
      assert.ok(facts.validUntil <= bed.now + 1_000)
      bed.later(2)
      await bed.policyFor(domain)
      assert.equal(bed.dns.queries.length, 2)
    }
  })

  test('RFC 8461 §5.1: can be asked for afresh, before mail is given up', async (t) => {
    const bed = await SourceBed.start(t)
    await bed.host('a.test', ENFORCE)
    bed.record('a.test', '1')
    await bed.policyFor('a.test')
    bed.record('a.test', '2')
    assert.equal(await bed.said('a.test'), 'enforce 1 cache')
    const facts = await bed.policyFor('a.test', { afresh: true })
    assert.equal(facts.kind === 'policy' && facts.id, '2')
    assert.equal(bed.dns.queries.length, 2)
  })

  test('a failed lookup is no absence: without a policy the next attempt asks again', async (t) => {
    const bed = await SourceBed.start(t)
    await bed.host('a.test', ENFORCE)
    bed.record('a.test', '1')
    bed.dns.fail('_mta-sts.a.test', { kind: 'rcode', rcode: 'SERVFAIL' }, { times: 1 })
    assert.equal(await bed.said('a.test'), 'record-lookup-failed')
    assert.equal(bed.told('sts-record-lookup-failed').length, 1)
    assert.equal(await bed.said('a.test'), 'enforce 1 fresh')
  })
})

describe('the cached policy', () => {
  test('STS-65: stays when the record disappears or DNS fails', async (t) => {
    covers('STS-65', { observe: 'dns' })
    const bed = await SourceBed.start(t)
    await bed.host('a.test', ENFORCE)
    bed.record('a.test', '1')
    await bed.policyFor('a.test')
    bed.record('a.test', undefined)
    bed.later()
    assert.equal(await bed.said('a.test'), 'enforce 1 cache')
    for (const fault of [
      { kind: 'rcode', rcode: 'NXDOMAIN' },
      { kind: 'rcode', rcode: 'SERVFAIL' },
      { kind: 'drop' },
    ] as const) {
      bed.dns.fail('_mta-sts.a.test', fault, { times: 1 })
      bed.later()
      assert.equal(await bed.said('a.test'), 'enforce 1 cache')
    }
    assert.equal(bed.dns.queries.length, 5)
  })

  test('STS-42: is applied when neither DNS nor HTTPS has a policy any more, also after a restart', async (t) => {
    covers('STS-42', { observe: 'https' })
    const bed = await SourceBed.start(t)
    const host = await bed.host('a.test', ENFORCE)
    bed.record('a.test', '1')
    await bed.policyFor('a.test')
    host.answer = { status: 404 }
    bed.record('a.test', '2')
    bed.later()
    bed.restart()
    assert.equal(await bed.said('a.test'), 'enforce 1 cache')
    assert.equal(host.requests.length, 2)
    bed.record('a.test', undefined)
    bed.later()
    assert.equal(await bed.said('a.test'), 'enforce 1 cache')
  })

  test('STS-75: outlives a restart with DNS and HTTPS blocked', async (t) => {
    covers('STS-75', { observe: 'store' })
    const bed = await SourceBed.start(t)
    const host = await bed.host('a.test', ENFORCE)
    bed.record('a.test', '1')
    await bed.policyFor('a.test')
    bed.dns.fail('_mta-sts.a.test', { kind: 'drop' })
    host.fault = 'close-at-accept'
    bed.later()
    bed.restart()
    assert.equal(await bed.said('a.test'), 'enforce 1 cache')
    assert.equal(host.connections, 1)
  })

  test('STS-67: is not fetched again while its id is the same', async (t) => {
    covers('STS-67', { observe: 'https' })
    const bed = await SourceBed.start(t)
    const host = await bed.host('a.test', ENFORCE)
    bed.record('a.test', '1')
    for (let n = 0; n < 1_000; n += 1) {
      bed.later(1_000)
      await bed.policyFor('a.test')
    }
    assert.equal(host.connections, 1)
  })

  test('STS-20 STS-68: a different id, also a lesser one, brings its successor at once, weaker as it may be', async (t) => {
    covers(['STS-20', 'STS-68'], { observe: 'https' })
    const bed = await SourceBed.start(t)
    const host = await bed.host('a.test', ENFORCE)
    for (const [id, mode, said] of [
      ['20250101', 'enforce', 'enforce 20250101 fresh'],
      ['20240101', 'testing', 'testing 20240101 fresh'],
      ['x', 'none', 'mode-none'],
      ['20240101', 'enforce', 'enforce 20240101 fresh'],
    ] as const) {
      host.answer = { body: policyText(mode) }
      bed.record('a.test', id)
      bed.later()
      assert.equal(await bed.said('a.test'), said)
    }
    assert.equal(host.requests.length, 4)
    assert.deepEqual(
      bed.told('sts-policy-weakened').map(({ from, to, id }) => [from, to, id]),
      [
        ['enforce', 'testing', '20240101'],
        ['testing', 'none', 'x'],
      ],
    )
  })

  test('STS-69: stays until its own end when the successor cannot be fetched', async (t) => {
    covers('STS-69', { observe: 'https' })
    const bed = await SourceBed.start(t)
    const host = await bed.host('a.test', { answer: { body: policyText('enforce', { maxAge: 3_600 }) } })
    bed.record('a.test', '1')
    await bed.policyFor('a.test')
    host.answer = { status: 500 }
    bed.record('a.test', '2')
    bed.later()
    const facts = await bed.policyFor('a.test')
    assert.equal(facts.kind === 'policy' && facts.id, '1')
    assert.equal(facts.uncounted?.report.failureReasonCode, 'status-500')
    assert.equal(facts.uncounted?.inForce?.lines[1], 'mode: enforce')
    assert.equal(bed.told('sts-policy-not-renewed').length, 1)
    bed.now = START + 3_600_000
    assert.equal(await bed.said('a.test'), 'enforce 1 cache')
    bed.now += 1
    assert.equal(await bed.said('a.test'), 'fetch-failed')
    assert.equal(bed.told('sts-policy-expired').length, 1)
  })

  test('STS-62: is not disturbed by an invalid successor', async (t) => {
    covers('STS-62', { observe: 'https' })
    const bed = await SourceBed.start(t)
    const host = await bed.host('a.test', ENFORCE)
    bed.record('a.test', '1')
    await bed.policyFor('a.test')
    host.answer = { body: policyText('none').replace('STSv1', 'STSv9') }
    bed.record('a.test', '2')
    bed.later()
    const facts = await bed.policyFor('a.test')
    assert.equal(facts.kind === 'policy' && facts.mode, 'enforce')
    assert.equal(facts.uncounted?.report.resultType, 'sts-policy-invalid')
    bed.restart()
    assert.equal(await bed.said('a.test'), 'enforce 1 cache')
  })

  test('STS-63: counts for max_age from its fetch and not a millisecond longer', async (t) => {
    covers('STS-63', { observe: 'store' })
    const bed = await SourceBed.start(t)
    await bed.host('a.test', ENFORCE)
    bed.record('a.test', '1')
    const facts = await bed.policyFor('a.test')
    assert.equal(facts.kind === 'policy' && facts.expiresAt, START + 604_800_000)
    bed.record('a.test', undefined)
    bed.now = START + 604_800_000
    bed.restart()
    assert.equal(await bed.said('a.test'), 'enforce 1 cache')
    bed.now += 1
    assert.equal(await bed.said('a.test'), 'no-record')
    assert.equal(bed.told('sts-policy-expired').length, 1)
    assert.equal(await bed.said('a.test'), 'no-record')
    assert.equal(bed.told('sts-policy-expired').length, 1, 'told once')
  })

  test('STS-64 STS-66: is neither renewed nor revived by its id in DNS, only by a fetch', async (t) => {
    covers(['STS-64', 'STS-66'], { observe: 'https' })
    const bed = await SourceBed.start(t)
    const host = await bed.host('a.test', ENFORCE)
    bed.record('a.test', '1')
    await bed.policyFor('a.test')
    host.answer = { status: 503 }
    for (let day = 1; day <= 7; day += 1) {
      bed.now = START + day * DAY
      assert.equal(await bed.said('a.test'), 'enforce 1 cache')
    }
    assert.equal(host.requests.length, 1)
    bed.now += 1
    assert.equal(await bed.said('a.test'), 'fetch-failed')
    assert.equal(host.requests.length, 2)
    host.answer = ENFORCE.answer
    bed.later(5 * MINUTE)
    assert.equal(await bed.said('a.test'), 'enforce 1 fresh')
  })

  test('row 21: an age of 0 serves the attempt that fetched it, and ends the policy before it', async (t) => {
    const bed = await SourceBed.start(t)
    const host = await bed.host('a.test', ENFORCE)
    bed.record('a.test', '1')
    await bed.policyFor('a.test')
    host.answer = { body: policyText('enforce', { maxAge: 0 }) }
    bed.record('a.test', '2')
    bed.later()
    const facts = await bed.policyFor('a.test')
    assert.equal(facts.kind === 'policy' && facts.id, '2')
    assert.ok(facts.validUntil <= bed.now)
    assert.equal(await bed.cache.get(domainName('a.test')), undefined)
    bed.record('a.test', undefined)
    bed.later()
    assert.equal(await bed.said('a.test'), 'no-record')
  })
})

describe('no cached policy', () => {
  test('STS-41: and none to be had: there is no policy, and the failure is counted once', async (t) => {
    covers('STS-41', { observe: 'https' })
    const bed = await SourceBed.start(t)
    const host = await bed.host('a.test')
    for (const [id, answer, reason] of [
      ['1', { status: 404 }, 'sts-policy-fetch-error status-404'],
      ['2', { body: 'nonsense' }, 'sts-policy-invalid policy-malformed-line'],
    ] as const) {
      host.answer = answer
      bed.record('a.test', id)
      bed.later()
      const facts = await bed.policyFor('a.test')
      assert.equal(facts.kind === 'none' && facts.because.kind, 'fetch-failed')
      const { report, inForce } = facts.uncounted ?? {}
      assert.deepEqual([`${report?.resultType} ${report?.failureReasonCode}`, inForce], [reason, undefined])
      assert.equal((await bed.policyFor('a.test')).uncounted, undefined)
    }
    assert.equal(host.requests.length, 2)
    assert.equal(bed.told('sts-policy-unobtainable').length, 2)
    await bed.host('b.test', { certificate: 'expired', ...ENFORCE })
    bed.record('b.test', '1')
    assert.equal((await bed.policyFor('b.test')).uncounted?.report.resultType, 'sts-webpki-invalid')
  })

  test('STS-39: after a failed fetch five minutes pass for the same id; another id is fetched at once', async (t) => {
    covers('STS-39', { observe: 'https' })
    const bed = await SourceBed.start(t)
    const host = await bed.host('a.test', { answer: { status: 500 } })
    bed.record('a.test', '1')
    const facts = await Promise.all(Array.from({ length: 100 }, () => bed.policyFor('a.test')))
    assert.equal(facts.filter(({ uncounted }) => uncounted !== undefined).length, 1)
    bed.later(3 * MINUTE)
    assert.equal(await bed.said('a.test'), 'fetch-failed')
    assert.equal(host.requests.length, 1)
    bed.record('a.test', '2')
    bed.later()
    host.answer = ENFORCE.answer
    assert.equal(await bed.said('a.test'), 'enforce 2 fresh')
    assert.equal(host.requests.length, 2)

    host.answer = { status: 500 }
    bed.record('a.test', '3')
    bed.later()
    await bed.policyFor('a.test')
    bed.later(5 * MINUTE)
    await bed.policyFor('a.test')
    assert.equal(host.requests.length, 4, 'after five minutes the same id is tried again')
  })

  test('STS-74: parallel deliveries to a new domain fetch once', async (t) => {
    covers('STS-74', { observe: 'https' })
    const bed = await SourceBed.start(t)
    const host = await bed.host('a.test', ENFORCE)
    bed.record('a.test', '1')
    const said = await Promise.all(Array.from({ length: 500 }, () => bed.said('a.test')))
    assert.deepEqual(new Set(said), new Set(['enforce 1 fresh']))
    assert.equal(host.connections, 1)
    assert.equal(bed.dns.queries.length, 1)
  })

  test('a limit of our own is no lack of a policy', async (t) => {
    const bed = await SourceBed.start(t, { fetch: async () => err({ kind: 'own-limit' }) })
    bed.record('a.test', '1')
    assert.equal(await bed.said('a.test'), 'unavailable own-limit')
    bed.restart()
    await bed.host('a.test', ENFORCE)
    assert.equal(await bed.said('a.test'), 'enforce 1 fresh', 'and begins no back-off')
    bed.record('a.test', '2')
    bed.later()
    bed.restart({ fetch: async () => err({ kind: 'aborted' }) })
    assert.equal(await bed.said('a.test'), 'enforce 1 cache')
  })
})

test('STS-45 STS-81: domains that share a provider, a record and a document are cached and fetched apart', async (t) => {
  covers(['STS-45', 'STS-81'], { observe: 'https' })
  const bed = await SourceBed.start(t)
  bed.record('provider.test', '1')
  const hosts = []
  for (const domain of ['a.test', 'b.test']) {
    bed.publish({ [`_mta-sts.${domain}`]: { CNAME: '_mta-sts.provider.test', ttl: RECORD_TTL } })
    hosts.push(await bed.host(domain, ENFORCE))
  }
  for (const id of ['1', '2']) {
    bed.record('provider.test', id)
    bed.later()
    for (const domain of ['a.test', 'b.test']) assert.equal(await bed.said(domain), `enforce ${id} fresh`)
  }
  assert.deepEqual(
    hosts.map(({ serverNames }) => serverNames),
    [
      ['mta-sts.a.test', 'mta-sts.a.test'],
      ['mta-sts.b.test', 'mta-sts.b.test'],
    ],
  )
  assert.equal((await bed.cache.list({ limit: 9 })).length, 2)
})

describe('trouble with the cache', () => {
  test('that cannot be read is not "no policy": nothing is concluded', async (t) => {
    const bed = await SourceBed.start(t)
    await bed.host('a.test', ENFORCE)
    bed.record('a.test', '1')
    bed.cache.close()
    assert.equal(await bed.said('a.test'), 'unavailable cache')
    assert.equal(bed.told('sts-cache-failed').length, 1)
  })

  test('that cannot be written: what was fetched counts all the same', async (t) => {
    const full = () => Promise.reject(new PolicyCacheUnavailable('full'))
    const bed = await SourceBed.start(t)
    const { cache } = bed
    const refusing = { get: cache.get.bind(cache), put: full, remove: full, postponeRefresh: full }
    const source = await SourceBed.start(t, { cache: refusing })
    await source.host('a.test', ENFORCE)
    source.record('a.test', '1')
    assert.equal(await source.said('a.test'), 'enforce 1 fresh')
    assert.equal(source.told('sts-cache-failed')[0]?.operation, 'put')
  })
})

test('cached `none`: rows 15, 16 and 17', async (t) => {
  const bed = await SourceBed.start(t)
  const host = await bed.host('a.test', { answer: { body: policyText('none') } })
  bed.record('a.test', '1')
  assert.equal(await bed.said('a.test'), 'mode-none')
  bed.record('a.test', undefined)
  bed.later()
  assert.equal(await bed.said('a.test'), 'mode-none')
  assert.equal(host.requests.length, 1)

  host.answer = { status: 500 }
  bed.record('a.test', '2')
  bed.later()
  const facts = await bed.policyFor('a.test')
  assert.equal(facts.kind === 'none' && facts.because.kind, 'mode-none')
  assert.equal(facts.uncounted?.report.failureReasonCode, 'status-500')
  assert.equal(bed.told('sts-policy-not-renewed').length, 0)

  host.answer = ENFORCE.answer
  bed.later(5 * MINUTE)
  assert.equal(await bed.said('a.test'), 'enforce 2 fresh')
})
