/**
 * What TLS must prove before a message may cross to one candidate host: the set of proofs demanded.
 *
 * Each fact demands by its own right and all demands must hold (D-1): the MTA-STS policy of the domain (RFC 8461 §5),
 * TLSA records of the host (RFC 7672 §2.2), the sender (RFC 8689), the operator or the use of credentials (RFC 3207 §6,
 * RFC 4954 §14). What nobody demands is opportunistic (RFC 7435). The cells are in `requirement-tables.ts`; how the
 * facts were found, and whether a peer proves what is demanded, is decided elsewhere. Pure.
 */

import type { DaneFacts, DaneFailure, NoDaneBecause } from './dane/facts.ts'
import type { HostOrigin } from './dane/reference-names.ts'
import type { DomainName } from './domain-name.ts'
import { matchesMx, mxPatternText } from './mta-sts/mx-match.ts'
import type { StsPolicy } from './mta-sts/policy-file.ts'
import type { Mechanism, OverridesInForce } from './override.ts'
import { type DaneAssessment, daneAssessment, daneState } from './requirement-dane.ts'
import {
  type Cell,
  DANE_DEMANDS,
  type Demands,
  type EffectiveMode,
  type Enforcement,
  FORCE,
  type HostDemand,
  LOCAL_DEMANDS,
  type MessageTls,
  NOTHING,
  PROVEN_HOST_DEMANDS,
  REQUIRETLS_DEMANDS,
  type Refusal,
  STS_DEMANDS,
} from './requirement-tables.ts'
import { assertNever, invariant } from './result.ts'

export type {
  Demands,
  EffectiveMode,
  Enforcement,
  Floor,
  HostDemand,
  LocalDemand,
  MessageTls,
} from './requirement-tables.ts'

export type Requirement = ProofRequirement | Unreachable

export interface ProofRequirement extends Demands {
  readonly kind: 'prove'
  /** Present while the domain has a policy: in `testing` it is evaluated and demands nothing (RFC 8461 §5). */
  readonly sts?: StsAssessment
  /** Present while the host has a secure TLSA RRset: what a peer is compared with, and its base domain. */
  readonly dane?: DaneAssessment
  /** Absent: nothing in particular. */
  readonly message?: Exclude<MessageTls, 'default'>
  /** What the policies above demand, when they are evaluated and refuse nothing. */
  readonly observed?: ObservedDemands
  /** Policies that an operator has waived: they were found, and nothing came of them. */
  readonly waived?: readonly Mechanism[]
}

export interface ObservedDemands extends Demands {
  /** Why the host would not even have been contacted. */
  readonly unreachable: readonly UnreachableReason[]
}

/** Treated as if it did not answer: no connection is made (RFC 8461 §8.4, RFC 7672 §2.1.2). */
export interface Unreachable {
  readonly kind: 'unreachable'
  readonly reasons: readonly [UnreachableReason, ...UnreachableReason[]]
  readonly message?: Exclude<MessageTls, 'default'>
}

export type UnreachableReason =
  | { readonly kind: 'sts-mx-mismatch'; readonly sts: StsAssessment }
  | { readonly kind: 'tlsa-lookup-failed'; readonly failure: DaneFailure }
  /** The operator demands DANE, and the host or the way to it has none; `insecure-mx`: there are TLSA records. */
  | { readonly kind: 'dane-required'; readonly host: DomainName | undefined; readonly because: NoDaneBecause }
  /** The operator demands DANE, and no TLSA record of the host can be used. */
  | { readonly kind: 'tlsa-invalid'; readonly dane: DaneAssessment }
  /** Nothing says that the host is one of the domain; `uncertain`: a policy that would could not be had now. */
  | { readonly kind: 'requiretls-name-unproven'; readonly uncertain: boolean }

