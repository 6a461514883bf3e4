/**
 * How the policy that we hold is doing: about to expire and not renewed, weaker than before, gone. The same states
 * that the alarms of the relay tell (`mta-sts/events.ts`), seen from the facts of one moment (RFC 8461 §3.3, §10.2). Pure.
 */
import { expiresAt } from '../mta-sts/freshness.ts'
import type { StsMode } from '../mta-sts/policy-file.ts'
import type { StoredPolicy } from '../ports/policy-cache.ts'
import type { Advice } from './advice.ts'
import type { ExplainFacts, StsLookups } from './facts.ts'
import { modeNow } from './mta-sts-section.ts'
import { clockTime, spanWords } from './plain.ts'

const RENEWAL_RFC = ['RFC 8461 §3.3', 'RFC 8461 §10.2']
const DEMAND: Readonly<Record<StsMode, number>> = { none: 0, testing: 1, enforce: 2 }

export function renewalAdvice({ sts, at }: ExplainFacts): readonly Advice[] {
  if (sts.kind === 'not-consulted' || sts.cached === undefined || sts.cached === 'unavailable') return []
  const { cached } = sts
  const subject = `the policy of ${sts.policyDomain}`
  // A `none` protects nobody, so nothing is lost with it.
  if (cached.policy.mode === 'none') return []
  return [...weakened(sts, { cached, subject, at }), ...notRenewed(sts, { cached, subject, at })]
}

interface Held {
  readonly cached: StoredPolicy
  readonly subject: string
  readonly at: number
}

function weakened({ facts, policyHost }: StsLookups, { cached, subject, at }: Held): readonly Advice[] {
  if (expiresAt(cached) <= at) return []
  const before = cached.policy.mode
  const now = modeNow(facts)
  const served = policyHost.kind === 'served' ? policyHost.policy.mode : undefined
  const next = now !== undefined && DEMAND[now] < DEMAND[before] ? now : served
  if (next === undefined || DEMAND[next] >= DEMAND[before]) return []
  return [
    {
      ...{ code: 'policy-weakened', severity: 'warning', subject, rfc: ['RFC 8461 §5', 'RFC 8461 §10.2'] },
      text: `The mode was ${before} here and is now published as ${next}: mail is protected less than before.`,
      remedy: 'If this was not intended, publish the former mode again under a new id, and find out who changed it.',
    },
  ]
}

/** RFC 8461 §3.3: a policy that is renewed in time does not expire. */
function notRenewed({ policyHost }: StsLookups, { cached, subject, at }: Held): readonly Advice[] {
  const until = expiresAt(cached)
  if (until <= at) {
    if (policyHost.kind === 'served') return []
    const text = `The policy that we held (mode ${cached.policy.mode}) expired ${clockTime(until)} and has no successor.`
    return [{ ...expired(subject), text }]
  }
  const { failedRefreshes, lastFailure } = cached
  if (failedRefreshes === 0) return []
  const tries = failedRefreshes === 1 ? 'once' : `${failedRefreshes} times in a row`
  return [
    {
      ...{ code: 'policy-not-renewed', severity: 'warning', subject, rfc: RENEWAL_RFC },
      text: `Renewing it failed here ${tries}${lastFailure === undefined ? '' : `, last by ${lastFailure.reason}`}; it ends in ${spanWords(until - at)}, and then mail goes without it.`,
      remedy: 'Make the policy host serve the policy; sending mail to the domain, or waiting a day, renews it.',
    },
  ]
}

function expired(subject: string): Omit<Advice, 'text'> {
  return {
    ...{ code: 'policy-expired', severity: 'broken', subject, rfc: RENEWAL_RFC },
    remedy: 'Publish the record and the policy again, and keep both reachable.',
  }
}
