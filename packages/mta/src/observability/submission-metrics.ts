/** The metrics of quotas at submission. A part of `metrics.ts`, which checks that it is complete. Pure. */
import type { SubmissionEvent } from '../submission/events.ts'

type Exhausted = Extract<SubmissionEvent, { readonly event: 'quota-exhausted' }>

export const SUBMISSION_METRICS = {
  hermetic_quota_exhausted_total: {
    type: 'counter',
    help: 'Messages answered 450 because a login or a network sends more than its quota.',
    labels: ['of', 'counts'],
  },
} as const

/** By event. */
export const SUBMISSION_UPDATES = {
  'quota-exhausted': ({ of, counts }: Exhausted) => [
    { kind: 'count', name: 'hermetic_quota_exhausted_total', by: 1, labels: { of, counts } } as const,
  ],
} as const
