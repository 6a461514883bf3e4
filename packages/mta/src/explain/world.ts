/**
 * What an explanation is gathered with: delivery's own options, so that it asks the same resolver, guard and policy
 * source as mail does, and what only explanations look at. Types only.
 */
import type { DnsResolver, DomainName, Examination, StoredPolicy } from '@hermetic/policy'
import type { DestinationOptions } from '../delivery/delivery.ts'
import type { LaneId } from '../delivery/lane.ts'
import type { RoutedMail } from '../delivery/route.ts'
import type { RoutingTold } from '../delivery/route-text.ts'
import type { LimitReport } from '../limits/limit-report.ts'
import type { SiteId } from '../limits/permits.ts'

export interface ExplainWorld {
  readonly by: 'relay' | 'command-line'
  readonly destination: DestinationOptions
  readonly laneFor: (mail: RoutedMail) => LaneId
  /** Which route says so; absent: nobody tells. */
  readonly routingOf?: (mail: RoutedMail) => RoutingTold
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
