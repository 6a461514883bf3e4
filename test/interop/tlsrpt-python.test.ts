/**
 * Python reads our report mails: its dkim package verifies the signature, its email package takes the parts apart, its gzip
 * and json modules read the report. None of them knows anything of our code (RFC 8460 §5.3, RFC 6376).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { createReportSigner } from '../../packages/mta/src/reporting/report-signer.ts'
import { keyRecordName, keyRecordText, reportKeyRecordText } from '../../packages/mta/src/signing/key-record.ts'
import { identity } from '../../packages/mta/src/signing/signing.fixture.ts'
import { DAY, ORIGIN, RECIPIENT, SUBMITTER } from '../../packages/reporter/src/report.fixture.ts'
import { reportMessage } from '../../packages/reporter/src/report-message.ts'
import { reportFileName } from '../../packages/reporter/src/report-name.ts'
import { parseRua } from '../../packages/reporter/src/rua.ts'
import { renderClaim, storedReport } from '../../packages/reporter/src/stored-report.ts'
import { mergeTallies, sessionTally } from '../../packages/reporter/src/tally.ts'
import { covers } from '../conformance/covers.ts'
import { readByPython as read } from './python-report-reader.ts'

const KEY = identity({ domain: SUBMITTER, selector: 'tlsrpt' })

async function signedMail(): Promise<Buffer> {
  const policy = { policyType: 'sts', policyDomain: RECIPIENT, policyString: ['mode: enforce'], mxHost: [] } as const
  const failures = [{ resultType: 'certificate-expired', receivingIp: '192.0.2.1' }] as const
  const tally = mergeTallies([sessionTally({ policy, failures: [] }), sessionTally({ policy, failures })])
  const reporter = { organizationName: 'S\u00e4nder GmbH', contactInfo: `tlsrpt@${SUBMITTER}` }
  const about = { policyDomain: RECIPIENT, day: DAY }
  const made = renderClaim({ ...about, tally }, { reporter, storeId: ORIGIN.storeId, now: Date.UTC(2026, 10, 22) })
  const target = parseRua(`mailto:tls@${RECIPIENT}`)
  assert.ok(made.ok && target.ok && target.value.kind === 'mailto')
  const { rendered } = made.value
  const stored = storedReport(about, rendered, ORIGIN.storeId)
  const { bytes } = reportMessage({ ...stored, ...rendered, target: target.value })
  return Buffer.from(await createReportSigner([KEY]).sign(bytes, rendered.madeAt))
}

describe('a report mail in the eyes of Python', () => {
  test('RPT-86, RPT-87: two parts, an attachment by its name, a report that says what the header says', async () => {
    covers(['RPT-86', 'RPT-87'], { observe: 'pure' })
    const mail = read(await signedMail(), keyRecordText(KEY.key))
    assert.deepEqual(mail.defects, [])
    assert.deepEqual([mail.reportType, mail.types], ['tlsrpt', ['text/plain', 'application/tlsrpt+gzip']])
    assert.deepEqual([mail.disposition, mail.fileName], ['attachment', reportFileName(ORIGIN, 'json.gz')])
    assert.match(mail.text, /LOOK AT THIS: of 2 checks of sessions against your policies, 1 failed/)
    assert.equal(mail.header['tls-report-domain'], RECIPIENT)
    assert.ok(mail.header['subject']?.endsWith(`Report-ID: <${String(mail.report['report-id'])}>`))
    assert.equal(mail.report['organization-name'], 'S\u00e4nder GmbH')
  })

  test('the signature verifies; when an octet of header or body is another, it does not', async () => {
    const message = await signedMail()
    assert.equal(read(message, keyRecordText(KEY.key)).verified, true)
    for (const [from, to] of [
      ['Report Domain', 'Report  domain'],
      ['TLS-Required: No', 'TLS-Required: Yes'],
      ['LOOK AT THIS', 'All is well'],
    ] as const) {
      const changed = Buffer.from(message.toString('latin1').replace(from, to), 'latin1')
      assert.equal(read(changed, keyRecordText(KEY.key)).verified, false, from)
    }
  })

  test('s=email:tlsrpt is right and mailauth takes it; this dkim package does not: docs/operating/tlsrpt.md tells', async (t) => {
    const message = await signedMail()
    const record = reportKeyRecordText(KEY.key)
    const taken = read(message, record).verified
    t.diagnostic(`Python's dkim package ${taken ? 'takes' : 'refuses'} s=email:tlsrpt`)
    assert.equal(
      taken,
      false,
      'it has learnt lists: the note in docs/operating/tlsrpt.md and hermetic tlsrpt key can go',
    )
    const resolver = async (name: string): Promise<string[][]> =>
      name === keyRecordName(SUBMITTER, KEY.selector) ? [[record]] : []
    const { results } = await dkimVerify(message, { resolver })
    assert.deepEqual(
      results.map(({ status }) => status.result),
      ['pass'],
    )
  })
})
