/** The metrics of quotas, certificates and reloads. A part of `metrics.ts`, which checks that it is complete. Pure. */
import type { SubmissionEvent } from '../submission/events.ts'

type Shown = Extract<SubmissionEvent, { readonly event: 'certificate-shown' }>
type Exhausted = Extract<SubmissionEvent, { readonly event: 'quota-exhausted' }>

export const SUBMISSION_METRICS = {
  hermetic_quota_exhausted_total: {
    type: 'counter',
    help: 'Messages answered 450 because a login or a network sends more than its quota.',
    labels: ['of', 'counts'],
  },
  hermetic_listener_certificate_end_seconds: {
    type: 'gauge',
    help: 'When the certificate of a listener ends, in seconds since 1970.',
    labels: ['listener'],
  },
  hermetic_config_reloads_total: {
    type: 'counter',
    help: 'Times that the configuration was read again while the relay ran: reloaded, refused.',
    labels: ['result'],
  },
} as const

const nothing = (): readonly never[] => []

function reloaded(result: 'reloaded' | 'refused') {
  return () => [{ kind: 'count', name: 'hermetic_config_reloads_total', by: 1, labels: { result } } as const]
}

/** By event. */
export const SUBMISSION_UPDATES = {
  'quota-exhausted': ({ of, counts }: Exhausted) => [
    { kind: 'count', name: 'hermetic_quota_exhausted_total', by: 1, labels: { of, counts } } as const,
  ],
  'certificate-shown': ({ listener, endsAt }: Shown) => {
    const to = endsAt / 1000
    return [{ kind: 'set', name: 'hermetic_listener_certificate_end_seconds', to, labels: { listener } } as const]
  },
  'certificate-ending': nothing,
  'config-reloaded': reloaded('reloaded'),
  'config-refused': reloaded('refused'),
} as const
