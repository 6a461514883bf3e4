/** What `ResultStore` promises, as tests: every adapter's test file is one call to this. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { DomainName } from '@hermetic/policy'
import { covers } from '../../../../test/conformance/covers.ts'
import type { ReportedPolicy } from '../counted-session.ts'
import { DAY, day, domain } from '../report.fixture.ts'
import { forgottenAt } from '../schedule.ts'
import { type DomainTally, FAILURES_MAX, mergeTallies, sessionTally, tallyTotals } from '../tally.ts'
import type { DayTally } from '../tally-sum.ts'
import { type UtcDay, utcDayOf } from '../utc-day.ts'
import type { RenderedReport, ReportClaim, ResultStore } from './result-store.ts'

export interface ResultStoreBed {
  /** The same store whenever it is called within one test; closes what was open before. */
  readonly reopen: () => Promise<ResultStore>
  /** Puts other text in the place of what is kept, as a bad disk or a stray program would; needs a `reopen` after it. */
  readonly damage: (part: 'sum' | 'targets' | 'domain', report: DamagedPlace) => Promise<void>
  /** UTC milliseconds, for the store too. */
  now: number
}

export interface DamagedPlace {
  readonly policyDomain: DomainName
  readonly day: UtcDay
  readonly text: string
}

const A = domain('a.test')
const B = domain('b.test')
const NEXT_DAY = day('2026-11-22')
const STS: ReportedPolicy = {
  policyType: 'sts',
  policyDomain: A,
  policyString: ['mode: enforce'],
  mxHost: ['mx.a.test'],
}
const GOOD = sessionTally({ policy: STS, failures: [] })
const BAD = sessionTally({ policy: STS, failures: [{ resultType: 'certificate-expired', receivingIp: '192.0.2.1' }] })
const RENDERED: RenderedReport = { reportId: 'r@a.test', compressed: Uint8Array.of(31, 139, 0), madeAt: 7 }

const of = (tally: DomainTally, policyDomain: DomainName = A, utcDay: UtcDay = DAY): DayTally => ({
  ...{ day: utcDay, policyDomain, tally },
})

async function claimed(store: ResultStore, now: number, leaseMs = 1_000): Promise<ReportClaim> {
  const claim = await store.claimReport(now, leaseMs)
  assert.ok(claim?.kind === 'claim')
  return claim
}

