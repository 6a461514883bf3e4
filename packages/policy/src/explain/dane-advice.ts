/** What is wrong with the TLSA records of the hosts, and with what the hosts show under them (RFC 7671, RFC 7672). Pure. */

import { isOurTrouble } from '../dns/answer.ts'
import type { ProofRequirement, UnreachableReason } from '../requirement.ts'
import type { DaneAssessment } from '../requirement-dane.ts'
import type { Advice } from './advice.ts'
import { daneReasonWords } from './dane-words.ts'
import type { ExplainFacts, HostFacts, SessionFacts } from './facts.ts'
import { dnsFailureWords } from './plain.ts'

export function daneAdvice({ hosts }: ExplainFacts): readonly Advice[] {
  return hosts.flatMap((host) => {
    const { place } = host
    if (place.kind !== 'candidate') return []
    const { requirement } = place
    if (requirement.kind === 'unreachable') return requirement.reasons.flatMap((reason) => lookupAdvice(host, reason))
    const { dane } = requirement
    if (dane === undefined) return []
    return [...recordAdvice(dane), ...mismatchAdvice(host, { dane, requirement, sessions: place.sessions })]
  })
}

function lookupAdvice({ name }: HostFacts, reason: UnreachableReason): readonly Advice[] {
  if (reason.kind !== 'tlsa-lookup-failed') return []
  const { failure } = reason
  if (isOurTrouble(failure.reason)) return []
  return [
    {
      ...{
        code: 'mx-tlsa-lookup-failed',
        severity: 'broken',
        subject: name,
        rfc: ['RFC 7672 §2.1.2', 'RFC 7672 §2.2'],
      },
      text: `${failure.name} cannot be looked up, so that senders that know DANE keep their mail: ${dnsFailureWords(failure.reason)}.`,
      remedy:
        'Have every name server of the zone answer TLSA questions, with valid signatures, also when there is no record.',
    },
  ]
}

function recordAdvice({ owner, usable, mxSecure }: DaneAssessment): readonly Advice[] {
  const advice: Advice[] = []
  if (usable.length === 0) {
    advice.push({
      ...{ code: 'mx-tlsa-unusable', severity: 'warning', subject: owner, rfc: ['RFC 7672 §2.2', 'RFC 7672 §3.1'] },
      text: 'None of the TLSA records can be used by mail: they demand TLS and prove nothing.',
      remedy:
        'Publish "3 1 1" with the SHA-256 digest of the public key of the certificate, or "2 1 1" for its authority.',
    })
  }
  if (!mxSecure) {
    advice.push({
      ...{ code: 'mx-records-unsigned', severity: 'hint', subject: owner, rfc: ['RFC 7672 §2.2.1'] },
      text: 'The host has signed TLSA records, but the MX records that name it are not signed: whoever forges those leads mail elsewhere.',
      remedy: 'Sign the zone of the domain too.',
    })
  }
  return advice
}

interface Under {
  readonly dane: DaneAssessment
  readonly requirement: ProofRequirement
  readonly sessions: readonly SessionFacts[]
}

/** Once for a host: its addresses mostly show the same. */
function mismatchAdvice({ name }: HostFacts, { dane, requirement, sessions }: Under): readonly Advice[] {
  const texts = sessions.flatMap((session) => {
    if (session.kind !== 'judged' || session.channel.kind !== 'tls') return []
    const { dane: compared } = session.channel
    return compared?.kind === 'failed' ? compared.reasons.map(daneReasonWords) : []
  })
  return [...new Set(texts)].map((text) => ({
    ...{ code: 'mx-tlsa-mismatch', severity: requirement.tlsa ? 'broken' : 'warning', subject: name },
    text: `Under the TLSA records at ${dane.owner}: ${text}.`,
    remedy:
      'Publish a TLSA record for the certificate that is shown; when it changes, publish the new record before it.',
    rfc: ['RFC 7671 §8.1', 'RFC 7672 §3'],
  }))
}
