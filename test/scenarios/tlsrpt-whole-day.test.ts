/**
 * RFC 8460 from the first session to the last report, through the whole relay: a day of mail to domains with MTA-STS, DANE,
 * both and neither, and to hosts with every trouble that a report can tell.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { keyRecordName, reportKeyRecordText } from '../../packages/mta/src/signing/key-record.ts'
import { readReport } from '../../packages/reporter/src/read-report.ts'
import type { TlsReport } from '../../packages/reporter/src/report.ts'
import { RESULT_TYPES } from '../../packages/reporter/src/result-type.ts'
import { covers } from '../conformance/covers.ts'
import { countsIn, domainsBy, expectedCounts, mailedDomains, ReportDay, SELECTOR, SENDER } from '../lab/report-day.ts'
import { DAY_DOMAINS } from '../lab/report-day-domains.ts'

const reached = mailedDomains()
let day: ReportDay
let printed: string
const seenByHosts = new Map<string, readonly string[]>()

before(async () => {
  day = await ReportDay.start()
  await day.traffic()
  for (const domain of Object.keys(DAY_DOMAINS)) seenByHosts.set(domain, expectedCounts(day, domain))
  printed = (await day.run()).out
  await day.hasten()
  await day.relay.until(() => reached.every((domain) => day.reportMails(domain).length > 0), 'report mails')
})
after(() => day?.[Symbol.asyncDispose]())

test('the day knows every result type that there is', () => {
  const types = Object.values(DAY_DOMAINS).flatMap(({ expected }) => expected.flatMap(({ failed = [] }) => failed))
  assert.deepEqual([...new Set(types)].toSorted(), RESULT_TYPES.toSorted())
})

test('each target is served, in one run', () => {
  const reports = Object.values(DAY_DOMAINS).filter(({ wants }) => wants.length > 0).length
  const targets = domainsBy('mail').length + domainsBy('https').length
  assert.equal(printed, `${reports} reports: ${targets} targets served, 0 to be tried again, 0 given up.\n`)
})

describe('RPT-92, RPT-93: by HTTPS', () => {
  for (const domain of domainsBy('https')) {
    test(`${domain}: one report, that tells what the host saw`, () => {
      covers(['RPT-92', 'RPT-93'], { observe: 'https' })
      const posts = day.endpoint.posted.filter(({ target }) => target === `/in?of=${domain}`)
      assert.equal(posts.length, 1)
      const [{ method, fields, body } = assert.fail()] = posts
      assert.deepEqual([method, fields['content-type']], ['POST', 'application/tlsrpt+gzip'])
      const report = JSON.parse(gunzipSync(body).toString()) as TlsReport
      assert.deepEqual(countsIn(report.policies), seenByHosts.get(domain))
    })
  }
})

describe('RPT-76, RPT-79: by mail', () => {
  for (const domain of reached) {
    test(`${domain}: one report, that tells what the host saw, whatever became of TLS with it`, () => {
      covers('RPT-76', { observe: 'smtp' })
      const mails = day.reportMails(domain)
      assert.equal(mails.length, 1)
      const report = readReport(mails[0] ?? Buffer.of())
      assert.ok(report.ok)
      assert.deepEqual(report.value.findings, [])
      const told = report.value.policies.map(({ policyType, successfulSessions, failedSessions, failures }) => {
        const types = [...new Set(failures.map(({ resultType }) => resultType))].join(' ')
        const why = types === '' ? '' : ` (${types})`
        return `${policyType}: ${successfulSessions} good, ${failedSessions} failed${why}`
      })
      assert.deepEqual(told.toSorted(), seenByHosts.get(domain))
    })

    test(`${domain}: mailauth verifies the signature of the submitter`, async () => {
      covers('RPT-79', { observe: 'smtp' })
      const record = [[reportKeyRecordText(day.key)]]
      const { results } = await dkimVerify(day.reportMails(domain)[0] ?? Buffer.of(), {
        resolver: async (name: string) => (name === keyRecordName(SENDER, SELECTOR) ? record : []),
      })
      assert.deepEqual(
        results.map(({ signingDomain, status }) => [signingDomain, status.result]),
        [[SENDER, 'pass']],
      )
    })
  }
})

test('both ways get the very same report', async () => {
  for (const domain of reached.filter((one) => domainsBy('https').includes(one))) {
    const [post] = day.endpoint.posted.filter(({ target }) => target === `/in?of=${domain}`)
    const posted = readReport(post?.body ?? Buffer.of())
    const mailed = readReport(day.reportMails(domain)[0] ?? Buffer.of())
    assert.ok(posted.ok && mailed.ok)
    assert.deepEqual(mailed.value, posted.value)
  }
})

test('only what the operator demands of a domain keeps a report mail back, as all mail to it', async () => {
  const [, id] =
    /"queueId":"([^"]+)"/.exec(
      JSON.stringify(
        day.relay.eventsOf('tlsrpt-report-submitted').find((one) => one.target === 'mailto:tls@demanded.test'),
      ),
    ) ?? []
  await day.relay.until(() => day.relay.eventsOf('message-settled').some((one) => one.id === id))
  const [settled] = day.relay.eventsOf('message-settled').filter((one) => one.id === id)
  const cause = settled?.problem?.cause
  assert.equal(cause?.kind === 'tls-policy' && cause.reason, 'dane-required (no-tlsa)')
  assert.equal(day.mx('demanded.test').connections.length, 0)
})

test('a day that was ended by order is shown as closed', async () => {
  assert.match((await day.hermetic('show', 'both.test', 'today')).out, /^both\.test on \S+ \(UTC\), closed$/m)
  assert.equal(JSON.parse((await day.hermetic('show', 'both.test', 'today', '--json')).out).closed, true)
})

test('RPT-68: the mails that carried the reports were counted nowhere, and nobody else was told', async () => {
  covers('RPT-68', { observe: 'smtp' })
  assert.equal(day.relay.eventsOf('tlsrpt-results-late').length, 0)
  assert.equal((await day.hermetic('pending')).err, 'No report waits.\n')
  assert.equal(
    day.mx('unwanted.test').messages.some(({ reversePath }) => reversePath.includes('tlsrpt')),
    false,
  )
})
