/** The metrics of sending reports. A part of `metrics.ts`, which says what counts. Pure. */
import type { ReportSendingEvent } from '@hermetic/reporter'

export const REPORT_SENDING_METRICS = {
  hermetic_tlsrpt_reports_total: {
    type: 'counter',
    help: 'Finished reports by outcome: delivered (at least one target has it), undelivered, not-wanted.',
    labels: ['outcome'],
  },
  hermetic_tlsrpt_submissions_total: {
    type: 'counter',
    help: 'Attempts at targets of reports: submitted, deferred, given-up.',
    labels: ['transport', 'outcome'],
  },
  hermetic_tlsrpt_ignored_targets_total: {
    type: 'counter',
    help: 'URIs of TLSRPT records that are of no use, by reason.',
    labels: ['reason'],
  },
  hermetic_tlsrpt_reduced_reports_total: {
    type: 'counter',
    help: 'Reports that lost details to stay below the size that receivers take.',
  },
  hermetic_tlsrpt_unproven_endpoints_total: {
    type: 'counter',
    help: 'Submissions to endpoints whose certificate did not prove them.',
  },
  hermetic_tlsrpt_record_failures_total: { type: 'counter', help: 'TLSRPT records that could not be looked up.' },
  hermetic_tlsrpt_unfinished_total: { type: 'counter', help: 'Reports that were deleted before they were done.' },
  hermetic_tlsrpt_damaged_reports_total: {
    type: 'counter',
    help: 'Reports that are set aside, because what the store has of them cannot be read.',
  },
  hermetic_tlsrpt_sending_failures_total: { type: 'counter', help: 'Runs of reports that ended early.' },
  hermetic_tlsrpt_key_published: {
    type: 'gauge',
    help: '1 when DNS has the key that signs report mails, 0 when it is missing or wrong.',
  },
} as const

type Names<T extends 'counter' | 'gauge'> = {
  [N in keyof typeof REPORT_SENDING_METRICS]: (typeof REPORT_SENDING_METRICS)[N]['type'] extends T ? N : never
}[keyof typeof REPORT_SENDING_METRICS]

type Named<N extends ReportSendingEvent['event']> = Extract<ReportSendingEvent, { readonly event: N }>

function count(name: Names<'counter'>, labels: Readonly<Record<string, string>> = {}, by = 1) {
  return { kind: 'count', name, by, labels } as const
}

function key(to: 0 | 1) {
  return () => [{ kind: 'set', name: 'hermetic_tlsrpt_key_published', to } as const]
}

function submission(transport: string, outcome: 'submitted' | 'deferred' | 'given-up') {
  return count('hermetic_tlsrpt_submissions_total', { transport, outcome })
}

function doubt(unproven: string | undefined) {
  return unproven === undefined ? [] : [count('hermetic_tlsrpt_unproven_endpoints_total')]
}

const nothing = (): readonly never[] => []

/** By event. */
export const REPORT_SENDING_UPDATES = {
  'tlsrpt-key-missing': key(0),
  'tlsrpt-key-exposed': nothing,
  'tlsrpt-key-checked': key(1),
  'tlsrpt-key-wrong': key(0),
  'tlsrpt-key-unknown': nothing,
  'tlsrpt-day-closed': nothing,
  'tlsrpt-report-made': ({ reduced }: Named<'tlsrpt-report-made'>) =>
    reduced === 'nothing' ? [] : [count('hermetic_tlsrpt_reduced_reports_total')],
  'tlsrpt-report-not-wanted': () => [count('hermetic_tlsrpt_reports_total', { outcome: 'not-wanted' })],
  'tlsrpt-record-lookup-failed': () => [count('hermetic_tlsrpt_record_failures_total')],
  'tlsrpt-target-ignored': ({ reason }: Named<'tlsrpt-target-ignored'>) => [
    count('hermetic_tlsrpt_ignored_targets_total', { reason }),
  ],
  'tlsrpt-report-submitted': ({ transport, unproven }: Named<'tlsrpt-report-submitted'>) => [
    submission(transport, 'submitted'),
    ...doubt(unproven),
  ],
  'tlsrpt-report-deferred': ({ transport, unproven }: Named<'tlsrpt-report-deferred'>) => [
    submission(transport, 'deferred'),
    ...doubt(unproven),
  ],
  'tlsrpt-target-given-up': ({ transport }: Named<'tlsrpt-target-given-up'>) => [submission(transport, 'given-up')],
  'tlsrpt-report-done': ({ outcome }: Named<'tlsrpt-report-done'>) => [
    count('hermetic_tlsrpt_reports_total', { outcome }),
  ],
  'tlsrpt-report-damaged': () => [count('hermetic_tlsrpt_damaged_reports_total')],
  'tlsrpt-claim-lost': nothing,
  'tlsrpt-days-forgotten': ({ unfinished }: Named<'tlsrpt-days-forgotten'>) => [
    count('hermetic_tlsrpt_unfinished_total', {}, unfinished),
  ],
  'tlsrpt-sending-failed': () => [count('hermetic_tlsrpt_sending_failures_total')],
  'tlsrpt-sending-defect': () => [
    { kind: 'count', name: 'hermetic_defects_total', by: 1, labels: { room: 'tlsrpt' } } as const,
  ],
}
