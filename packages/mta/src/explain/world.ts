/**
 * What an explanation is gathered with: delivery's own options, so that it asks the same resolver, guard and policy
 * source as mail does, and what only explanations look at. Types only.
 */
import type { DnsResolver, DomainName, Examination, StoredPolicy } from '@hermetic/policy'
import type { DestinationOptions } from '../delivery/delivery.ts'
import type { LaneId } from '../delivery/lane.ts'
import type { LimitReport } from '../limits/limit-report.ts'
import type { SiteId } from '../limits/permits.ts'
import type { MailDomain } from '../smtp/mail-address.ts'

export interface ExplainWorld {
  readonly by: 'relay' | 'command-line'
  readonly destination: DestinationOptions
  /** Which lane mail for this domain goes to. */
  readonly laneFor: (domain: MailDomain) => LaneId
  /** What is allowed with the site that the lane's mail goes to; absent, or undefined: nothing worth telling. */
  readonly limitsOf?: (lane: LaneId, site: SiteId) => LimitReport | undefined
  /** Absent: MTA-STS is off. */
  readonly policies?: PolicyLookups | undefined
}

export interface PolicyLookups {
  readonly resolver: Pick<DnsResolver, 'txt'>
  /** The entry as stored; rejects with `PolicyCacheUnavailable`. */
  readonly cached: (policyDomain: DomainName) => Promise<StoredPolicy | undefined>
  /** What the policy host serves, asked a short time ago at the most. */
  readonly examine: (policyDomain: DomainName) => Promise<Examination>
}
