/**
 * The mail that carries a report (RFC 8460 §5.3): a `multipart/report` of two parts, what a person reads and the
 * compressed JSON. Signing and sending are done by others.
 *
 * Everything in it follows from the stored report, so that a retry sends the same bytes (RPT-102). All text of others is
 * a domain, an address or a URI that its own parser took. Pure.
 */
import { createHash } from 'node:crypto'
import { type DomainName, invariant } from '@hermetic/policy'
import type { TlsReport } from './report.ts'
import { reportText } from './report-text.ts'
import type { MailtoRua } from './rua.ts'

export interface ReportMail {
  readonly policyDomain: DomainName
  /** The domain of `contact-info`, of From and of the signature (RPT-79, RPT-84). */
  readonly submitter: DomainName
  readonly report: TlsReport
  /** gzip of exactly the JSON that an HTTPS target gets. */
  readonly compressed: Uint8Array
  readonly fileName: string
  readonly target: MailtoRua
  /** UTC milliseconds: when the report was made, not when it is sent. */
  readonly madeAt: number
}

export interface ReportMessage {
  /** Of this mail: one for each target of one report. */
  readonly messageId: string
  /** With CRLF line ends and ASCII only. */
  readonly bytes: Uint8Array
}

const BASE64_LINE = 76
/** RFC 5322 §2.1.1. */
const LINE_MAX = 998
const MESSAGE_ID = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+$/

export function reportMessage(mail: ReportMail): ReportMessage {
  const { report, policyDomain, submitter, target, fileName, compressed } = mail
  const mark = createHash('sha256')
    .update(JSON.stringify([report['report-id'], target.uri]))
    .digest('hex')
    .slice(0, 24)
  const messageId = `<${mark}.tlsrpt@${submitter}>`
  const boundary = `=_${mark}`
  const text = [
    ...headerFields(mail, messageId),
    `Content-Type: multipart/report; report-type="tlsrpt";\r\n boundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=us-ascii',
    'Content-Transfer-Encoding: 7bit',
    '',
    reportText({ policyDomain, report, fileName }),
    `--${boundary}`,
    'Content-Type: application/tlsrpt+gzip',
    'Content-Transfer-Encoding: base64',
    `Content-Disposition: attachment;\r\n filename="${fileName}"`,
    '',
    ...base64Lines(compressed),
    '',
    `--${boundary}--`,
    '',
  ].join('\r\n')
  invariant(
    text.split('\r\n').every((line) => line.length <= LINE_MAX),
    'lines that SMTP can carry',
  )
  return { messageId, bytes: Buffer.from(text, 'latin1') }
}

function headerFields(mail: ReportMail, messageId: string): readonly string[] {
  const { report, policyDomain, submitter, target, madeAt } = mail
  return [
    `From: <${report['contact-info']}>`,
    `To: <${target.address}>`,
    `Date: ${new Date(madeAt).toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: ${messageId}`,
    // RFC 8460 §5.3: nothing before or after; white space may be folded.
    `Subject: Report Domain: ${policyDomain}\r\n Submitter: ${submitter}\r\n Report-ID: ${bracketed(report['report-id'])}`,
    `TLS-Report-Domain: ${policyDomain}`,
    `TLS-Report-Submitter: ${submitter}`,
    'TLS-Required: No',
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
  ]
}

/** RFC 8460 §5.3: a msg-id, which ours already is without its brackets. */
function bracketed(reportId: string): string {
  invariant(MESSAGE_ID.test(reportId), 'an id that stands between brackets')
  return `<${reportId}>`
}

function base64Lines(bytes: Uint8Array): readonly string[] {
  return (
    Buffer.from(bytes)
      .toString('base64')
      .match(new RegExp(`.{1,${BASE64_LINE}}`, 'g')) ?? []
  )
}
