/**
 * What the owner of the store and the threads that do the work say to each other. A thread has sockets, sessions and
 * connections; everything that must exist once, it asks for. Types only.
 *
 * No time of a monotonic clock travels: each thread has an origin of its own.
 */
import type {
  DaneFacts,
  DaneQuestion,
  DnsAnswer,
  DomainName,
  Listener,
  MxRecord,
  Refetched,
  StsFacts,
} from '@hermetic/policy'
import type { PolicyFailureSeen, SessionSeen } from '@hermetic/reporter'
import type { HostNews } from '../delivery/dead-hosts.ts'
import type { LaneId } from '../delivery/lane.ts'
import type { LoginNews } from '../delivery/login-breaker.ts'
import type { WaitNews } from '../delivery/waiting-lanes.ts'
import type { PermitFeedback, SiteId } from '../limits/permits.ts'
import type { QuotaAnswer, QuotaAsk } from '../limits/quotas.ts'
import type { Pace, PaceAsk } from '../limits/rate.ts'
import type { TurnEnd } from '../schedule/lane-scheduler.ts'
import type { MailAddress } from '../smtp/mail-address.ts'
import type { ContentPlace } from '../spool/content-store.ts'
import type { QueueId } from '../spool/queue-id.ts'
import type {
  AcceptOutcome,
  Claim,
  ClaimToken,
  NewMessage,
  QueueEntry,
  Settlement,
  SettleOutcome,
  SpoolHealth,
} from '../spool/spool.ts'
import type { Expiry } from '../submission/certificate-expiry.ts'
import type { CredentialRecord } from '../submission/credential-file.ts'
import type { Suppressed, SuppressionKey } from '../suppression/suppression-list.ts'
import type { TravellingEvent } from './event-crossing.ts'
import type { Call, Side } from './room.ts'

/** The configuration in plain values; who wires a thread makes it and reads it. */
export type TravellingConfig = unknown & { readonly __brand: 'TravellingConfig' }

/** What a thread is started with. */
export interface ThreadStart {
  /** From 0; the first one also tells what all threads would tell alike. */
  readonly index: number
  readonly config: TravellingConfig
  readonly credentials: readonly CredentialRecord[]
  /** Where contents that arrive are staged. */
  readonly place: ContentPlace
  /** PEM roots beside Node's own. */
  readonly ca: readonly string[]
  readonly sts: boolean
  readonly dane: boolean
  readonly suppression: boolean
  readonly reports: boolean
  readonly health: SpoolHealth
}

export type TravellingClaim = Omit<Claim, 'leaseUntilMono'>

/** A file was read against its hash; the thread opens it by its name. */
export type TravellingContent =
  | { readonly kind: 'memory'; readonly bytes: Uint8Array }
  | { readonly kind: 'file'; readonly size: number }

export interface BoundListener {
  readonly name: string
  readonly address: string
  readonly port: number
}

/** As `StartProblem` has it; an error travels as what is told of it. */
export type ListenRefusal = {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly code: string
  readonly detail: string
}

export type ListenAnswer =
  | { readonly kind: 'listening'; readonly listeners: readonly BoundListener[] }
  | { readonly kind: 'refused'; readonly refusal: ListenRefusal }

/** Every second: how a thread is. */
export interface ThreadBeat {
  /** Sessions of each listener. */
  readonly sessions: readonly number[]
  readonly certificates: readonly { readonly listener: string; readonly endsAt: number; readonly expiry: Expiry }[]
  /** Of the event loop since the last beat. */
  readonly lagP99Ms: number
  readonly lagMaxMs: number
  /** The share of time in which it was busy. */
  readonly utilization: number
}

