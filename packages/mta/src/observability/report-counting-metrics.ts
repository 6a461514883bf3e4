/** The metrics of counting sessions for reports. A part of `metrics.ts`, which says what counts. Pure. */
import type { ReportCountingEvent } from '@hermetic/reporter'

export const REPORT_COUNTING_METRICS = {
  hermetic_tlsrpt_sessions_total: {
    type: 'counter',
    help: 'Sessions counted for reports, by the type of the policy and their result; one with two failures counts for both.',
    labels: ['policy_type', 'result'],
  },
  hermetic_tlsrpt_merged_failures_total: {
    type: 'counter',
    help: 'Failures that reports tell apart by their type only, because a domain had too many kinds of them.',
  },
  hermetic_tlsrpt_lost_results_total: {
    type: 'counter',
    help: 'Results that are in no report: late, no-room, stopped, damaged.',
    labels: ['because'],
  },
  hermetic_tlsrpt_lost_seconds_total: {
    type: 'counter',
    help: 'Starts after a stop that was not in order: results of the last second before may be in no report.',
  },
  hermetic_tlsrpt_store_failures_total: {
    type: 'counter',
    help: 'Times that the store of results began not to answer.',
  },
} as const

type Named<N extends ReportCountingEvent['event']> = Extract<ReportCountingEvent, { readonly event: N }>

function count(name: keyof typeof REPORT_COUNTING_METRICS, by: number, labels: Readonly<Record<string, string>> = {}) {
  return { kind: 'count', name, by, labels } as const
}

/** By event. */
export const REPORT_COUNTING_UPDATES = {
  'tlsrpt-results-stored': ({ counts, merged }: Named<'tlsrpt-results-stored'>) => [
    ...counts.map(({ policyType, result, sessions }) =>
      count('hermetic_tlsrpt_sessions_total', sessions, { policy_type: policyType, result }),
    ),
    ...(merged > 0 ? [count('hermetic_tlsrpt_merged_failures_total', merged)] : []),
  ],
  'tlsrpt-results-late': ({ sessions }: Named<'tlsrpt-results-late'>) => [
    count('hermetic_tlsrpt_lost_results_total', sessions, { because: 'late' }),
  ],
  'tlsrpt-results-lost': ({ sessions, because }: Named<'tlsrpt-results-lost'>) => [
    count('hermetic_tlsrpt_lost_results_total', sessions, { because }),
  ],
  'tlsrpt-store-failed': () => [count('hermetic_tlsrpt_store_failures_total', 1)],
  'tlsrpt-store-recovered': () => [],
  'tlsrpt-second-lost': () => [count('hermetic_tlsrpt_lost_seconds_total', 1)],
  'tlsrpt-mark-failed': () => [],
  'tlsrpt-counting-defect': () => [
    { kind: 'count', name: 'hermetic_defects_total', by: 1, labels: { room: 'tlsrpt' } } as const,
  ],
}
