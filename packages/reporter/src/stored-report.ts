/**
 * The bytes of a report: made once from the day's sum, kept, and read again for every attempt (RPT-102). What has been
 * made decides what is sent: who reports may have changed in between. Pure.
 */
import { gunzipSync } from 'node:zlib'
import { type DomainName, err, invariant, ok, parseDomainName, type Result } from '@hermetic/policy'
import type { RenderedReport, ReportClaim } from './ports/result-store.ts'
import { type Reporter, renderReport, type TlsReport, tlsReport } from './report.ts'
import { reportFileName, reportIdFor } from './report-name.ts'
import { type ReportFinding, reportFindings } from './report-schema.ts'
import { type SizedReport, sizedReport } from './report-size.ts'
import type { UtcDay } from './utc-day.ts'

/** One report, ready to be sent to any number of targets. */
export interface StoredReport {
  readonly policyDomain: DomainName
  readonly day: UtcDay
  readonly submitter: DomainName
  readonly report: TlsReport
  readonly rendered: RenderedReport
  readonly fileName: string
}

export interface Rendering {
  readonly reporter: Reporter
  readonly storeId: string
  /** UTC milliseconds. */
  readonly now: number
}

export interface RenderedNow {
  readonly rendered: RenderedReport
  readonly reduced: SizedReport['reduced']
}

/** An error is a defect of ours: such a report must not leave. */
export function renderClaim(
  { policyDomain, day, tally }: Pick<ReportClaim, 'policyDomain' | 'day' | 'tally'>,
  { reporter, storeId, now }: Rendering,
): Result<RenderedNow, ReportFinding> {
  const reportId = reportIdFor({ submitter: submitterOf(reporter.contactInfo), policyDomain, day, storeId })
  const { compressed, reduced } = sizedReport(tally, (smaller) =>
    renderReport(tlsReport(reporter, { policyDomain, day, reportId }, smaller)),
  )
  const [finding] = reportFindings(readStored(compressed))
  return finding === undefined ? ok({ rendered: { reportId, compressed, madeAt: now }, reduced }) : err(finding)
}

export function storedReport(
  { policyDomain, day }: Pick<ReportClaim, 'policyDomain' | 'day'>,
  rendered: RenderedReport,
  storeId: string,
): StoredReport {
  const report = readStored(rendered.compressed)
  const submitter = submitterOf(report['contact-info'])
  const fileName = reportFileName({ submitter, policyDomain, day, storeId }, 'json.gz')
  return { policyDomain, day, submitter, report, rendered, fileName }
}

/** The domain of `contact-info`, which the configuration has checked to be one (RPT-84). */
export function submitterOf(contactInfo: string): DomainName {
  const domain = parseDomainName(contactInfo.slice(contactInfo.lastIndexOf('@') + 1))
  invariant(domain.ok, 'contact-info is an address at a domain')
  return domain.value
}

function readStored(compressed: Uint8Array): TlsReport {
  // Written by `renderReport`, here or in an earlier life of this store.
  return JSON.parse(gunzipSync(compressed).toString()) as TlsReport
}
