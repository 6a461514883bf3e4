/**
 * What the relay and the child process that delivers one suspect say to each other. The child has no store, no name
 * servers and no settings of its own: it asks its parent for everything, so that it can die without harm.
 */
import type {
  AddressJudgement,
  DaneFacts,
  DaneQuestion,
  DnsAnswer,
  DomainName,
  LocalDemand,
  MxRecord,
  PreloadList,
  Refetched,
  Self,
  StsFacts,
} from '@hermetic/policy'
import type { PolicyFailureSeen, SessionSeen } from '@hermetic/reporter'
import type { BounceEvent } from '../bounce/events.ts'
import type { NoticeSettings } from '../bounce/notice-plan.ts'
import type { PermitFeedback, SiteId } from '../limits/permits.ts'
import type { Pace, PaceAsk } from '../limits/rate.ts'
import type { NextHopHosts } from '../limits/site-limits.ts'
import type { RetryOptions } from '../schedule/retry-schedule.ts'
import type { SignedMessage } from '../signing/dkim.ts'
import type { SmtpTimeouts } from '../smtp/timeouts.ts'
import type { QueueId } from '../spool/queue-id.ts'
import type { Claim, ClaimToken, QueueEntry, Settlement, SettleOutcome } from '../spool/spool.ts'
import type { DeliveryEvent } from './events.ts'
import type { PolicySettings } from './host-policy.ts'
import type { LaneId } from './lane.ts'
import type { SourcePool } from './source-address.ts'
import type { TravellingRoute } from './suspect-routes.ts'

export interface SuspectTask {
  /** Its lease in the child's own clock is made from `leaseLeftMs`. */
  readonly claim: Omit<Claim, 'leaseUntilMono'>
  readonly leaseLeftMs: number
  readonly demand: LocalDemand
  /** MTA-STS is on: the parent has the source. */
  readonly sts: boolean
  /** So is DANE. */
  readonly dane: boolean
  /** So are the keys that sign notifications. */
  readonly signs: boolean
  /** What the operator has written about policies, the preload list as far as it is about this next hop. */
  readonly policies: TravellingPolicies
  readonly settings: ChildSettings
  readonly routes: readonly TravellingRoute[]
  /** When the next hop is an address literal: what the guard says of it. */
  readonly literal?: JudgedAddress
}

export interface TravellingPolicies extends Pick<PolicySettings, 'overrides' | 'enforcement'> {
  readonly preload: PreloadList | undefined
}

export interface ChildSettings {
  readonly hostname: string
  readonly postmaster: string
  readonly self: Self
  readonly port: number
  readonly ca: readonly string[]
  readonly sources: readonly SourcePool[] | undefined
  readonly timeouts: SmtpTimeouts
  readonly retry: RetryOptions
  readonly notices: NoticeSettings
  readonly leaseMs: number
  readonly stopGraceMs: number
}

export interface JudgedAddress {
  readonly address: string
  readonly judgement: AddressJudgement
}

/** Questions of the child, each with the type of its answer. */
export interface Questions {
  readonly renew: {
    readonly ask: { tokens: readonly ClaimToken[]; leaseMs: number }
    readonly answer: ReadonlySet<ClaimToken>
  }
  readonly settle: { readonly ask: { token: ClaimToken; settlement: Settlement }; readonly answer: SettleOutcome }
  /** Nothing was tried; whether another may have it is for the parent to say. */
  readonly release: { readonly ask: { tokens: readonly ClaimToken[] }; readonly answer: null }
  readonly open: { readonly ask: { id: QueueId }; readonly answer: Uint8Array }
  readonly show: { readonly ask: { id: QueueId }; readonly answer: QueueEntry | undefined }
  readonly 'sign-notice': {
    readonly ask: { message: Uint8Array; signedAt: number }
    readonly answer: SignedMessage
  }
  /** The site that an operator's limit makes of a next hop. */
  readonly site: { readonly ask: NextHopHosts; readonly answer: SiteId | undefined }
  /** The parent waits in line for a while, and holds what it got for as long as the child lives; its number. */
  readonly acquire: { readonly ask: { site: SiteId }; readonly answer: number | undefined }
  /** Undefined: the permit is lost. */
  readonly pace: { readonly ask: { permit: number; ask: PaceAsk }; readonly answer: Pace | undefined }
  readonly mx: { readonly ask: { name: DomainName }; readonly answer: DnsAnswer<MxRecord> }
  readonly address: {
    readonly ask: { name: DomainName; family: 4 | 6; lane: LaneId }
    readonly answer: { readonly answer: DnsAnswer<string>; readonly judged: readonly JudgedAddress[] }
  }
  readonly 'sts-policy': { readonly ask: { domain: DomainName; afresh: boolean }; readonly answer: StsFacts }
  readonly dane: { readonly ask: { question: DaneQuestion }; readonly answer: DaneFacts }
  readonly 'sts-refetch': { readonly ask: { domain: DomainName }; readonly answer: Refetched }
}

export type QuestionName = keyof Questions

/** One question as it travels. */
export type Question = {
  readonly [N in QuestionName]: { readonly name: N; readonly ask: Questions[N]['ask'] }
}[QuestionName]

export type ToChild =
  | { readonly kind: 'task'; readonly task: SuspectTask }
  /** It could not be made. */
  | { readonly kind: 'no-task' }
  | { readonly kind: 'answer'; readonly seq: number; readonly answer: unknown }
  /** `error` is the name of its class: two of them mean something (`StoreUnavailable`, `ContentUnreadable`). */
  | { readonly kind: 'refusal'; readonly seq: number; readonly error: string; readonly detail: string }
  | { readonly kind: 'stop' }

export type FromChild =
  | { readonly kind: 'ready' }
  | { readonly kind: 'question'; readonly seq: number; readonly question: Question }
  | { readonly kind: 'event'; readonly event: DeliveryEvent | BounceEvent }
  /** For reports. */
  | { readonly kind: 'session'; readonly seen: SessionSeen }
  | { readonly kind: 'failed-fetch'; readonly failure: PolicyFailureSeen }
  | { readonly kind: 'wake'; readonly lane: LaneId; readonly dueAt: number | undefined }
  | { readonly kind: 'permit-answered'; readonly permit: number }
  | { readonly kind: 'release-permit'; readonly permit: number; readonly feedback: PermitFeedback }
  /** The attempt is over and the child has nothing more to say. What was given back may be tried after this time. */
  | { readonly kind: 'end'; readonly retryAfterMs: number }
  /** The parent refused what the attempt cannot do without: it is over, and nothing is known about the message. */
  | { readonly kind: 'unanswered' }
