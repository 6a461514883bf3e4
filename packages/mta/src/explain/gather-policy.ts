/**
 * Everything about the MTA-STS policy of one domain: what delivery goes by, what is stored, what DNS says, and what
 * the policy host serves. The host is asked only when something points to it, as the RFC does.
 */
import {
  type DomainName,
  ownerName,
  PolicyCacheUnavailable,
  type PolicyHostEvidence,
  type StsEvidence,
  type StsFacts,
  type StsLookups,
  type StsSource,
} from '@hermetic/policy'
import { until } from './deadline.ts'
import type { PolicyLookups } from './world.ts'

export interface PolicyQuestion {
  readonly policyDomain: DomainName
  readonly source: Pick<StsSource, 'policyFor'>
  readonly lookups: PolicyLookups
  readonly deadline: AbortSignal
  /** UTC milliseconds. */
  readonly now: () => number
}

export async function gatherPolicy(question: PolicyQuestion): Promise<StsEvidence> {
  const { policyDomain, source, lookups, deadline } = question
  // Before the source: it may replace what is stored.
  const cached = await storedPolicy(question)
  const [facts, txt] = await Promise.all([
    until(deadline, source.policyFor(policyDomain)),
    until(deadline, publishedRecords(lookups, policyDomain)),
  ])
  const policyHost = await policyHostNow(question, { cached, facts })
  return { kind: 'consulted', policyDomain, facts, cached, txt, policyHost }
}

async function storedPolicy({ policyDomain, lookups }: PolicyQuestion): Promise<StsLookups['cached']> {
  try {
    return await lookups.cached(policyDomain)
  } catch (error) {
    if (error instanceof PolicyCacheUnavailable) return 'unavailable'
    throw error
  }
}

async function publishedRecords({ resolver }: PolicyLookups, policyDomain: DomainName): Promise<StsLookups['txt']> {
  const name = ownerName(['_mta-sts'], policyDomain)
  return name.ok ? resolver.txt(name.value) : undefined
}

async function policyHostNow(
  { policyDomain, lookups, deadline, now }: PolicyQuestion,
  { cached, facts }: Pick<StsLookups, 'cached' | 'facts'>,
): Promise<PolicyHostEvidence> {
  if (!isAnnounced(facts, cached, now())) return { kind: 'not-asked', because: 'nothing-announced' }
  if (deadline.aborted) return { kind: 'not-asked', because: 'deadline' }
  return (await until(deadline, lookups.examine(policyDomain))) ?? { kind: 'not-asked', because: 'deadline' }
}

/** By a record, or by the policy that is still held. No answer in time is most often a policy host that is silent. */
function isAnnounced(facts: StsFacts | undefined, cached: StsLookups['cached'], now: number): boolean {
  if (facts === undefined || facts.kind === 'policy' || facts.record?.kind === 'record') return true
  if (cached === undefined || cached === 'unavailable') return false
  return cached.policy.mode !== 'none' && cached.fetchedAt + cached.policy.maxAgeSeconds * 1000 > now
}
