/** What operators may see and order of daily reports: the relay's own, or the store's when no relay runs. */
import type { DomainName } from '@hermetic/policy'
import {
  type PolicyEntry,
  type PreviewOptions,
  type PreviewPage,
  previewReports,
  type ReportPage,
  type ReportSender,
  type ReportState,
  type ResultStore,
  type RunSummary,
  reportedPolicies,
  type UtcDay,
} from '@hermetic/reporter'

export interface ReportAdmin {
  days(): Promise<readonly UtcDay[]>
  reports(day: UtcDay, page: ReportPage): Promise<readonly ReportState[]>
  preview(day: UtcDay, page: ReportPage): Promise<PreviewPage>
  /** What was counted of a domain on a day, as a report would tell it; undefined: nothing. */
  sums(policyDomain: DomainName, day: UtcDay): Promise<readonly PolicyEntry[] | undefined>
  /** A long one goes on in the relay. */
  run(order: RunOrder): Promise<RunAnswer>
}

export interface RunOrder {
  readonly day?: UtcDay | undefined
  readonly urgent: boolean
}

export type RunAnswer = { readonly kind: 'done'; readonly summary: RunSummary } | { readonly kind: 'goes-on' }

/** The command line waits longer for an answer than this. */
const RUN_AWAITED_MS = 60_000

export interface ReportAdminOptions extends PreviewOptions {
  readonly store: Pick<ResultStore, 'days' | 'reports' | 'tally' | 'storeId'>
  readonly sender: Pick<ReportSender, 'run'>
}

export function createReportAdmin({ sender, ...options }: ReportAdminOptions): ReportAdmin {
  return {
    days: () => options.store.days(),
    reports: (day, page) => options.store.reports(day, page),
    preview: (day, page) => previewReports(options, { day, ...page }),
    sums: async (policyDomain, day) => {
      const tally = await options.store.tally(policyDomain, day)
      return tally && reportedPolicies(policyDomain, tally)
    },
    run: (order) => awaited(sender.run(order)),
  }
}

async function awaited(run: Promise<RunSummary>): Promise<RunAnswer> {
  const { promise: patience, resolve } = Promise.withResolvers<RunAnswer>()
  const timer = setTimeout(() => resolve({ kind: 'goes-on' }), RUN_AWAITED_MS)
  const done = run.then((summary): RunAnswer => ({ kind: 'done', summary }))
  // Its failure is then told by the next run of the relay.
  done.catch(() => undefined)
  try {
    return await Promise.race([done, patience])
  } finally {
    clearTimeout(timer)
  }
}
