/** What happens to MTA-STS policies that an operator wants to see or count. */
import type { DnsFailureReason } from '../dns/answer.ts'
import type { PolicyFetchReport } from './fetch-error.ts'
import type { Occasion } from './freshness.ts'
import type { StsMode } from './policy-file.ts'
import type { PolicyPurge } from './purge.ts'
import type { RecordTrouble } from './record-lookup.ts'

type Outcome = 'fetched' | 'own-limit' | 'stopping' | PolicyFetchReport['resultType']

export type StsEvent =
  /** Every fetch, once. */
  | {
      readonly event: 'sts-fetch-ended'
      readonly policyDomain: string
      readonly occasion: Occasion
      readonly id: string
      readonly outcome: Outcome
      /** The mode, or why not. */
      readonly detail: string
    }
  /** A record announces a policy that cannot be had, and none is cached: mail goes without (RFC 8461 §3.3). */
  | {
      readonly event: 'sts-policy-unobtainable'
      readonly policyDomain: string
      readonly id: string
      readonly resultType: PolicyFetchReport['resultType']
      readonly reason: string
    }
  /** DNS could not say whether there is a policy, and none is cached: mail goes without. */
  | {
      readonly event: 'sts-record-lookup-failed'
      readonly policyDomain: string
      readonly reason: DnsFailureReason['kind']
    }
  /** A cached policy stays as it was because its successor or renewal could not be fetched. Never for mode `none`. */
  | {
      readonly event: 'sts-policy-not-renewed'
      readonly policyDomain: string
      readonly mode: StsMode
      readonly occasion: Occasion
      readonly resultType: PolicyFetchReport['resultType']
      readonly reason: string
      readonly expiresAt: number
    }
  /** Once, when refreshes failed repeatedly. */
  | {
      readonly event: 'sts-refresh-alarm'
      readonly policyDomain: string
      readonly mode: StsMode
      readonly failedRefreshes: number
      readonly expiresAt: number
    }
  /** No refresh will be tried again before the policy expires. */
  | {
      readonly event: 'sts-policy-expiring'
      readonly policyDomain: string
      readonly mode: StsMode
      readonly expiresAt: number
    }
  /** The record of a cached policy is gone or damaged; once in each cycle of refreshes. */
  | {
      readonly event: 'sts-record-trouble'
      readonly policyDomain: string
      readonly mode: StsMode
      readonly reason: RecordTrouble
      readonly expiresAt: number
    }
  /** The domain itself published a policy that demands less. */
  | {
      readonly event: 'sts-policy-weakened'
      readonly policyDomain: string
      readonly from: StsMode
      readonly to: StsMode
      readonly id: string
    }
  /** A policy ended by its age, and there is no successor. */
  | {
      readonly event: 'sts-policy-expired'
      readonly policyDomain: string
      readonly mode: StsMode
      readonly expiredAt: number
    }
  /** An operator threw a cached policy away: the next mail to the domain is first contact again (RFC 8461 §10.3). */
  | ({ readonly event: 'sts-policy-purged' } & PolicyPurge)
  | {
      readonly event: 'sts-cache-failed'
      readonly operation: 'get' | 'put' | 'remove' | 'due' | 'lease' | 'postpone'
      readonly detail: string
    }
  /** What is stored for a domain cannot be read, or is gone before its time: mail to it waits until it is purged. */
  | { readonly event: 'sts-cache-damaged'; readonly policyDomain: string; readonly detail: string }
  /** The shared store was emptied or replaced: policies that are not in it are first contact again. */
  | { readonly event: 'sts-cache-lost' }
  /** Indexes of the shared store were damaged, and made again from what it holds. */
  | { readonly event: 'sts-cache-rebuilt'; readonly policies: number }
  /** A refresh ended by a defect of ours; the policy stays due. */
  | { readonly event: 'sts-refresh-defect'; readonly policyDomain: string; readonly detail: string }
