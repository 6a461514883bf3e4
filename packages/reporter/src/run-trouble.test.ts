/** Runs of several nodes, and runs in trouble: nothing goes twice, and nothing stops the others. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { covers } from '../../../test/conformance/covers.ts'
import { certificateFor } from '../../../test/lab/policy-certificates.ts'
import { ReportEndpoint } from '../../../test/lab/report-endpoint.ts'
import { ResultStoreUnavailable } from './ports/result-store.ts'
import { DAY } from './report.fixture.ts'
import { RunBed } from './run.fixture.ts'

const A = 'a.example'
const HOUR_MS = 3_600_000

let bed: RunBed
before(async () => {
  bed = await RunBed.start()
})
after(() => bed[Symbol.asyncDispose]())
beforeEach(() => bed.fresh())

const recipients = (): readonly string[] => bed.mails.map(({ recipient }) => recipient).toSorted()

describe('one sender', () => {
  test('RPT-66: nodes that run at the same time send each report once', async () => {
    covers('RPT-66', { observe: 'store' })
    const names = Array.from({ length: 30 }, (_, at) => `${at}.example`)
    for (const name of names) {
      await bed.seen(name)
      bed.publish(name, `v=TLSRPTv1; rua=mailto:tls@${name}`)
    }
    await Promise.all([bed.run(), bed.run(), bed.run()])
    assert.deepEqual(recipients(), names.map((name) => `tls@${name}`).toSorted())
    assert.equal(bed.events.filter(({ event }) => event === 'tlsrpt-day-closed').length, 3)
  })

  test('a node that slept until its lease had ended sends nothing more', async () => {
    await bed.seen(A)
    bed.publish(A, `v=TLSRPTv1; rua=mailto:tls@${A}`)
    let mono = 0
    const store = {
      storeId: () => bed.store.storeId(),
      days: () => bed.store.days(),
      openDays: (before: typeof DAY) => bed.store.openDays(before),
      closeDay: (...args: Parameters<typeof bed.store.closeDay>) => bed.store.closeDay(...args),
      claimReport: (...args: Parameters<typeof bed.store.claimReport>) => bed.store.claimReport(...args),
      mark: (...args: Parameters<typeof bed.store.mark>) => bed.store.mark(...args),
      admit: async (...args: Parameters<typeof bed.store.admit>) => {
        // The process is stopped here for ten minutes, and another node works on the report meanwhile.
        mono += 600_000
        bed.now += 600_000
        if (bed.mails.length === 0) await bed.run()
        return bed.store.admit(...args)
      },
    }
    await bed.run({}, { store: Object.assign(Object.create(bed.store), store), monotonic: () => mono })
    assert.deepEqual(recipients(), [`tls@${A}`])
    assert.ok(bed.told().includes('tlsrpt-claim-lost'))
  })
})

describe('trouble', () => {
  test('a report that breaks us is told and put off, and the others go', async () => {
    for (const name of [A, 'b.example']) {
      await bed.seen(name)
      bed.publish(name, `v=TLSRPTv1; rua=mailto:tls@${name}`)
    }
    const { submit, ...options } = bed.options()
    const mailto: typeof submit.mailto = (stored, ...rest) => {
      if (stored.policyDomain === A) throw new TypeError('a defect')
      return submit.mailto(stored, ...rest)
    }
    await bed.run({}, { ...options, submit: { ...submit, mailto } })
    assert.deepEqual(recipients(), ['tls@b.example'])
    assert.ok(bed.told().includes('tlsrpt-sending-defect'))
    bed.now += HOUR_MS
    await bed.run()
    assert.deepEqual(recipients(), ['tls@a.example', 'tls@b.example'])
  })

  test('a report that cannot be read is told and set aside, and the others go', async () => {
    for (const name of [A, 'b.example']) {
      await bed.seen(name)
      bed.publish(name, `v=TLSRPTv1; rua=mailto:tls@${name}`)
    }
    await bed.store.closeDay(DAY, (name) => (name === A ? 0 : 1))
    const claim = await bed.store.claimReport(0, 1)
    assert.ok(claim?.kind === 'claim')
    await bed.store.mark(claim, { targets: [JSON.parse('{"uri":7}')], next: { kind: 'due', at: 0 } })
    await bed.run()
    assert.deepEqual(recipients(), ['tls@b.example'])
    const damaged = bed.events.filter(({ event }) => event === 'tlsrpt-report-damaged')
    assert.deepEqual(damaged, [{ event: 'tlsrpt-report-damaged', policyDomain: A, day: DAY, part: 'targets' }])
  })

  test('endpoints that hang, redirect or lie have reasons in the log and never stop the other reports', async () => {
    const certificate = await certificateFor('hangs.example', 'good', bed.world.authority)
    await using silent = await ReportEndpoint.start(certificate, '127.0.0.2')
    silent.answer = () => undefined
    bed.world.publish({ 'hangs.example': { A: [silent.address] } })
    for (const [name, uri] of [
      ['hangs.example', `https://hangs.example:${silent.port}/`],
      ['redirects.example', bed.https('/redirect')],
      ['refuses.example', 'https://reports.rcpt.example:1/'],
      ['good.example', 'mailto:tls@good.example'],
    ] as const) {
      await bed.seen(name)
      bed.publish(name, `v=TLSRPTv1; rua=${uri}`)
    }
    bed.endpoint.answer = () => ({ status: 302, fields: { Location: bed.https('/taken') } })
    await bed.run()
    assert.deepEqual(recipients(), ['tls@good.example'])
    const deferred = bed.told().filter((text) => text.includes('deferred'))
    assert.deepEqual(deferred.map((text) => text.split(' ')[1]).toSorted(), [
      'connect-ECONNREFUSED',
      'status-302',
      'timeout-response',
    ])
  })

  test('a store that cannot answer ends the run, loudly', async () => {
    await bed.seen(A)
    const broken = { claimReport: () => Promise.reject(new ResultStoreUnavailable('gone')) }
    const store = Object.assign(Object.create(bed.store), broken)
    store.storeId = () => bed.store.storeId()
    store.days = () => bed.store.days()
    store.openDays = (before: typeof DAY) => bed.store.openDays(before)
    store.closeDay = (...args: Parameters<typeof bed.store.closeDay>) => bed.store.closeDay(...args)
    await assert.rejects(bed.run({}, { store }), ResultStoreUnavailable)
  })

  test('a stop leaves what is not begun for the next start', async () => {
    await bed.seen(A)
    bed.publish(A, `v=TLSRPTv1; rua=mailto:tls@${A}`)
    assert.equal((await bed.run({ signal: AbortSignal.abort() })).reports, 0)
    assert.equal((await bed.run()).submitted, 1)
  })
})
