import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { covers } from '../../../test/conformance/covers.ts'
import { anySession, DAY, domain, ORIGIN, RECIPIENT, SUBMITTER } from './report.fixture.ts'
import { renderReport, tlsReport } from './report.ts'
import { type ReportMail, reportMessage } from './report-message.ts'
import { reportFileName, reportIdFor } from './report-name.ts'
import { type MailtoRua, parseRua } from './rua.ts'
import { type DomainTally, mergeTallies, sessionTally } from './tally.ts'

const MADE_AT = Date.UTC(2026, 10, 22, 3, 4, 5)

function mailto(uri: string): MailtoRua {
  const rua = parseRua(uri)
  assert.ok(rua.ok && rua.value.kind === 'mailto', uri)
  return rua.value
}

function mailOf(tally: DomainTally, more: Partial<ReportMail> = {}): ReportMail {
  const policyDomain = more.policyDomain ?? RECIPIENT
  const origin = { ...ORIGIN, policyDomain }
  const reporter = { organizationName: 'Sender Ex\u00e4mple GmbH\r\nBcc: x', contactInfo: `tlsrpt@${SUBMITTER}` }
  const report = tlsReport(reporter, { policyDomain, day: DAY, reportId: reportIdFor(origin) }, tally)
  return {
    ...{ policyDomain, submitter: SUBMITTER, report, madeAt: MADE_AT },
    compressed: gzipSync(renderReport(report)),
    fileName: reportFileName(origin, 'json.gz'),
    target: mailto('mailto:tls@rcpt.example?bcc=v@y.example&subject=z'),
    ...more,
  }
}

const good = sessionTally({
  policy: { policyType: 'sts', policyDomain: RECIPIENT, policyString: ['mode: enforce'], mxHost: [] },
  failures: [],
})
const bad = sessionTally({
  policy: { policyType: 'tlsa', policyDomain: domain('mx1.rcpt.example'), policyString: ['3 1 1 AB'], mxHost: [] },
  failures: [
    {
      ...{ resultType: 'certificate-not-trusted', receivingMxHostname: 'mx1.rcpt.example' },
      failureReasonCode: 'dane-no-matching-tlsa',
    },
  ],
})

function read(mail: ReportMail) {
  const text = Buffer.from(reportMessage(mail).bytes).toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  const header = text.slice(0, end).replace(/\r\n(?=[ \t])/g, '')
  const fields = header
    .split('\r\n')
    .map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)])
  const boundary = /boundary="([^"]+)"/.exec(header)?.[1] ?? ''
  const [preamble, first, second, epilogue, ...more] = text.slice(end + 4).split(`--${boundary}`)
  return { text, fields: fields as [string, string][], preamble, first, second, epilogue, more }
}

const fieldOf = (fields: readonly [string, string][], name: string) => {
  const values = fields.filter(([one]) => one === name).map(([, value]) => value)
  assert.equal(values.length, 1, `${name} stands once`)
  return values[0] ?? ''
}