/** One host in the eyes of the MTA-STS policy of the domain. */
export interface StsAssessment {
  readonly mode: EffectiveMode
  /** Of the policy, so that a connection is not reused under another one. */
  readonly id: string
  /** The pattern that means this host; undefined: the policy does not name it. */
  readonly matched: string | undefined
  /** Not the domain's own word, but that of a list of the operator. */
  readonly preloaded?: true
}

export interface RequirementFacts {
  /** By a route or its credentials. */
  readonly local: HostDemand
  /** The unexpired policy of the next-hop domain; undefined: none, or none that could be had. */
  readonly sts?: PolicyInForce | undefined
  /** No policy is in force because DNS or the policy host did not answer well. */
  readonly stsUncertain?: boolean
  /** As published in the MX record; undefined when the host is known by address only. */
  readonly mxHostname?: DomainName | undefined
  /** Undefined: nobody asked. */
  readonly dane?: DaneFacts | undefined
  /** How we came to the host; undefined: in no way that proves anything. */
  readonly origin?: HostOrigin | undefined
  readonly message?: MessageTls | undefined
  readonly overrides?: Pick<OverridesInForce, 'required' | 'waived'> | undefined
  /** Of hosts of a route nothing is only observed, whatever is set. */
  readonly enforcement?: Enforcement | undefined
}

export interface PolicyInForce {
  readonly mode: EffectiveMode
  readonly id: string
  readonly policy: Pick<StsPolicy, 'mx'>
  readonly preloaded?: true
}

/** What some facts demand together: proofs, and reasons not to contact the host. */
interface Claim {
  readonly demands: Demands
  readonly reasons: readonly UnreachableReason[]
}

export function tlsRequirement(facts: RequirementFacts): Requirement {
  const waived = waivedMechanisms(facts)
  const sts = waived.includes('mta-sts') ? undefined : stsAssessment(facts)
  const dane = waived.includes('dane') ? undefined : facts.dane
  const ours = claim([...localCells(facts, dane), ...senderCells(facts, dane)], { facts, sts })
  const published = claim([...stsCells(sts), DANE_DEMANDS[daneState(dane)].published], { facts, sts })
  const force = forceOf(facts)
  const { demands, reasons } = force === 'enforced' ? both(ours, published) : ours
  const message = facts.message === undefined || facts.message === 'default' ? {} : { message: facts.message }
  const [first, ...more] = reasons
  if (first !== undefined) return { kind: 'unreachable', reasons: [first, ...more], ...message }
  return {
    kind: 'prove',
    ...demands,
    ...(sts === undefined ? {} : { sts }),
    ...(dane?.kind === 'tlsa' ? { dane: daneAssessment(dane) } : {}),
    ...message,
    ...(force === 'observed' ? { observed: { ...published.demands, unreachable: published.reasons } } : {}),
    ...(waived.length === 0 ? {} : { waived }),
  }
}

/** Authenticated routes are not towards MX hosts: what they demand is always enforced. */
function forceOf({ message = 'default', enforcement = 'enforce', origin }: RequirementFacts) {
  return FORCE[message][origin?.kind === 'route' ? 'enforce' : enforcement]
}

/** Of the mechanisms that an operator has waived, those that would have had something to say. */
function waivedMechanisms({ overrides, sts, dane }: RequirementFacts): readonly Mechanism[] {
  const says = { 'mta-sts': sts !== undefined, dane: dane !== undefined && dane.kind !== 'none' }
  return overrides?.waived.filter((mechanism) => says[mechanism]) ?? []
}

/** RFC 8461 §3.1 is about domains: an address has no policy (STS-04). */
function stsAssessment({ sts, mxHostname }: RequirementFacts): StsAssessment | undefined {
  if (sts === undefined || mxHostname === undefined) return undefined
  const pattern = matchesMx(mxHostname, sts.policy.mx)
  const preloaded = sts.preloaded === undefined ? {} : { preloaded: sts.preloaded }
  return { mode: sts.mode, id: sts.id, matched: pattern && mxPatternText(pattern), ...preloaded }
}

