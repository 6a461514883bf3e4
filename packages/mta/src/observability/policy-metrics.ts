/** The metrics of DNS and of the policies of destinations. A part of `metrics.ts`, which says what counts. Pure. */
import { assertNever, type EffectiveMode, type SessionResult } from '@hermetic/policy'

export const POLICY_METRICS = {
  hermetic_dns_failures_total: {
    type: 'counter',
    help: 'Questions that one name server failed; another may have answered.',
    labels: ['reason'],
  },
  hermetic_dns_ignored_total: { type: 'counter', help: 'DNS messages that belonged to no question.' },
  hermetic_dnssec_validating: {
    type: 'gauge',
    help: '1 while DNSSEC is validated, 0 while it is not: then DANE is off, or mail waits (hermetic_dnssec_lost).',
  },
  hermetic_dnssec_lost: { type: 'gauge', help: '1 while DANE is on and nobody validates: mail waits.' },
  hermetic_dnssec_losses_total: {
    type: 'counter',
    help: 'Times that validation was lost, by what became of deliveries: tried, held.',
    labels: ['delivery'],
  },
  hermetic_unbound_starts_total: { type: 'counter', help: 'Starts of the private unbound.' },
  hermetic_unbound_failures_total: {
    type: 'counter',
    help: 'Times that the private unbound ended or could not be started.',
    labels: ['problem'],
  },

  hermetic_sts_fetches_total: {
    type: 'counter',
    help: 'Fetches of MTA-STS policies, by what they were for and how they ended.',
    labels: ['occasion', 'outcome'],
  },
  hermetic_sts_sessions_total: {
    type: 'counter',
    help: 'Sessions under an MTA-STS policy, by its mode and what they proved; sts-mx-mismatch: a host that it does not name.',
    labels: ['mode', 'result'],
  },
  hermetic_sts_unobtainable_total: {
    type: 'counter',
    help: 'Announced MTA-STS policies that could not be had while none was cached.',
    labels: ['result_type'],
  },
  hermetic_sts_record_failures_total: {
    type: 'counter',
    help: 'MTA-STS records that DNS could not give while no policy was cached.',
  },
  hermetic_sts_not_renewed_total: {
    type: 'counter',
    help: 'Cached MTA-STS policies whose successor or renewal could not be fetched.',
    labels: ['mode', 'result_type'],
  },
  hermetic_sts_alarms_total: {
    type: 'counter',
    help: 'Warnings that MTA-STS protection gets weaker: refresh, expiring, expired, record, weakened, cache-damaged, cache-lost, cache-rebuilt, file-gone.',
    labels: ['alarm'],
  },
  hermetic_sts_policies: {
    type: 'gauge',
    help: 'Cached MTA-STS policies that have not expired.',
    labels: ['mode'],
  },
  hermetic_sts_policies_stale: {
    type: 'gauge',
    help: 'Of those, how many could not be refreshed for more than a day.',
    labels: ['mode'],
  },
  hermetic_sts_policy_oldest_seconds: {
    type: 'gauge',
    help: 'Age of the cached MTA-STS policy that was fetched longest ago.',
    labels: ['mode'],
  },
  hermetic_sts_policy_expires_seconds: {
    type: 'gauge',
    help: 'Time until the first of the cached MTA-STS policies expires, unless it is refreshed.',
    labels: ['mode'],
  },
  hermetic_sts_cache_readable: {
    type: 'gauge',
    help: '1 while the cache of MTA-STS policies can be read; NaN while MTA-STS is off.',
  },
  hermetic_sts_purged_total: { type: 'counter', help: 'Cached MTA-STS policies that an operator threw away.' },
  hermetic_sts_cache_failures_total: {
    type: 'counter',
    help: 'Times that the cache of MTA-STS policies did not work.',
    labels: ['operation'],
  },

  hermetic_dane_lookups_total: {
    type: 'counter',
    help: 'What DNS said of DANE for hosts: usable or unusable TLSA records, why there are none, or which lookup failed.',
    labels: ['result'],
  },
  hermetic_dane_sessions_total: {
    type: 'counter',
    help: 'Sessions and skipped hosts under TLSA records, by what a report says of them; tlsa-invalid: no record was usable.',
    labels: ['result'],
  },
  hermetic_dane_alarms_total: {
    type: 'counter',
    help: 'Warnings that a host lost the protection of DANE: tlsa-vanished, tlsa-unusable, zone-unsigned, mx-unsigned, validation-lost.',
    labels: ['alarm'],
  },
  hermetic_dane_memory_failures_total: {
    type: 'counter',
    help: 'Times that the memory of what DANE protected did not work.',
  },
} as const

/** What one session counts for: those of a policy of the domain, and those under TLSA records of the host. */
export function sessionCount(mode: EffectiveMode | undefined, session: SessionResult) {
  const result = sessionOutcome(session)
  switch (session.policyType) {
    case 'tlsa':
      return { name: 'hermetic_dane_sessions_total', labels: { result } } as const
    case 'sts':
      return mode && ({ name: 'hermetic_sts_sessions_total', labels: { mode, result } } as const)
    case 'no-policy-found':
      return undefined
    default:
      return assertNever(session)
  }
}

/** The first detail speaks: a host that the policy does not name is told as that, whatever else is wrong. */
function sessionOutcome({ outcome }: SessionResult): string {
  if (outcome.kind === 'success') return 'success'
  const [{ resultType, failureReasonCode }] = outcome.details
  return failureReasonCode === 'sts-mx-mismatch' ? failureReasonCode : resultType
}

export function dnssecGauges({ validating, lost }: { readonly validating: number; readonly lost: number }) {
  return [
    { kind: 'set', name: 'hermetic_dnssec_validating', to: validating },
    { kind: 'set', name: 'hermetic_dnssec_lost', to: lost },
  ] as const
}
