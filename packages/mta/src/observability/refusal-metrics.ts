/** The metrics of hosts that TLS policies refused. A part of `metrics.ts`, which says when they count. Pure. */
import type { DeliveryCause } from '../delivery/outcome.ts'

export const REFUSAL_METRICS = {
  hermetic_policy_refusals_total: {
    type: 'counter',
    help: 'Hosts that got no mail because of a TLS policy, by whose policy (dane, mta-sts, dane+mta-sts, local: of the operator or the sender) and the first reason.',
    labels: ['policy', 'reason'],
  },
  hermetic_policy_refused_domains: {
    type: 'gauge',
    help: 'Next hops of which the last attempt of this relay, at most four hours ago, was refused by a TLS policy.',
  },
} as const

/** Details and further reasons follow the first word. */
const FIRST_WORD = /^[a-z]+(?:-[a-z]+)*/

export function policyRefusal(cause: DeliveryCause) {
  if (cause.kind !== 'tls-policy') return []
  const [reason = 'unknown'] = FIRST_WORD.exec(cause.reason) ?? []
  const labels = { policy: cause.mechanism ?? 'local', reason }
  return [{ kind: 'count', name: 'hermetic_policy_refusals_total', by: 1, labels } as const]
}