export function resultStoreContract(bedFor: (t: TestContext) => ResultStoreBed): void {
  test('RPT-64, RPT-65: batches add up by day, domain, policy and failure, and survive reopening', async (t) => {
    covers(['RPT-64', 'RPT-65'], { observe: 'store' })
    const bed = bedFor(t)
    const store = await bed.reopen()
    const changed = sessionTally({ policy: { ...STS, policyString: ['mode: testing'] }, failures: [] })
    const failures = [{ resultType: 'certificate-expired', receivingIp: '192.0.2.2' }] as const
    const elsewhere = sessionTally({ policy: STS, failures })
    await store.addBatch('1', [of(GOOD), of(GOOD, B), of(BAD, A, NEXT_DAY)])
    await store.addBatch('2', [of(mergeTallies([BAD, changed])), of(elsewhere)])
    const again = await bed.reopen()
    assert.deepEqual(await again.tally(A, DAY), mergeTallies([GOOD, BAD, changed, elsewhere]))
    assert.equal((await again.tally(A, DAY))?.policies.length, 2)
    assert.deepEqual(await again.tally(B, DAY), GOOD)
    assert.deepEqual(await again.tally(A, NEXT_DAY), BAD)
    assert.equal(await again.tally(B, NEXT_DAY), undefined)
  })

  test('a batch counts once, also after reopening', async (t) => {
    const bed = bedFor(t)
    assert.deepEqual(await (await bed.reopen()).addBatch('1', [of(GOOD)]), {
      repeated: false,
      lateSessions: 0,
      mergedFailures: 0,
      damagedSessions: 0,
    })
    const store = await bed.reopen()
    assert.deepEqual(await store.addBatch('1', [of(GOOD), of(BAD, B)]), {
      repeated: true,
      lateSessions: 0,
      mergedFailures: 0,
      damagedSessions: 0,
    })
    assert.deepEqual(await store.tally(A, DAY), GOOD)
    assert.equal(await store.tally(B, DAY), undefined)
  })

  test('RPT-69: however many distinct failures come, what is kept of a domain is bounded and no total wrong', async (t) => {
    covers('RPT-69', { observe: 'store' })
    const store = await bedFor(t).reopen()
    const batch = (number: number) =>
      Array.from({ length: 400 }, (_, at) => {
        const failures = [{ resultType: 'validation-failure' as const, receivingMxHelo: `h${number}-${at}` }]
        return sessionTally({ policy: STS, failures })
      })
    let merged = 0
    for (let number = 0; number < 5; number += 1) {
      merged += (await store.addBatch(`${number}`, [of(mergeTallies(batch(number)))])).mergedFailures
    }
    assert.equal(merged, 2_000 - FAILURES_MAX)
    const tally = await store.tally(A, DAY)
    assert.ok(tally !== undefined)
    assert.equal(tally.policies[0]?.failures.length, FAILURES_MAX)
    assert.deepEqual(tallyTotals(tally), { successfulSessions: 0, failedSessions: 2_000 })
  })

  test('what comes for a closed day is late: counted as such and in no report', async (t) => {
    const store = await bedFor(t).reopen()
    await store.addBatch('1', [of(GOOD), of(GOOD, A, NEXT_DAY)])
    assert.deepEqual(await store.openDays(NEXT_DAY), [DAY])
    assert.equal(await store.closeDay(DAY, () => 10), 1)
    assert.deepEqual(await store.openDays(NEXT_DAY), [])
    const late = await store.addBatch('2', [of(mergeTallies([GOOD, BAD])), of(BAD, B), of(BAD, A, NEXT_DAY)])
    assert.deepEqual(late, { repeated: false, lateSessions: 3, mergedFailures: 0, damagedSessions: 0 })
    assert.deepEqual(await store.tally(A, DAY), GOOD)
    assert.deepEqual(await store.tally(A, NEXT_DAY), mergeTallies([GOOD, BAD]))
    assert.equal(await store.closeDay(DAY, () => 99), 0)
  })

  test('a report is claimed when it is due, the earliest first, by one caller until the lease is over', async (t) => {
    const store = await bedFor(t).reopen()
    await store.addBatch('1', [of(GOOD), of(BAD, B), of(GOOD, A, NEXT_DAY)])
    assert.equal(await store.claimReport(1e15, 1), undefined, 'an open day has no reports')
    await store.closeDay(DAY, (name) => (name === A ? 200 : 100))
    assert.equal(await store.claimReport(99, 1_000), undefined)
    const first = await claimed(store, 300)
    assert.deepEqual([first.policyDomain, first.day, first.tally], [B, DAY, BAD])
    assert.deepEqual([first.rendered, first.targets, first.firstAttemptAt], [undefined, [], undefined])
    assert.equal((await claimed(store, 300, 5_000)).policyDomain, A)
    assert.equal(await store.claimReport(1_299, 1_000), undefined)
    const second = await claimed(store, 1_300)
    assert.equal(second.policyDomain, B)
    assert.notEqual(second.token, first.token)
    assert.equal(await store.mark(first, { targets: [], next: { kind: 'done' } }), false, 'it has passed to another')
    assert.equal(await store.mark(second, { targets: [], next: { kind: 'done' } }), true)
    assert.equal(await store.mark(second, { targets: [], next: { kind: 'due', at: 0 } }), false, 'done is done')
  })

  test('bytes, targets and the first attempt survive, and the bytes never change again', async (t) => {
    const bed = bedFor(t)
    const store = await bed.reopen()
    await store.addBatch('1', [of(GOOD)])
    await store.closeDay(DAY, () => 0)
    const claim = await claimed(store, bed.now)
    const waiting = { uri: 'mailto:x@a.test', state: 'waiting', attempts: 0 } as const
    const working = { kind: 'working', leaseMs: 500 } as const
    assert.equal(
      await store.mark(claim, { rendered: RENDERED, targets: [waiting], firstAttemptAt: 5, next: working }),
      true,
    )
    const other = { ...RENDERED, compressed: Uint8Array.of(1), reportId: 'other' }
    const accepted = { ...waiting, state: 'accepted', attempts: 1 } as const
    const refused = { uri: 'https://a.test/', state: 'waiting', attempts: 1, reason: 'status-500' } as const
    const later = { rendered: other, targets: [accepted, refused], firstAttemptAt: 9, next: working }
    assert.equal(await store.mark(claim, later), true)
    const again = await bed.reopen()
    assert.equal(await again.claimReport(bed.now + 499, 1), undefined, 'the lease began anew')
    const next = await claimed(again, bed.now + 500)
    assert.deepEqual(
      { ...next.rendered, compressed: [...(next.rendered?.compressed ?? [])] },
      {
        ...RENDERED,
        compressed: [31, 139, 0],
      },
    )
    assert.deepEqual([next.targets, next.firstAttemptAt], [[accepted, refused], 5])
    assert.equal(await again.mark(next, { targets: next.targets, next: { kind: 'due', at: bed.now + 9_000 } }), true)
    assert.equal(await again.claimReport(bed.now + 8_999, 1), undefined)
    assert.equal((await claimed(again, bed.now + 9_000)).policyDomain, A)
  })

  test('RPT-103: two days after a day nothing is kept of it, sent or not', async (t) => {
    covers('RPT-103', { observe: 'store' })
    const store = await bedFor(t).reopen()
    await store.addBatch('1', [of(GOOD), of(GOOD, B), of(GOOD, A, NEXT_DAY)])
    await store.closeDay(DAY, () => 0)
    await store.mark(await claimed(store, 1), { targets: [], next: { kind: 'done' } })
    const keptFrom = (now: number) => utcDayOf(now - (forgottenAt(DAY) - Date.parse(`${NEXT_DAY}T00:00:00Z`)))
    assert.equal(await store.forget(keptFrom(forgottenAt(DAY) - 1)), 0)
    assert.deepEqual(await store.tally(A, DAY), GOOD)
    assert.equal(await store.forget(keptFrom(forgottenAt(DAY))), 1)
    assert.equal(await store.tally(A, DAY), undefined)
    assert.equal(await store.claimReport(1e15, 1), undefined)
    assert.deepEqual(await store.tally(A, NEXT_DAY), GOOD)
  })

  test('a claim may ask for one day only', async (t) => {
    const store = await bedFor(t).reopen()
    await store.addBatch('1', [of(GOOD), of(BAD, B, NEXT_DAY)])
    for (const one of [DAY, NEXT_DAY]) await store.closeDay(one, () => 100)
    assert.equal(await store.claimReport(99, 1, NEXT_DAY), undefined)
    assert.equal((await store.claimReport(100, 1_000, NEXT_DAY))?.policyDomain, B)
    assert.equal(await store.claimReport(100, 1_000, NEXT_DAY), undefined)
    assert.equal((await claimed(store, 100)).policyDomain, A)
  })

  test('what is left of a closed day can be made due earlier, and what is claimed or done stays as it is', async (t) => {
    const store = await bedFor(t).reopen()
    const [C, D] = [domain('c.test'), domain('d.test')]
    await store.addBatch('1', [of(GOOD), of(GOOD, B), of(GOOD, C), of(GOOD, D), of(GOOD, A, NEXT_DAY)])
    assert.equal(await store.expedite(DAY, 1), 0, 'an open day has no reports')
    const dueAt = new Map<DomainName, number>([
      [A, 10],
      [B, 20],
      [C, 5_000],
      [D, 15],
    ])
    await store.closeDay(DAY, (name) => dueAt.get(name) ?? 0)
    const done = await claimed(store, 10)
    await store.mark(done, { targets: [], next: { kind: 'done' } })
    const working = await claimed(store, 15, 1_000)
    assert.deepEqual([done.policyDomain, working.policyDomain], [A, D])
    assert.equal(await store.expedite(DAY, 30), 2)
    assert.deepEqual(
      (await store.reports(DAY, { limit: 9 })).map(({ dueAt: at }) => at),
      [undefined, 20, 30, 1_015],
    )
    assert.equal((await claimed(store, 30)).policyDomain, B)
    assert.equal((await claimed(store, 30)).policyDomain, C)
    assert.equal(await store.claimReport(1_014, 1), undefined)
  })

  test('a site is admitted so many times a day, counted for all and across reopening', async (t) => {
    const bed = bedFor(t)
    const store = await bed.reopen()
    const same = await Promise.all([1, 2, 3].map(() => store.admit(A, DAY, 2)))
    assert.deepEqual(same.toSorted(), [false, true, true])
    const again = await bed.reopen()
    assert.equal(await again.admit(A, DAY, 2), false)
    assert.equal(await again.admit(A, DAY, 3), true, 'what was refused was not counted')
    assert.equal(await again.admit(B, DAY, 1), true)
    assert.equal(await again.admit(A, NEXT_DAY, 1), true)
    await again.forget(NEXT_DAY)
    assert.equal(await again.admit(A, DAY, 1), true, 'forgotten with its day')
    assert.equal(await again.admit(A, NEXT_DAY, 1), false)
  })

  test('operators see days and reports, page by page, before a day is closed and after', async (t) => {
    const store = await bedFor(t).reopen()
    assert.deepEqual(await store.days(), [])
    await store.addBatch('1', [of(GOOD, B), of(GOOD), of(BAD, A, NEXT_DAY)])
    assert.deepEqual(await store.days(), [DAY, NEXT_DAY])
    const open = { day: DAY, dueAt: undefined, claimed: false, done: false, reportId: undefined, targets: [] }
    const nothing = { ...open, firstAttemptAt: undefined }
    assert.deepEqual(await store.reports(DAY, { limit: 9 }), [
      { ...nothing, policyDomain: A },
      { ...nothing, policyDomain: B },
    ])
    await store.closeDay(DAY, (name) => (name === A ? 40 : 50))
    const claim = await claimed(store, 60, 1_000)
    const targets = [{ uri: 'mailto:x@a.test', state: 'waiting', attempts: 1, nextAt: 70, reason: 'dns' }] as const
    const [first] = await store.reports(DAY, { limit: 1 })
    assert.deepEqual(first, { ...nothing, policyDomain: A, dueAt: 1_060, claimed: true })
    await store.mark(claim, { rendered: RENDERED, targets, firstAttemptAt: 60, next: { kind: 'due', at: 70 } })
    assert.deepEqual(await store.reports(DAY, { limit: 1 }), [
      { ...nothing, policyDomain: A, dueAt: 70, reportId: RENDERED.reportId, targets, firstAttemptAt: 60 },
    ])
    assert.deepEqual(await store.reports(DAY, { limit: 9, after: A }), [{ ...nothing, policyDomain: B, dueAt: 50 }])
    await store.mark(await claimed(store, 60), { targets: [], next: { kind: 'done' } })
    assert.deepEqual(await store.reports(DAY, { limit: 9, after: A }), [{ ...nothing, policyDomain: B, done: true }])
    assert.deepEqual(await store.days(), [DAY, NEXT_DAY])
  })

  for (const text of ['{', '7', '{"policies":[]}', '{"policies":[{}],"otherPolicies":{}}']) {
    test(`a sum that is ${text} keeps no other report back, and is not begun anew`, async (t) => {
      const bed = bedFor(t)
      await (await bed.reopen()).addBatch('1', [of(GOOD), of(GOOD, B)])
      await bed.damage('sum', { policyDomain: A, day: DAY, text })
      const store = await bed.reopen()
      const added = await store.addBatch('2', [of(BAD), of(BAD, B)])
      assert.deepEqual(added, { repeated: false, lateSessions: 0, mergedFailures: 0, damagedSessions: 1 })
      await assert.rejects(store.tally(A, DAY), { name: 'ResultStoreUnavailable' })
      assert.deepEqual(await store.tally(B, DAY), mergeTallies([GOOD, BAD]))
      assert.equal(await store.closeDay(DAY, (name) => (name === A ? 1 : 2)), 2)
      const damaged = { kind: 'damaged', policyDomain: A, day: DAY, part: 'sum' }
      assert.deepEqual(await store.claimReport(9, 1_000), damaged)
      assert.equal((await claimed(store, 9)).policyDomain, B)
      assert.equal(await store.claimReport(1_008, 1), undefined)
      const again = await bed.reopen()
      assert.equal((await claimed(again, 1_009)).policyDomain, B, 'what is damaged was told once')
      assert.equal(await again.claimReport(1_010, 1), undefined)
      const aside = (await again.reports(DAY, { limit: 9 })).map(({ policyDomain, setAside }) => [
        policyDomain,
        setAside,
      ])
      assert.deepEqual(aside, [
        [A, true],
        [B, undefined],
      ])
      assert.equal(await again.forget(NEXT_DAY), 2, 'it was never done')
    })
  }

  test('targets that cannot be read are told as such, and keep no other report back', async (t) => {
    const bed = bedFor(t)
    const store = await bed.reopen()
    await store.addBatch('1', [of(GOOD), of(GOOD, B)])
    await store.closeDay(DAY, (name) => (name === A ? 1 : 2))
    const claim = await claimed(store, 1, 4)
    const targets = [{ uri: 'mailto:x@a.test', state: 'waiting', attempts: 1 }] as const
    await store.mark(claim, { rendered: RENDERED, targets, firstAttemptAt: 1, next: { kind: 'due', at: 1 } })
    await bed.damage('targets', { policyDomain: A, day: DAY, text: '[{"uri":1}]' })
    const again = await bed.reopen()
    const states = async () =>
      (await again.reports(DAY, { limit: 9 })).map((one) => [one.policyDomain, one.damaged, one.setAside, one.dueAt])
    assert.deepEqual(await states(), [
      [A, true, undefined, 1],
      [B, undefined, undefined, 2],
    ])
    const damaged = { kind: 'damaged', policyDomain: A, day: DAY, part: 'targets' }
    assert.deepEqual(await again.claimReport(9, 1_000), damaged)
    assert.equal((await claimed(again, 9, 1_000)).policyDomain, B)
    assert.equal(await again.expedite(DAY, 9), 0)
    assert.deepEqual(await states(), [
      [A, true, true, undefined],
      [B, undefined, undefined, 1_009],
    ])
  })

  test('a name that is none has no report, and the day is closed all the same', async (t) => {
    const bed = bedFor(t)
    await (await bed.reopen()).addBatch('1', [of(GOOD), of(GOOD, B)])
    await bed.damage('domain', { policyDomain: A, day: DAY, text: 'a..test' })
    const store = await bed.reopen()
    await store.closeDay(DAY, () => 1)
    assert.deepEqual(await store.openDays(NEXT_DAY), [])
    assert.equal((await claimed(store, 1)).policyDomain, B)
    assert.equal(await store.claimReport(1, 1), undefined)
    assert.deepEqual(
      (await store.reports(DAY, { limit: 9 })).map(({ policyDomain }) => policyDomain),
      [B],
    )
    assert.equal(await store.forget(NEXT_DAY), 2)
    assert.deepEqual(await store.days(), [])
  })

  test('the id of a store is its own, and stays', async (t) => {
    const bed = bedFor(t)
    const id = await (await bed.reopen()).storeId()
    assert.match(id, /^[0-9a-f-]{36}$/)
    assert.equal(await (await bed.reopen()).storeId(), id)
    assert.notEqual(await (await bedFor(t).reopen()).storeId(), id)
  })
}