export interface ThreadCalls {
  readonly accept: Call<{ readonly message: NewMessage }, AcceptOutcome>
  readonly claim: Call<
    { readonly lane: LaneId; readonly limit: number; readonly leaseMs: number },
    readonly TravellingClaim[]
  >
  readonly renew: Call<{ readonly tokens: readonly ClaimToken[]; readonly leaseMs: number }, ReadonlySet<ClaimToken>>
  readonly settle: Call<{ readonly token: ClaimToken; readonly settlement: Settlement }, SettleOutcome>
  readonly release: Call<{ readonly tokens: readonly ClaimToken[] }, undefined>
  readonly open: Call<{ readonly id: QueueId }, TravellingContent>
  readonly show: Call<{ readonly id: QueueId }, QueueEntry | undefined>
  readonly acquire: Call<
    { readonly site: SiteId; readonly waiter?: number; readonly lane?: LaneId | undefined },
    { readonly permit: number } | undefined
  >
  readonly pace: Call<{ readonly permit: number; readonly ask: PaceAsk }, Pace>
  readonly quota: Call<{ readonly asks: readonly QuotaAsk[] }, QuotaAnswer>
  readonly mx: Call<{ readonly name: DomainName }, DnsAnswer<MxRecord>>
  readonly address: Call<{ readonly name: DomainName; readonly family: 4 | 6 }, DnsAnswer<string>>
  readonly 'sts-policy': Call<{ readonly domain: DomainName; readonly afresh: boolean }, StsFacts>
  readonly 'sts-refetch': Call<{ readonly domain: DomainName }, Refetched>
  readonly dane: Call<{ readonly question: DaneQuestion }, DaneFacts>
  readonly suppressed: Call<{ readonly addresses: readonly MailAddress[] }, ReadonlyMap<SuppressionKey, Suppressed>>
}

export interface ThreadNotes {
  /** Everything is there; turns may come. */
  readonly ready: null
  readonly event: TravellingEvent
  readonly wake: { readonly lane: LaneId; readonly dueAt: number | undefined }
  readonly 'release-permit': { readonly permit: number; readonly feedback: PermitFeedback }
  /** The site of the permit answers. */
  readonly 'permit-answered': { readonly permit: number }
  readonly wait: WaitNews
  readonly heard: { readonly turn: number }
  readonly progressed: { readonly turn: number }
  /** What a smarthost made of our login. */
  readonly login: LoginNews
  readonly 'wake-another': { readonly turn: number }
  readonly session: SessionSeen
  readonly 'failed-fetch': PolicyFailureSeen
  readonly 'auth-failed': { readonly address: string; readonly username: string }
  readonly 'host-news': HostNews
  /** Contents that arrive cannot be written. */
  readonly 'content-trouble': { readonly code: string }
  readonly beat: ThreadBeat
}

export type SaidByThread = Side<ThreadCalls, ThreadNotes>

export interface OwnerCalls {
  readonly turn: Call<{ readonly turn: number; readonly lane: LaneId; readonly slot: number }, TurnEnd>
  /** `ports`: what the listeners were given already; in order of the configuration. */
  readonly listen: Call<{ readonly ports: readonly number[] | undefined; readonly draining: boolean }, ListenAnswer>
  /** A changed configuration is read and tried; undefined when it can be taken over. */
  readonly prepare: Call<{ readonly config: TravellingConfig }, string | undefined>
  readonly 'close-listeners': Call<{ readonly graceMs: number }, undefined>
  readonly 'close-delivery': Call<null, undefined>
}

export interface OwnerNotes {
  readonly abort: { readonly turn: number }
  /** Others wait, and no host has said a word to it. */
  readonly yield: { readonly turn: number }
  /** Every quarter of a second. `waiting`: turns whose slot another lane waits for. */
  readonly beat: {
    readonly health: SpoolHealth
    readonly lostPermits: readonly number[]
    readonly waiting: readonly number[]
  }
  readonly 'permit-free': { readonly waiter: number }
  /** Our own listeners are never dialled. */
  readonly listeners: readonly Listener[]
  readonly drain: null
  readonly resume: null
  readonly 'take-over': null
  readonly 'forget-dead-hosts': null
  readonly 'auth-failed': { readonly address: string; readonly username: string }
  readonly 'host-news': HostNews
  readonly end: null
}

export type SaidByOwner = Side<OwnerCalls, OwnerNotes>