function stsCells(sts: StsAssessment | undefined): readonly Cell[] {
  return sts === undefined ? [] : [STS_DEMANDS[sts.mode][sts.matched === undefined ? 'unnamed' : 'named']]
}

/** The operator's own demands only add to each other; what is waived proves no host in place of PKIX. */
function localCells(facts: RequirementFacts, unwaived: DaneFacts | undefined): readonly Cell[] {
  const { local, overrides, dane } = facts
  return [local, ...(overrides?.required ?? [])].map((demand) => {
    if (demand === 'dane') return DANE_DEMANDS[daneState(dane)].required
    return demand === 'proven-host' ? PROVEN_HOST_DEMANDS[daneState(unwaived)] : LOCAL_DEMANDS[demand]
  })
}

function senderCells(facts: RequirementFacts, dane: DaneFacts | undefined): readonly Cell[] {
  if (facts.message !== 'requiretls') return []
  const usable = dane?.kind === 'tlsa' && dane.usable.length > 0
  return [
    ...(isNameProven(facts) ? [] : [REQUIRETLS_DEMANDS['name-unproven']]),
    ...(usable ? [] : [REQUIRETLS_DEMANDS['without-usable-tlsa']]),
  ]
}

/** RFC 8689 §4.2.1: by a validated MX RRset or the domain's own policy, where MX records named the host at all. */
function isNameProven({ origin, sts, mxHostname }: RequirementFacts): boolean {
  if (origin !== undefined && (origin.kind !== 'mx' || origin.secure)) return true
  if (sts === undefined || sts.preloaded || mxHostname === undefined) return false
  return matchesMx(mxHostname, sts.policy.mx) !== undefined
}

interface Known {
  readonly facts: RequirementFacts
  readonly sts: StsAssessment | undefined
}

function claim(cells: readonly Cell[], known: Known): Claim {
  return cells.reduce<Claim>(
    (sum, cell) =>
      typeof cell === 'string'
        ? both(sum, { demands: NOTHING, reasons: [refusal(cell, known)] })
        : both(sum, { demands: cell, reasons: [] }),
    { demands: NOTHING, reasons: [] },
  )
}

/** Each may only add to the other. */
function both(one: Claim, other: Claim): Claim {
  const { pkix, floor, tlsa } = one.demands
  const kinds = new Set(one.reasons.map(({ kind }) => kind))
  return {
    demands: {
      pkix: pkix || other.demands.pkix,
      floor: floor === 'encrypted' ? floor : other.demands.floor,
      tlsa: tlsa || other.demands.tlsa,
    },
    reasons: [...one.reasons, ...other.reasons.filter(({ kind }) => !kinds.has(kind))],
  }
}

/** The refusal with the fact that caused it. */
function refusal(kind: Refusal, { facts, sts }: Known): UnreachableReason {
  const { dane, mxHostname, stsUncertain = false } = facts
  switch (kind) {
    case 'sts-mx-mismatch':
      invariant(sts !== undefined && sts.matched === undefined, 'a policy that does not name the host')
      return { kind, sts }
    case 'tlsa-lookup-failed':
      invariant(dane?.kind === 'failure', 'a lookup that failed')
      return { kind, failure: dane }
    case 'dane-required':
      return { kind, host: mxHostname, because: absentBecause(dane) }
    case 'tlsa-invalid':
      invariant(dane?.kind === 'tlsa' && dane.usable.length === 0, 'a TLSA RRset without a usable record')
      return { kind, dane: daneAssessment(dane) }
    case 'requiretls-name-unproven':
      return { kind, uncertain: stsUncertain }
    default:
      return assertNever(kind)
  }
}

/** Undefined or `tlsa`: nobody asked, or what was found came by an insecure MX. */
function absentBecause(dane: DaneFacts | undefined): NoDaneBecause {
  if (dane === undefined) return 'off'
  return dane.kind === 'none' ? dane.because : 'insecure-mx'
}
