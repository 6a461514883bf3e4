/**
 * The mails of a whole day of reports in the eyes of Python: taken apart without a defect, verified, and every number as
 * the hosts of the lab saw it (RFC 8460 §4, §5.3).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyRecordText } from '../../packages/mta/src/signing/key-record.ts'
import type { TlsReport } from '../../packages/reporter/src/report.ts'
import { covers } from '../conformance/covers.ts'
import { countsIn, expectedCounts, mailedDomains, ReportDay, SENDER } from '../lab/report-day.ts'
import { readByPython } from './python-report-reader.ts'

test('RPT-75, RPT-79, RPT-86: one mail for each domain, signed, without a defect, with the sums of its hosts', async (t) => {
  covers(['RPT-75', 'RPT-79', 'RPT-86'], { observe: 'smtp' })
  await using day = await ReportDay.start()
  await day.traffic()
  const domains = mailedDomains()
  const seen = new Map(domains.map((domain) => [domain, expectedCounts(day, domain)]))
  await day.run()
  await day.hasten()
  await day.relay.until(() => domains.every((domain) => day.reportMails(domain).length > 0), 'report mails')
  const ids = new Set<unknown>()
  for (const domain of domains) {
    const [mail, ...more] = day.reportMails(domain)
    assert.ok(mail !== undefined && more.length === 0, domain)
    const read = readByPython(mail, keyRecordText(day.key))
    assert.deepEqual([read.defects, read.verified], [[], true], domain)
    assert.deepEqual(read.types, ['text/plain', 'application/tlsrpt+gzip'])
    const report = read.report as unknown as TlsReport
    assert.deepEqual(countsIn(report.policies), seen.get(domain), domain)
    const id = report['report-id']
    assert.equal(read.header['subject'], `Report Domain: ${domain} Submitter: ${SENDER} Report-ID: <${id}>`)
    assert.ok(read.fileName.startsWith(`${SENDER}!${domain}!`), read.fileName)
    ids.add(id)
  }
  assert.equal(ids.size, domains.length)
  t.diagnostic(`${domains.length} mails`)
})
