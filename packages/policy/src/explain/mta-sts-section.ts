/** The MTA-STS policy of the domain, where it comes from and how it is doing, as a section of an explanation. Pure. */

import { mxPatternText } from '../mta-sts/mx-match.ts'
import { type RecordAnswer, recordTrouble } from '../mta-sts/record-lookup.ts'
import type { PolicyFound, StsFacts } from '../mta-sts/source-facts.ts'
import type { CachedPolicy } from '../ports/policy-cache.ts'
import { assertNever } from '../result.ts'
import type { MtaStsSection, PolicyHostSection, PolicySection, RecordSection, RenewalSection } from './explanation.ts'
import type { StsEvidence, StsLookups } from './facts.ts'
import { fetchErrorWords } from './fetch-error-words.ts'
import { bounded, boundedList, dnsFailureWords, isoTime } from './plain.ts'
import { certificateSection } from './session-section.ts'

/** More say no more. */
const PUBLISHED_MAX = 10

export function mtaStsSection(evidence: StsEvidence, at: number): MtaStsSection {
  if (evidence.kind === 'not-consulted') return { state: 'not-consulted', because: evidence.because }
  const { facts, policyDomain } = evidence
  const policy = policyInForce(facts)
  return {
    ...stateOf(facts),
    ...(policy === undefined ? {} : { policy: policySection(policy.entry, policy.from, at) }),
    ...recordSection(evidence),
    policyHost: policyHostSection(`mta-sts.${policyDomain}`, evidence, policy?.entry),
    ...renewalSection(evidence),
  }
}

function stateOf(facts: StsFacts | undefined): Pick<MtaStsSection, 'state' | 'because'> {
  switch (facts?.kind) {
    case undefined:
      return { state: 'unavailable', because: 'no-answer-in-time' }
    case 'policy':
      return { state: 'in-force' }
    case 'none':
      return { state: 'none', because: facts.because.kind }
    case 'unavailable':
      return { state: 'unavailable', because: facts.because }
    default:
      return assertNever(facts)
  }
}

interface InForce {
  readonly entry: Pick<CachedPolicy, 'policy' | 'id' | 'fetchedAt'>
  readonly from: PolicyFound['from']
}

/** Of a `none` too: it is what the domain says. */
function policyInForce(facts: StsFacts | undefined): InForce | undefined {
  if (facts?.kind === 'policy') return { entry: facts, from: facts.from }
  if (facts?.kind === 'none' && facts.because.kind === 'mode-none') return facts.because
  return undefined
}

function policySection(entry: InForce['entry'], from: InForce['from'], at: number): PolicySection {
  const { policy, id, fetchedAt } = entry
  const until = fetchedAt + policy.maxAgeSeconds * 1000
  return {
    ...{ mode: policy.mode, id, from, maxAgeSeconds: policy.maxAgeSeconds },
    mx: boundedList(policy.mx.map(mxPatternText)),
    fetchedAt: isoTime(fetchedAt),
    expiresAt: isoTime(until),
    ageSeconds: Math.max(0, Math.floor((at - fetchedAt) / 1000)),
    expiresInSeconds: Math.floor((until - at) / 1000),
  }
}

function recordSection({ policyDomain, facts, txt }: StsLookups): Pick<MtaStsSection, 'record'> {
  const record = facts?.record
  if (record === undefined) return {}
  const name = `_mta-sts.${policyDomain}`
  const found = txt?.kind === 'records' ? txt : undefined
  const alias =
    txt !== undefined && txt.kind !== 'failure' && txt.canonicalName !== name ? txt.canonicalName : undefined
  const problem = recordProblem(record)
  return {
    record: {
      ...{ name, kind: record.kind },
      ...(record.kind === 'record' ? { id: record.id } : {}),
      ...(problem === undefined ? {} : { problem }),
      ...(alias === undefined ? {} : { alias }),
      ...(found === undefined
        ? {}
        : { published: found.records.slice(0, PUBLISHED_MAX).map((strings) => bounded(strings.join(''))) }),
    },
  }
}

function recordProblem(record: RecordAnswer): RecordSection['problem'] {
  if (record.kind === 'failed') return dnsFailureWords(record.reason)
  if (record.kind === 'unusable') return record.error.kind
  return recordTrouble(record)
}

function policyHostSection(
  name: string,
  { policyHost }: StsLookups,
  inForce: InForce['entry'] | undefined,
): PolicyHostSection {
  switch (policyHost.kind) {
    case 'served': {
      const { at, address, peer, policy } = policyHost
      const differs = inForce !== undefined && !sameDocument(policy.lines, inForce.policy.lines)
      const [leaf] = peer.chain
      const shown = { certificate: certificateSection(leaf), protocol: peer.protocol }
      return { name, kind: 'served', at: isoTime(at), address, ...(inForce === undefined ? {} : { differs }), ...shown }
    }
    case 'failed':
      return { name, kind: 'failed', at: isoTime(policyHost.at), problem: fetchErrorWords(policyHost.error) }
    case 'not-asked':
      return { name, kind: 'not-asked', problem: policyHost.because }
    default:
      return assertNever(policyHost)
  }
}

export function sameDocument(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((line, index) => line === other[index])
}

function renewalSection({ cached, facts }: StsLookups): { readonly renewal?: RenewalSection } {
  if (cached === undefined || cached === 'unavailable') return {}
  const { refreshAt, failedRefreshes, lastFailure: last } = cached
  const now = modeNow(facts)
  const changed = now !== undefined && now !== cached.policy.mode ? { formerMode: cached.policy.mode } : {}
  const failed = last === undefined ? {} : { lastFailure: { at: isoTime(last.at), reason: last.reason } }
  return { renewal: { refreshAt: isoTime(refreshAt), failedRefreshes, ...failed, ...changed } }
}

/** The mode that delivery goes by now; undefined when there is no policy at all. */
export function modeNow(facts: StsFacts | undefined): 'enforce' | 'testing' | 'none' | undefined {
  return policyInForce(facts)?.entry.policy.mode
}
