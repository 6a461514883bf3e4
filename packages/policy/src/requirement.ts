/**
 * What TLS must prove before a message may cross to one host: the set of proofs demanded.
 *
 * The whole decision is the table below; every cell is a tested rule. Today only local policy demands something
 * (RFC 3207 §6, TLS-01): smarthosts that get credentials want PKIX (RFC 4954 §14), everything else is opportunistic
 * (RFC 7435). This file knows neither DNS nor time. Pure.
 */
export interface Requirement {
  readonly kind: 'prove'
  /** A chain to a root that we believe, and the name of the host in the certificate. */
  readonly pkix: boolean
  readonly floor: Floor
}

/** What the channel must be at least when no proof fails. */
export type Floor = 'encrypted' | 'opportunistic'

/** What the operator, or the use of credentials, demands of one destination. */
export type LocalDemand = 'nothing' | 'encrypted' | 'pkix'

const DEMANDS = {
  nothing: { kind: 'prove', pkix: false, floor: 'opportunistic' },
  encrypted: { kind: 'prove', pkix: false, floor: 'encrypted' },
  pkix: { kind: 'prove', pkix: true, floor: 'encrypted' },
} as const satisfies Record<LocalDemand, Requirement>

export function tlsRequirement(demand: LocalDemand): Requirement {
  return DEMANDS[demand]
}
