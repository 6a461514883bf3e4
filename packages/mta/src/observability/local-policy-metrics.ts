/** The metrics of the operator's own policies, and what counts. A part of `metrics.ts`, which checks that it is complete. Pure. */
import type { Verdict } from '@hermetic/policy'
import type { OverrideCounts } from '../local-policy/events.ts'

export const LOCAL_POLICY_METRICS = {
  hermetic_overrides_required: { type: 'gauge', help: 'Overrides that demand more than a domain publishes.' },
  hermetic_overrides_observed: { type: 'gauge', help: 'Overrides for domains whose policies are only observed.' },
  hermetic_overrides_waived: { type: 'gauge', help: 'Waivers of published policies that are in force.' },
  hermetic_overrides_expired: { type: 'gauge', help: 'Waivers that have ended and are still in the configuration.' },
  hermetic_waivers_expired_total: { type: 'counter', help: 'Times that a waiver was found to have ended.' },
  hermetic_waivers_expiring_total: { type: 'counter', help: 'Warnings that a waiver ends within a week.' },
  hermetic_would_have_refused_total: {
    type: 'counter',
    help: 'Deliveries under policies that are only observed, to hosts that enforcing would have refused, by the first reason.',
    labels: ['reason'],
  },
  hermetic_preload_domains: { type: 'gauge', help: 'Domains of the preload list in force; 0 when it is over.' },
  hermetic_preload_expires_timestamp_seconds: {
    type: 'gauge',
    help: 'When the preload list ends, in seconds since 1970; NaN when it does not say.',
  },
  hermetic_preload_failures_total: { type: 'counter', help: 'Changed preload lists that could not be used.' },
} as const

const counted = (name: Counter) => () => [{ kind: 'count', name, by: 1, labels: {} } as const]
const nothing = (): readonly never[] => []

type Counter = {
  [N in keyof typeof LOCAL_POLICY_METRICS]: (typeof LOCAL_POLICY_METRICS)[N]['type'] extends 'counter' ? N : never
}[keyof typeof LOCAL_POLICY_METRICS]

/** By event. */
export const LOCAL_POLICY_UPDATES = {
  'overrides-in-force': ({ required, observed, waived, expired }: OverrideCounts) => [
    { kind: 'set', name: 'hermetic_overrides_required', to: required } as const,
    { kind: 'set', name: 'hermetic_overrides_observed', to: observed } as const,
    { kind: 'set', name: 'hermetic_overrides_waived', to: waived } as const,
    { kind: 'set', name: 'hermetic_overrides_expired', to: expired } as const,
  ],
  'policies-only-observed': nothing,
  'policy-waived': nothing,
  'policy-waiver-expiring': counted('hermetic_waivers_expiring_total'),
  'policy-waiver-expired': counted('hermetic_waivers_expired_total'),
  'preload-list-loaded': ({
    domains,
    expiresAt = Number.NaN,
  }: {
    readonly domains: number
    readonly expiresAt?: number
  }) => [
    { kind: 'set', name: 'hermetic_preload_domains', to: domains } as const,
    { kind: 'set', name: 'hermetic_preload_expires_timestamp_seconds', to: expiresAt / 1000 } as const,
  ],
  'preload-list-unusable': counted('hermetic_preload_failures_total'),
  'preload-list-expiring': nothing,
  'preload-list-expired': () => [{ kind: 'set', name: 'hermetic_preload_domains', to: 0 } as const],
}

/** Of a delivery. */
export function wouldHaveRefused(verdict: Verdict) {
  if (verdict.kind !== 'proven' || verdict.wouldHaveRefused === undefined) return []
  const [{ kind: reason }] = verdict.wouldHaveRefused
  return [{ kind: 'count', name: 'hermetic_would_have_refused_total', by: 1, labels: { reason } } as const]
}