describe('RFC 8460 §5.3: the mail', () => {
  test('RPT-84, RPT-85, RPT-75: subject, fields, file name and JSON say the same', () => {
    covers(['RPT-84', 'RPT-85', 'RPT-75'], { observe: 'pure' })
    const mail = mailOf(good)
    const { fields, second } = read(mail)
    const id = mail.report['report-id']
    const subject = fieldOf(fields, 'Subject')
    assert.equal(subject, `Report Domain: rcpt.example Submitter: sender.example Report-ID: <${id}>`)
    assert.equal(fieldOf(fields, 'TLS-Report-Domain'), 'rcpt.example')
    const submitter = fieldOf(fields, 'TLS-Report-Submitter')
    assert.equal(submitter, mail.report['contact-info'].split('@')[1])
    assert.ok(id.endsWith(`@${submitter}`))
    const [, fileName = ''] = /filename="([^"]+)"/.exec(second ?? '') ?? []
    const [from, about, begin, end] = fileName.split('!')
    assert.deepEqual([from, about], [submitter, 'rcpt.example'])
    const { 'start-datetime': start, 'end-datetime': last } = mail.report['date-range']
    assert.deepEqual([Number(begin) * 1000, Number(end) * 1000], [Date.parse(start), Date.parse(last)])
  })

  test('RPT-86, RPT-87: two parts, the text first, then the compressed report as an attachment', () => {
    covers(['RPT-86', 'RPT-87'], { observe: 'pure' })
    const mail = mailOf(mergeTallies([good, bad]))
    const { fields, preamble, first, second, epilogue, more } = read(mail)
    assert.match(fieldOf(fields, 'Content-Type'), /^multipart\/report; report-type="tlsrpt"; boundary="[^"]+"$/)
    assert.deepEqual([preamble, epilogue, more], ['', '--\r\n', []])
    assert.match(first ?? '', /^\r\nContent-Type: text\/plain; charset=us-ascii\r\n/)
    const [partHeader = '', body = ''] = (second ?? '').split('\r\n\r\n')
    assert.match(partHeader, /Content-Type: application\/tlsrpt\+gzip\r\n/)
    assert.match(partHeader, /Content-Transfer-Encoding: base64\r\n/)
    assert.match(
      partHeader,
      /Content-Disposition: attachment;\r\n filename="sender\.example!rcpt\.example![^"]+\.json\.gz"/,
    )
    const json: unknown = JSON.parse(gunzipSync(Buffer.from(body, 'base64')).toString())
    assert.deepEqual(json, mail.report)
  })

  test('RPT-90, RPT-91: an ordinary message that nobody answers, and nobody but the target gets', () => {
    covers(['RPT-90', 'RPT-91'], { observe: 'pure' })
    const { fields, text } = read(mailOf(good))
    assert.equal(fieldOf(fields, 'Auto-Submitted'), 'auto-generated')
    assert.equal(fieldOf(fields, 'From'), '<tlsrpt@sender.example>')
    assert.equal(fieldOf(fields, 'To'), '<tls@rcpt.example>')
    assert.equal(fieldOf(fields, 'Date'), 'Sun, 22 Nov 2026 03:04:05 +0000')
    assert.match(fieldOf(fields, 'Message-ID'), /^<[0-9a-f]+\.tlsrpt@sender\.example>$/)
    assert.equal(fieldOf(fields, 'TLS-Required'), 'No')
    assert.equal(fieldOf(fields, 'MIME-Version'), '1.0')
    assert.doesNotMatch(text, /^bcc:/im)
    assert.equal(fields.length, 11)
  })

  test('the same report for the same target is the same mail, for another target another', () => {
    const mail = mailOf(good)
    assert.deepEqual(reportMessage(mail), reportMessage(mailOf(good)))
    const other = reportMessage({ ...mail, target: mailto('mailto:tls2@rcpt.example') })
    assert.notEqual(other.messageId, reportMessage(mail).messageId)
  })

  test('names of the greatest length fit into lines, the name of the organization included', () => {
    const report = { ...mailOf(good).report, 'organization-name': 'x'.repeat(5_000) }
    assert.equal(read(mailOf(good, { report })).fields.length, 11)
    const policyDomain = domain(`${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(53)}.example`)
    assert.equal(read(mailOf(good, { policyDomain })).fields.length, 11)
  })

  test('whatever sessions say, the mail is ASCII in lines that SMTP carries', () => {
    fc.assert(
      fc.property(fc.array(anySession, { maxLength: 20 }), (sessions) => {
        const { text } = read(mailOf(mergeTallies(sessions.map(sessionTally))))
        assert.match(text, /^[\r\n\x20-\x7e]*$/)
        assert.ok(text.split('\r\n').every((line) => !/[\r\n]/.test(line) && line.length <= 998))
      }),
      { numRuns: 40 },
    )
  })
})

describe('what a postmaster reads', () => {
  const textOf = (tally: DomainTally) => (read(mailOf(tally)).first ?? '').split('\r\n\r\n').slice(1).join('\n\n')

  test('at a glance that all is well', () => {
    assert.match(textOf(good), /^TLS report about rcpt\.example for 2026-11-21 \(UTC\), from Sender Ex\?mple/)
    assert.match(textOf(good), /\n\nAll is well: 1 check of a session, none failed\.\n\n/)
    assert.match(textOf(good), /\n\nMTA-STS policy of rcpt\.example: 1 good, 0 failed\n\n/)
  })

  test('or what failed, where, and what that means', () => {
    const text = textOf(mergeTallies([good, bad, bad])).replace(/\r\n +/g, ' ')
    assert.match(text, /\n\nLOOK AT THIS: of 3 checks of sessions against your policies, 2 failed\.\n\n/)
    const line = '  - 2 x certificate-not-trusted at mx1.rcpt.example, reason dane-no-matching-tlsa'
    assert.ok(text.includes(`DANE TLSA records of mx1.rcpt.example: 0 good, 2 failed${line.slice(1)}`), text)
    assert.ok(text.includes('(the certificate leads to no authority'))
  })

  test('not everything: of many kinds of failure the most frequent', () => {
    const many = Array.from({ length: 30 }, (_, at) =>
      sessionTally({
        policy: { policyType: 'no-policy-found', policyDomain: RECIPIENT, policyString: [], mxHost: [] },
        failures: [{ resultType: 'validation-failure', failureReasonCode: `code-${at}` }],
      }),
    )
    const text = textOf(mergeTallies([...many, ...many.slice(29)]))
    assert.match(text, /- 2 x validation-failure, reason code-29/)
    assert.match(text, /and 20 more kinds of failure in the attachment/)
  })
})
