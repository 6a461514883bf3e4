/**
 * What senders want of TLS, as one attempt deals with it (RFC 8689 §4.2): messages that want the same go together, and
 * those with REQUIRETLS have an end of their own. Pure.
 *
 * Each group walks the hosts by itself, for a host that is good enough for one may not be for another.
 */
import { type MessageTls, requireTlsOutcome } from '@hermetic/policy'
import { nullReversePath } from '../smtp/mail-address.ts'
import type { Claim } from '../spool/spool.ts'
import type { ClaimProgress } from './claim-progress.ts'
import type { Destination } from './facts.ts'
import { requireTlsFailures } from './requiretls-problems.ts'

export function wishGroups(claims: readonly Claim[]): readonly (readonly Claim[])[] {
  return [...Map.groupBy(claims, groupOf).entries()].sort(([a], [b]) => ORDER[a] - ORDER[b]).map(([, group]) => group)
}

/** Those without a reverse-path may end up going without the parameter (RFC 8689 §5). */
type Group = 'default' | 'requiretls' | 'requiretls-notification' | 'tls-optional'

const ORDER = {
  default: 0,
  requiretls: 1,
  'requiretls-notification': 2,
  'tls-optional': 3,
} as const satisfies Record<Group, number>

function groupOf({ envelope: { tls, reversePath } }: Claim): Group {
  return tls === 'requiretls' && reversePath === nullReversePath ? 'requiretls-notification' : tls
}

/**
 * A domain that is only observed has hosts also while its policy cannot be had. For REQUIRETLS nothing is only observed:
 * such a message waits, for the policy might refuse the host.
 */
export function destinationFor(message: MessageTls, destination: Destination): Destination {
  if (message !== 'requiretls' || destination.kind === 'nobody') return destination
  const { policy, policyDomain } = destination.facts
  if (policy?.kind !== 'unavailable') return destination
  return { kind: 'nobody', cause: { kind: 'policy-unavailable', policyDomain, because: policy.because } }
}

/** What is to be done with REQUIRETLS messages that no host took. */
export interface RequireTlsLeft {
  /** Once more over the hosts, without the parameter (RTLS-43). */
  readonly withoutParameter: readonly ClaimProgress[]
  /** Once more, when it was asked for another policy: this one would give them up (RTLS-31, STS-101). */
  readonly policyFirst: readonly ClaimProgress[]
}

export function requireTlsLeft(left: readonly ClaimProgress[]): RequireTlsLeft {
  const ends = Map.groupBy(left, (progress) => {
    const reversePath = progress.claim.envelope.reversePath === nullReversePath ? 'null' : 'address'
    const outcome = requireTlsOutcome(requireTlsFailures(progress.problems), { reversePath })
    return outcome.kind === 'bounce' && outcome.policyFirst ? 'policy-first' : outcome.kind
  })
  return { withoutParameter: ends.get('without-parameter') ?? [], policyFirst: ends.get('policy-first') ?? [] }
}
