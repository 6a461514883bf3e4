/**
 * What a run would do, without doing it: the record as it is now, the targets, the size of the report. Nothing is stored
 * and nothing sent. Rejects with `ResultStoreUnavailable`.
 */
import { type DnsResolver, type DomainName, err, ok, type Result } from '@hermetic/policy'
import type { ReportState, ResultStore, TargetState } from './ports/result-store.ts'
import { lookUpTlsrptRecord } from './record-lookup.ts'
import type { Reporter } from './report.ts'
import { renderClaim } from './stored-report.ts'
import { tallyTotals } from './tally.ts'
import { withPublished } from './target-state.ts'
import type { UtcDay } from './utc-day.ts'

export interface ReportPreview {
  readonly policyDomain: DomainName
  readonly day: UtcDay
  /** UTC milliseconds; undefined: the day is not closed yet. */
  readonly dueAt: number | undefined
  readonly successfulSessions: number
  readonly failedSessions: number
  /** Of the compressed report; undefined when our own schema refuses it. */
  readonly octets: number | undefined
  /** Or why nothing would be sent. */
  readonly targets: Result<readonly TargetState[], string>
  readonly ignored: readonly { readonly uri: string; readonly reason: string }[]
}

export interface PreviewOptions {
  readonly store: Pick<ResultStore, 'reports' | 'tally' | 'storeId'>
  readonly resolver: Pick<DnsResolver, 'txt'>
  readonly reporter: Reporter
  /** UTC milliseconds. */
  readonly now: () => number
}

/** Of one page of a day: reports that are not done; `next` continues. */
export interface PreviewPage {
  readonly previews: readonly ReportPreview[]
  readonly next: DomainName | undefined
}

export async function previewReports(
  options: PreviewOptions,
  { day, ...page }: { readonly day: UtcDay; readonly limit: number; readonly after?: DomainName | undefined },
): Promise<PreviewPage> {
  const reports = await options.store.reports(day, page)
  const storeId = await options.store.storeId()
  const previews = await Promise.all(
    reports.filter(({ done }) => !done).map((report) => preview(report, { ...options, storeId })),
  )
  return {
    previews: previews.filter((one) => one !== undefined),
    next: reports.length < page.limit ? undefined : reports.at(-1)?.policyDomain,
  }
}

async function preview(
  report: ReportState,
  { store, storeId, resolver, reporter, now }: PreviewOptions & { readonly storeId: string },
): Promise<ReportPreview | undefined> {
  const { policyDomain, day, dueAt } = report
  const tally = await store.tally(policyDomain, day)
  if (tally === undefined) return undefined
  const made = renderClaim({ policyDomain, day, tally }, { reporter, storeId, now: now() })
  const octets = made.ok ? made.value.rendered.compressed.length : undefined
  const about = { policyDomain, day, dueAt, ...tallyTotals(tally), octets }
  const found = await lookUpTlsrptRecord(resolver, policyDomain, { afresh: true })
  if (found.kind === 'failure') return { ...about, targets: err(`dns-${found.reason.kind}`), ignored: [] }
  if (found.kind === 'none') return { ...about, targets: err(found.because), ignored: [] }
  const targets = withPublished(report.targets, found.record.targets)
  const ignored = found.record.ignored.map(({ uri, error }) => ({ uri, reason: error.kind }))
  return { ...about, targets: targets.length === 0 ? err('no-usable-target') : ok(targets), ignored }
}
