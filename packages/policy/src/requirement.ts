/**
 * What TLS must prove before a message may cross to one candidate host: the set of proofs demanded (RFC 8461 §4, §5).
 *
 * The whole decision is the two tables below; every cell is a tested rule. Local policy comes from the operator or
 * from the use of credentials (RFC 3207 §6, RFC 4954 §14); everything that nobody demands is opportunistic (RFC 7435).
 * What is known of the policy, and whether the peer proved it, is decided elsewhere. Pure.
 */
import type { DomainName } from './domain-name.ts'
import { matchesMx, mxPatternText } from './mta-sts/mx-match.ts'
import type { StsMode, StsPolicy } from './mta-sts/policy-file.ts'

export type Requirement = ProofRequirement | Unreachable

export interface ProofRequirement {
  readonly kind: 'prove'
  /** A chain to a root that we believe, and the name of the host in the certificate. */
  readonly pkix: boolean
  readonly floor: Floor
  /** Present while the domain has a policy: in `testing` it is evaluated and demands nothing (RFC 8461 §5). */
  readonly sts?: StsAssessment
}

/** Treated as if it did not answer: no connection is made (RFC 8461 §8.4). */
export interface Unreachable {
  readonly kind: 'unreachable'
  readonly because: 'sts-mx-mismatch'
  readonly sts: StsAssessment
}

/** One host in the eyes of the MTA-STS policy of the domain. */
export interface StsAssessment {
  readonly mode: EffectiveMode
  /** Of the policy, so that a connection is not reused under another one. */
  readonly id: string
  /** The pattern that means this host; undefined: the policy does not name it. */
  readonly matched: string | undefined
}

/** `none` is no policy. */
export type EffectiveMode = Exclude<StsMode, 'none'>

/** What the channel must be at least when no proof fails. */
export type Floor = 'encrypted' | 'opportunistic'

/** What the operator, or the use of credentials, demands of one destination. */
export type LocalDemand = 'nothing' | 'encrypted' | 'pkix'

export interface RequirementFacts {
  readonly local: LocalDemand
  /** The unexpired policy of the next-hop domain; undefined: none, or none that could be had. */
  readonly sts?: PolicyInForce | undefined
  /** As published in the MX record; undefined when the host is known by address only. */
  readonly mxHostname?: DomainName | undefined
}

export interface PolicyInForce {
  readonly mode: EffectiveMode
  readonly id: string
  readonly policy: Pick<StsPolicy, 'mx'>
}

type Demand = Pick<ProofRequirement, 'pkix' | 'floor'>

const DEMANDS = {
  nothing: { pkix: false, floor: 'opportunistic' },
  encrypted: { pkix: false, floor: 'encrypted' },
  pkix: { pkix: true, floor: 'encrypted' },
} as const satisfies Record<LocalDemand, Demand>

/** By the mode of the policy, and whether it names the host. */
const STS_DEMANDS = {
  enforce: { named: { pkix: true, floor: 'encrypted' }, unnamed: 'unreachable' },
  testing: { named: DEMANDS.nothing, unnamed: DEMANDS.nothing },
} as const satisfies Record<EffectiveMode, Record<'named' | 'unnamed', Demand | 'unreachable'>>

export function tlsRequirement({ local, sts, mxHostname }: RequirementFacts): Requirement {
  const ours = DEMANDS[local]
  // RFC 8461 §3.1 is about domains: an address has no policy (STS-04).
  if (sts === undefined || mxHostname === undefined) return { kind: 'prove', ...ours }
  const pattern = matchesMx(mxHostname, sts.policy.mx)
  const assessment = { mode: sts.mode, id: sts.id, matched: pattern && mxPatternText(pattern) }
  const theirs = STS_DEMANDS[sts.mode][pattern === undefined ? 'unnamed' : 'named']
  if (theirs === 'unreachable') return { kind: 'unreachable', because: 'sts-mx-mismatch', sts: assessment }
  return { kind: 'prove', ...both(ours, theirs), sts: assessment }
}

/** Each may only add to the other. */
function both(one: Demand, other: Demand): Demand {
  const floor = one.floor === 'encrypted' ? one.floor : other.floor
  return { pkix: one.pkix || other.pkix, floor }
}
