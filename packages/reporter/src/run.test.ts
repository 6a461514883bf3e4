/** Runs over a real store, a real name server and real endpoints: who gets which report, when, and how often. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { covers } from '../../../test/conformance/covers.ts'
import { DAY, day, type SUBMITTER } from './report.fixture.ts'
import { ALL_DUE, RunBed } from './run.fixture.ts'
import { dayClosesAt, dayEndsAt } from './utc-day.ts'

const A = 'a.example'
const HOUR_MS = 3_600_000

let bed: RunBed
before(async () => {
  bed = await RunBed.start()
})
after(() => bed[Symbol.asyncDispose]())
beforeEach(() => bed.fresh())

const recipients = (): readonly string[] => bed.mails.map(({ recipient }) => recipient).toSorted()

describe('RFC 8460 §3: who gets a report', () => {
  test('RPT-98, RPT-20: every URI of the record, each once, all with the same report', async () => {
    covers('RPT-98', { observe: 'https' })
    covers('RPT-20', { observe: 'store' })
    await bed.seen(A)
    bed.publish(A, `v=TLSRPTv1; rua=mailto:tls@${A},${bed.https('/x')},${bed.https('/y')}`)
    assert.deepEqual(await bed.run(), {
      ...{ reports: 1, submitted: 3, waiting: 0, givenUp: 0, notWanted: 0, recordUnknown: 0 },
    })
    assert.deepEqual(recipients(), [`tls@${A}`])
    assert.deepEqual(
      bed.endpoint.posted.map(({ target }) => target),
      ['/x', '/y'],
    )
    const ids = bed.endpoint.posted.map(({ body }) => JSON.parse(gunzipSync(body).toString())['report-id'])
    assert.equal(new Set(ids).size, 1)
    assert.ok(Buffer.from(bed.mails[0]?.bytes ?? []).includes(`<${ids[0]}>`))
    assert.equal((await bed.run()).reports, 0)
    assert.equal(bed.endpoint.posted.length, 2)
  })

  test('RPT-13: the record as it is when the report goes, not as it was', async () => {
    await bed.seen(A)
    bed.publish(A, `v=TLSRPTv1; rua=mailto:old@${A}`)
    bed.publish(A, `v=TLSRPTv1; rua=mailto:new@${A}`)
    await bed.run()
    assert.deepEqual(recipients(), [`new@${A}`])
  })

  test('a record that changes between attempts: what is gone gets nothing more, what is new gets the same report', async () => {
    await bed.seen(A)
    bed.endpoint.answer = () => ({ status: 500 })
    bed.publish(A, `v=TLSRPTv1; rua=${bed.https('/old')}`)
    await bed.run()
    bed.publish(A, `v=TLSRPTv1; rua=${bed.https('/new')}`)
    bed.now += HOUR_MS
    bed.endpoint.answer = () => ({ status: 200 })
    await bed.run()
    assert.deepEqual(
      bed.endpoint.posted.map(({ target }) => target),
      ['/old', '/new'],
    )
    assert.deepEqual(bed.endpoint.posted[0]?.body, bed.endpoint.posted[1]?.body)
    assert.deepEqual(
      (await bed.targets()).map(({ state, reason }) => [state, reason]),
      [
        ['given-up', 'no-longer-published'],
        ['accepted', undefined],
      ],
    )
  })

  for (const [what, texts, reason] of [
    ['gone', [], 'no-record'],
    ['without a list', ['v=TLSRPTv1'], 'missing-rua'],
    ['there twice', [`v=TLSRPTv1; rua=mailto:a@${A}`, `v=TLSRPTv1; rua=mailto:b@${A}`], 'several-records'],
    ['of another version', [`v=TLSRPTv2; rua=mailto:a@${A}`], 'no-record'],
    ['with a URI that is none', [`v=TLSRPTv1; rua=mailto:a@${A}, http ://x`], 'malformed-uri'],
    ['outside ASCII', [`v=TLSRPTv1; rua=mailto:\u00e4@${A}`], 'not-ascii'],
    ['of places that nobody can send to', ['v=TLSRPTv1; rua=ftp://x.example/,http://x.example/'], 'no-usable-target'],
  ] as const) {
    test(`a record that is ${what}: nothing is sent, told as ${reason}`, async () => {
      await bed.seen(A)
      bed.publish(A, ...texts)
      assert.equal((await bed.run()).notWanted, 1)
      assert.equal(bed.told().at(-1), `tlsrpt-report-not-wanted ${reason}`)
      assert.deepEqual([bed.mails.length, bed.endpoint.posted.length], [0, 0])
      assert.equal((await bed.run()).reports, 0)
    })
  }

  test('URIs of no use are told, each with its reason, and cost the others nothing', async () => {
    await bed.seen(A)
    const odd = ['ftp://x.example/', 'mailto:a%0D%0ABcc:v@x.example', 'https://u:p@x.example/', 'https://10.0.0.1/']
    bed.publish(A, `v=TLSRPTv1; rua=${odd.join(',')},mailto:tls@${A}`)
    await bed.run()
    assert.deepEqual(recipients(), [`tls@${A}`])
    assert.deepEqual(
      bed.told().filter((text) => text.includes('ignored')),
      [
        'tlsrpt-target-ignored unsupported-scheme',
        'tlsrpt-target-ignored mailto-control-character',
        'tlsrpt-target-ignored https-with-credentials',
        'tlsrpt-target-ignored invalid-domain',
      ],
    )
  })

  test('a name server that fails says nothing: asked again, later and later, for a day', async () => {
    await bed.seen(A)
    bed.world.dns.fail(`_smtp._tls.${A}`, { kind: 'rcode', rcode: 'SERVFAIL' })
    const gaps: number[] = []
    for (let turn = 0; turn < 30; turn += 1) {
      assert.equal((await bed.run()).recordUnknown, 1)
      const [state] = await bed.store.reports(DAY, { limit: 1 })
      if (turn === 3) {
        bed.world.dns.heal(`_smtp._tls.${A}`)
        bed.publish(A, `v=TLSRPTv1; rua=mailto:tls@${A}`)
      }
      gaps.push((state?.dueAt ?? 0) - bed.now)
      bed.now = state?.dueAt ?? 0
      if (turn === 3) break
    }
    assert.ok(
      gaps.every((gap, at) => gap > (gaps[at - 1] ?? 0)),
      String(gaps),
    )
    await bed.run()
    assert.deepEqual(recipients(), [`tls@${A}`])
  })

  test('and then it is given up', async () => {
    await bed.seen(A)
    bed.world.dns.fail(`_smtp._tls.${A}`, { kind: 'rcode', rcode: 'SERVFAIL' })
    const begun = bed.now
    while ((await bed.run()).recordUnknown === 1) bed.now = (await bed.store.reports(DAY, { limit: 1 }))[0]?.dueAt ?? 0
    bed.world.dns.heal(`_smtp._tls.${A}`)
    assert.equal(bed.now, begun + 24 * HOUR_MS)
    assert.equal(bed.told().at(-1), 'tlsrpt-report-done')
    assert.equal(bed.mails.length, 0)
  })
})

describe('RFC 8460 §5.5: attempts', () => {
  test('RPT-99: both fail: both again; one has it: delivered, and only the other is tried again', async () => {
    covers('RPT-99', { observe: 'store' })
    await bed.seen(A)
    bed.publish(A, `v=TLSRPTv1; rua=${bed.https('/1')},${bed.https('/2')}`)
    const seen = (): readonly string[] => bed.endpoint.posted.splice(0).map(({ target }) => target)
    bed.endpoint.answer = () => ({ status: 503 })
    await bed.run()
    assert.deepEqual(seen(), ['/1', '/2'])
    bed.endpoint.answer = ({ target }) => ({ status: target === '/1' ? 503 : 200 })
    bed.now += HOUR_MS
    await bed.run()
    assert.deepEqual(seen(), ['/1', '/2'])
    bed.now += HOUR_MS
    await bed.run()
    assert.deepEqual(seen(), ['/1'])
    bed.now += 23 * HOUR_MS
    await bed.run()
    const done = bed.events.findLast(({ event }) => event === 'tlsrpt-report-done')
    assert.equal(done?.event === 'tlsrpt-report-done' && done.outcome, 'delivered')
    assert.deepEqual(
      (await bed.targets()).map(({ state }) => state),
      ['given-up', 'accepted'],
    )
  })

  for (const [hours, delivered] of [
    [20, true],
    [25, false],
  ] as const) {
    test(`RPT-100: an endpoint that is back after ${hours} hours ${delivered ? 'gets' : 'does not get'} the report`, async () => {
      covers('RPT-100', { observe: 'store' })
      await bed.seen(A)
      bed.publish(A, `v=TLSRPTv1; rua=${bed.https()}`)
      const begun = bed.now
      bed.endpoint.answer = () => ({ status: bed.now - begun < hours * HOUR_MS ? 500 : 200 })
      for (let turn = 0; turn < 60; turn += 1) {
        await bed.run()
        const [state] = await bed.store.reports(DAY, { limit: 1 })
        if (state?.done !== false) break
        bed.now = state.dueAt ?? 0
      }
      assert.equal(bed.endpoint.posted.at(-1)?.body.equals(bed.endpoint.posted[0]?.body ?? Buffer.of()), true)
      const [target] = await bed.targets()
      assert.equal(target?.state, delivered ? 'accepted' : 'given-up')
      assert.ok(bed.now - begun <= 25 * HOUR_MS)
    })
  }

  test('RPT-100: a relay that was away when the day ended gives up without another attempt', async () => {
    covers('RPT-100', { observe: 'store' })
    await bed.seen(A)
    bed.publish(A, `v=TLSRPTv1; rua=${bed.https()}`)
    bed.endpoint.answer = () => ({ status: 500 })
    await bed.run()
    bed.now += 25 * HOUR_MS
    await bed.run()
    assert.equal(bed.endpoint.posted.length, 1)
    assert.deepEqual((await bed.targets())[0], {
      uri: bed.https(),
      state: 'given-up',
      attempts: 1,
      reason: 'status-500',
    })
    assert.equal(bed.told().at(-2), 'tlsrpt-target-given-up status-500')
  })

  test('a queue that is full is no attempt: the mail goes when there is room', async () => {
    await bed.seen(A)
    bed.publish(A, `v=TLSRPTv1; rua=mailto:tls@${A}`)
    bed.mailAnswer = () => ({ kind: 'unavailable', reason: 'queue-full' })
    await bed.run()
    assert.deepEqual(
      (await bed.targets()).map(({ state, attempts, reason }) => [state, attempts, reason]),
      [['waiting', 0, 'queue-full']],
    )
    bed.mailAnswer = () => ({ kind: 'queued', name: 'q' })
    bed.now += HOUR_MS
    await bed.run()
    assert.deepEqual(recipients(), [`tls@${A}`])
    assert.equal(bed.mails[0]?.giveUpAt, ALL_DUE + 24 * HOUR_MS)
  })

  test('without a key nothing goes by mail, and what goes by HTTPS goes', async () => {
    await bed.seen(A)
    bed.publish(A, `v=TLSRPTv1; rua=mailto:tls@${A},${bed.https()}`)
    bed.signer = undefined
    await bed.run()
    assert.deepEqual([bed.mails.length, bed.endpoint.posted.length], [0, 1])
    assert.ok(bed.told().includes('tlsrpt-report-deferred no-dkim-key'))
  })

  test('a contact at another domain: a report that was made keeps the old one, and is not signed by the new', async () => {
    await bed.seen(A)
    bed.publish(A, `v=TLSRPTv1; rua=${bed.https()},mailto:tls@${A}`)
    bed.endpoint.answer = () => ({ status: 500 })
    bed.signer = undefined
    await bed.run()
    bed.contactInfo = 'tlsrpt@other.example'
    bed.signer = { domain: (await bed.seen('other.example')) as typeof SUBMITTER, sign: async (message) => message }
    bed.now += HOUR_MS
    bed.endpoint.answer = () => ({ status: 200 })
    await bed.run({ day: DAY })
    assert.equal(bed.mails.length, 0)
    assert.ok(bed.told().includes('tlsrpt-report-deferred dkim-key-of-another-domain'))
    assert.deepEqual(bed.endpoint.posted[0]?.body, bed.endpoint.posted[1]?.body)
  })
})

describe('limits', () => {
  test('a site gets so many a day and no more: the rest goes when the next day has begun', async () => {
    bed.reportsPerSiteMax = 2
    for (const name of ['1.example', '2.example', '3.example']) {
      await bed.seen(name)
      bed.publish(name, `v=TLSRPTv1; rua=mailto:tls@shared.example`)
    }
    await bed.run()
    assert.equal(bed.mails.length, 2)
    assert.ok(bed.told().includes('tlsrpt-report-deferred daily-limit'))
    bed.now += HOUR_MS
    await bed.run()
    assert.equal(bed.mails.length, 2)
    bed.now = dayEndsAt(day('2026-11-22')) + HOUR_MS
    await bed.run({ day: DAY })
    assert.equal(bed.mails.length, 3)
  })

  test('a record cannot multiply what is sent, not even by changing from attempt to attempt', async () => {
    await bed.seen(A)
    bed.endpoint.answer = () => ({ status: 500 })
    for (let turn = 0; turn < 4; turn += 1) {
      const uris = Array.from({ length: 6 }, (_, at) => bed.https(`/${turn}-${at}`))
      bed.publish(A, `v=TLSRPTv1; rua=${uris.join(',')}`)
      await bed.run()
      bed.now += HOUR_MS
    }
    assert.equal(new Set(bed.endpoint.posted.map(({ target }) => target)).size, 10)
  })
})

describe('days', () => {
  test('a report goes at its own time after the day, not before', async () => {
    await bed.seen(A)
    bed.publish(A, `v=TLSRPTv1; rua=mailto:tls@${A}`)
    bed.now = dayClosesAt(DAY) - 1
    assert.deepEqual([(await bed.run()).reports, await bed.store.openDays(day('2026-11-22'))], [0, [DAY]])
    bed.now += 1
    assert.equal((await bed.run()).reports, 0)
    assert.deepEqual(await bed.store.openDays(day('2026-11-22')), [])
    const [state] = await bed.store.reports(DAY, { limit: 1 })
    bed.now = state?.dueAt ?? 0
    assert.ok(bed.now > dayClosesAt(DAY))
    assert.equal((await bed.run()).reports, 1)
  })

  test('an operator who will not wait gets it at once, and a day that is named even before it is over', async () => {
    bed.publish(A, `v=TLSRPTv1; rua=mailto:tls@${A}`)
    await bed.seen(A)
    bed.now = dayClosesAt(DAY) + 1
    await bed.run()
    assert.equal((await bed.run({ urgent: true })).submitted, 1)
    const today = day('2026-11-22')
    await bed.seen(A, today)
    assert.equal((await bed.run({ urgent: true })).submitted, 0)
    assert.equal((await bed.run({ urgent: true, day: today })).submitted, 1)
    assert.equal((await bed.run({ urgent: true, day: today })).submitted, 0)
  })

  test('who will not wait also tries again what waits for its next attempt', async () => {
    bed.publish(A, `v=TLSRPTv1; rua=${bed.https()}`)
    await bed.seen(A)
    bed.endpoint.answer = () => ({ status: 500 })
    await bed.run()
    bed.endpoint.answer = () => ({ status: 200 })
    assert.equal((await bed.run()).reports, 0)
    assert.equal((await bed.run({ urgent: true })).submitted, 1)
  })

  test('RPT-103: two days after a day nothing of it is left, and nothing is sent any more, after however long a pause', async () => {
    covers('RPT-103', { observe: 'store' })
    bed.publish(A, `v=TLSRPTv1; rua=${bed.https()}`)
    bed.endpoint.answer = () => ({ status: 503 })
    await bed.seen(A)
    await bed.run()
    bed.now = dayEndsAt(DAY) + 48 * HOUR_MS - 1
    await bed.run()
    assert.deepEqual(await bed.store.days(), [DAY])
    await bed.seen(A, day('2026-11-22'))
    bed.events.length = 0
    bed.now += 1
    await bed.run({ urgent: true })
    const before = day('2026-11-22')
    assert.deepEqual(bed.events[0], { event: 'tlsrpt-days-forgotten', before, unfinished: 0 })
    assert.deepEqual(await bed.store.days(), [before])

    await bed.seen(A, day('2026-11-24'))
    const posted = bed.endpoint.posted.length
    bed.now += 7 * 24 * HOUR_MS
    await bed.run()
    assert.deepEqual(bed.told().slice(-1), ['tlsrpt-days-forgotten'])
    assert.equal(bed.endpoint.posted.length, posted)
  })
})
