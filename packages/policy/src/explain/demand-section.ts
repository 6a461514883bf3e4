/**
 * What a requirement demands of a host, and who wants it so. Takes the requirement as it was decided
 * (`requirement.ts`) and reads it back into reasons; a proof that it does not know would not compile here. Pure.
 */

import type { Mechanism } from '../override.ts'
import type { ObservedDemands, ProofRequirement, Requirement, StsAssessment } from '../requirement.ts'
import type { DaneAssessment } from '../requirement-dane.ts'
import type { Demands } from '../requirement-tables.ts'
import { assertNever } from '../result.ts'
import type { DemandReason, DemandSection, Proof } from './explanation.ts'
import { unreachableReason } from './unreachable-reason.ts'

export function demandSection(requirement: Requirement): DemandSection {
  switch (requirement.kind) {
    case 'unreachable':
      return { proofs: [], reasons: requirement.reasons.map(unreachableReason) }
    case 'prove':
      return proofSection(requirement)
    default:
      return assertNever(requirement)
  }
}

function proofSection(requirement: ProofRequirement): DemandSection {
  const { kind: _, pkix, floor, tlsa, sts, dane, message, observed, waived = [], ...rest } = requirement
  // A new kind of proof must be given its words here.
  rest satisfies Record<string, never>
  const reasons = [
    ...(sts === undefined ? [] : [stsReason(sts, observed)]),
    ...(dane === undefined ? [] : [daneReason(dane, observed)]),
    ...(message === undefined ? [] : [MESSAGE[message]]),
    ...localReason(requirement),
    ...(observed === undefined ? [] : observedReasons(observed)),
    ...waived.map(waivedReason),
  ]
  return { proofs: proofsOf({ pkix, floor, tlsa }), reasons: reasons.length > 0 ? reasons : [NOBODY] }
}

export function proofsOf({ pkix, floor, tlsa }: Demands): readonly Proof[] {
  return [
    ...(floor === 'encrypted' ? (['encrypted'] as const) : []),
    ...(pkix ? (['pkix'] as const) : []),
    ...(tlsa ? (['dane'] as const) : []),
  ]
}

const NOBODY: DemandReason = {
  by: 'nobody',
  text: 'TLS is used when it is offered; its certificate does not matter, and without it mail goes in clear',
  rfc: ['RFC 7435 §3'],
}

const MESSAGE: Readonly<Record<NonNullable<ProofRequirement['message']>, DemandReason>> = {
  requiretls: { by: 'sender', text: 'the sender demands TLS (REQUIRETLS)', rfc: ['RFC 8689 §4.2.1'] },
  'tls-optional': { by: 'sender', text: 'the sender waives TLS (TLS-Required: No)', rfc: ['RFC 8689 §3'] },
}

function stsReason({ mode, matched, preloaded }: StsAssessment, observed: ObservedDemands | undefined): DemandReason {
  const by = preloaded ? 'preload' : 'mta-sts'
  const policy = preloaded ? 'the preload list' : `the policy in mode ${mode}`
  const named = matched === undefined ? 'does not name this host' : `names this host (mx: ${matched})`
  if (mode === 'testing') {
    return {
      by,
      text: `${policy} ${named}; it is looked at and reported, and keeps nothing back`,
      rfc: ['RFC 8461 §5'],
    }
  }
  const demand = observed === undefined ? 'demands' : 'would demand'
  const text = `${policy} ${named} and ${demand} a certificate for its name from a trusted authority`
  return { by, text, rfc: ['RFC 8461 §4.1', 'RFC 8461 §4.2'] }
}

function daneReason({ owner, usable, mxSecure }: DaneAssessment, observed: ObservedDemands | undefined): DemandReason {
  const demand = observed === undefined ? 'demand' : 'would demand'
  const unsigned = mxSecure ? '' : '; the MX records that name the host are not signed'
  if (usable.length === 0) {
    const text = `no TLSA record at ${owner} can be used: they ${demand} TLS, and no certificate${unsigned}`
    return { by: 'dane', text, rfc: ['RFC 7672 §2.2'] }
  }
  const count = usable.length === 1 ? 'a TLSA record' : `${usable.length} TLSA records`
  const text = `${count} at ${owner} ${demand} a certificate that matches${unsigned}`
  return { by: 'dane', text, rfc: ['RFC 7672 §2.2', 'RFC 7672 §3'] }
}

/** What is demanded beyond what is published comes from the operator: a route, its credentials, an override. */
function localReason({ pkix, floor, tlsa, sts, dane, observed, message }: ProofRequirement): readonly DemandReason[] {
  if (message !== undefined) return []
  const published = observed === undefined
  const bySts = published && sts?.mode === 'enforce'
  const byDane = published && dane !== undefined
  const more = {
    pkix: pkix && !bySts,
    tlsa: tlsa && !(byDane && dane.usable.length > 0),
    encrypted: floor === 'encrypted' && !bySts && !byDane,
  }
  const what = more.pkix ? 'a proven certificate' : more.tlsa ? 'DANE' : more.encrypted ? 'TLS' : undefined
  if (what === undefined) return []
  return [{ by: 'local-policy', text: `our own settings demand ${what}`, rfc: ['RFC 3207 §6'] }]
}

/** What enforcing would have refused outright is told in its own words. */
function observedReasons({ unreachable }: ObservedDemands): readonly DemandReason[] {
  const text = 'published policies are only observed here: nothing is refused for them'
  const refusals = unreachable.map(unreachableReason)
  return [
    { by: 'observe', text, rfc: [] },
    ...refusals.map((reason) => ({ ...reason, text: `if enforced: ${reason.text}` })),
  ]
}

const MECHANISM: Readonly<Record<Mechanism, string>> = { 'mta-sts': 'MTA-STS', dane: 'DANE' }

function waivedReason(mechanism: Mechanism): DemandReason {
  return {
    by: 'override',
    text: `${MECHANISM[mechanism]} is waived for this domain by our own settings`,
    rfc: ['RFC 7672 §9.1'],
  }
}
