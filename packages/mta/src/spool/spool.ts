/**
 * Port: where accepted mail rests until every recipient is settled (architecture §3).
 *
 * Adapters: `adapters/sqlite-spool.ts` (the reference); Redis comes later. Both pass `spool.contract.ts`,
 * which is the full meaning of the promises below.
 *
 * - `accept` answers after a commit that a power cut cannot undo; within a minute in any case, then with `unavailable`.
 * - Every mutating call carries an id made by the caller; repeating it answers `already-done`.
 * - `settle` is one transaction: recipient states, next due, marks and the messages it causes (DSNs, with
 *   deterministic ids) commit or fail together.
 * - Not able is not "no": any store trouble is `unavailable` or `full`, never a wrong answer.
 *
 * Deliberately absent: retry times, routes, DSN wording, TLS. The spool stores what others decided.
 */
import type { Readable } from 'node:stream'
import type { LaneId } from '../delivery/lane.ts'
import type { DeliveryProblem, RecipientOutcome } from '../delivery/outcome.ts'
import type { Envelope, Recipient } from '../smtp/envelope.ts'
import type { MailClass } from './mail-class.ts'
import type { QueueId } from './queue-id.ts'

export interface Spool {
  /** A place for the content of a message that is still arriving: memory first, a file past the inline size. */
  stage(id: QueueId): ContentSink
  accept(message: NewMessage): Promise<AcceptOutcome>
  /**
   * Deliveries of the lane whose time has come, by class of mail and oldest due first, leased to the caller. A lower class
   * that is left waiting has its claim in time. None while claims are stopped.
   */
  claim(lane: LaneId, options: { readonly limit: number; readonly leaseMs: number }): Promise<readonly Claim[]>
  /** Extends leases; answers which are still ours. */
  renew(tokens: readonly ClaimToken[], leaseMs: number): Promise<ReadonlySet<ClaimToken>>
  /** A lease that ended but that nobody took over still counts in full. Rejects when not even the journal can be written. */
  settle(token: ClaimToken, settlement: Settlement): Promise<SettleOutcome>
  /** Gives claims back untouched: due again at once, no attempt charged. */
  release(tokens: readonly ClaimToken[]): Promise<void>
  /** Lanes with unclaimed work due at or before that time, earliest first. None while claims are stopped. */
  dueLanes(options: { readonly before: number; readonly limit: number }): Promise<readonly DueLane[]>
  /** The content of a message, verified against its hash; rejects with `ContentUnreadable`. */
  open(id: QueueId): Promise<Content>
  readonly admin: SpoolAdmin
  /** Why intake or claims are stopped, if they are. Cheap: read for every connection. */
  health(): SpoolHealth
  close(): Promise<void>
}

export interface NewMessage {
  readonly id: QueueId
  readonly envelope: Envelope
  readonly recipients: readonly Recipient[]
  /** A partition of the recipients by next hop. */
  readonly deliveries: readonly {
    readonly lane: LaneId
    readonly recipients: readonly number[]
    /** It waits for the end of this rule. */
    readonly held?: HeldByRule
  }[]
  /** UTC milliseconds. */
  readonly receivedAt: number
  readonly expiresAt: number
  readonly content: NewContent
  /** For `queue list` and traces: the Message-ID as it stands in the header. */
  readonly messageIdHeader?: string
}

/** A rule of operators that keeps mail back (`holds/`). */
export interface HeldByRule {
  readonly rule: string
  readonly reason: string
}

export type NewContent =
  | { readonly kind: 'memory'; readonly bytes: Uint8Array }
  /** Written and fsynced by `stage`, not yet under its final name. */
  | { readonly kind: 'staged'; readonly path: string; readonly size: number; readonly sha256: string }

/** Receives content; bounded by backpressure: await `write` before the next. */
export interface ContentSink {
  /**
   * Keeps room on top for octets that are known only at the end, as a signature over all of the content is. Before
   * the first write, and then `finish` must bring exactly as many.
   */
  reserve(octets: number): void
  /** The chunk belongs to the sink from now on: it must not change. */
  write(chunk: Uint8Array): Promise<void>
  /** After this every byte is where `accept` finds it. */
  finish(top?: Uint8Array): Promise<NewContent>
  /** Also after `finish`, when the message is not handed to `accept` after all. */
  discard(): Promise<void>
}

export type AcceptOutcome =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'already-done' }
  /** The size limits of the store are reached: 452 4.3.1. */
  | { readonly kind: 'full' }
  /** The commit failed or its outcome is unknown: 451. The id is never accepted later (tombstone). */
  | { readonly kind: 'unavailable'; readonly detail: string }

export type ClaimToken = string & { readonly __brand: 'ClaimToken' }

export interface Claim {
  readonly token: ClaimToken
  readonly id: QueueId
  readonly lane: LaneId
  readonly envelope: Envelope
  /** The recipients that are still open. */
  readonly recipients: readonly OpenRecipient[]
  readonly receivedAt: number
  readonly expiresAt: number
  /** Completed attempts before this one. */
  readonly attempts: number
  /** UTC milliseconds: since when it could have been given out. */
  readonly dueAt?: number
  /** When the lease ends, on this process' monotonic clock (`performance.now()`). */
  readonly leaseUntilMono: number
  readonly marks: DeliveryMarks
  /** In the lane of notices: what its sender is to be told. The recipients of such a claim are none. */
  readonly toReport?: readonly RecipientToReport[]
}

/** A copy of what became of a recipient: it may be open still, in a delivery of its own. */
export interface RecipientToReport extends Recipient {
  readonly lastOutcome: RecipientOutcome
}

export interface OpenRecipient extends Recipient, ChosenWay {
  readonly ambiguousCount: number
  readonly lastProblem?: DeliveryProblem
}

/** What an operator's order says of a recipient's way. */
export interface ChosenWay {
  /** The lane of a route; absent: as the configuration routes it. */
  readonly via?: LaneId
}

export interface DeliveryMarks {
  /** UTC milliseconds of the delay notice, once one was sent. */
  readonly delayNoticeAt?: number
}

export interface Settlement {
  /** Made by the caller: `<claim>/<attempt>`; a repetition is `already-done`. */
  readonly id: string
  readonly outcomes: readonly RecipientOutcome[]
  readonly enqueue: readonly NewMessage[]
  /** What the sender is to be told later: each is a delivery of its own, and keeps the message until it is settled. */
  readonly notices?: readonly NoticeToCome[]
  readonly marks: DeliveryMarks
  /**
   * Hold the delivery for an operator after this settle, e.g. after the third ambiguous end. When some
   * outcomes are ambiguous only those recipients are held; the others stay queued.
   */
  readonly hold?: string
  /** Quarantine what is still open, e.g. because its content is unreadable. */
  readonly quarantine?: string
  /**
   * The attempt goes on, and so does the claim: only what peers have taken so far is written. Nothing but `delivered`
   * counts, and no attempt. What closes the last recipient ends the claim all the same.
   */
  readonly keepClaim?: true
  /**
   * No attempt was made: these recipients wait for the end of a rule from now on, the others wait as before. Such a
   * settlement has no outcomes.
   */
  readonly heldByRules?: readonly (HeldByRule & { readonly recipients: readonly number[] })[]
  /**
   * No attempt was made, and none is counted: the outcomes say only why mail waits, and all of it waits as before, or
   * until then (UTC milliseconds).
   */
  readonly untried?: { readonly dueAt?: number }
}

export interface NoticeToCome {
  readonly lane: LaneId
  /** UTC milliseconds. */
  readonly dueAt: number
  /** By index: recipients with an outcome in the same settlement. */
  readonly recipients: readonly number[]
}

export type SettleOutcome =
  | { readonly kind: 'settled' }
  | { readonly kind: 'already-done' }
  /** Another claim had taken over: `delivered` closed recipients that were still open, the rest was ignored. */
  | { readonly kind: 'merged'; readonly closed: number; readonly ignored: number }
  /** Written to `unsettled.journal` (fsynced), replayed before the first claim after a start. */
  | { readonly kind: 'journalled'; readonly detail: string }

export interface DueLane {
  readonly lane: LaneId
  /** UTC milliseconds of its earliest unclaimed delivery. */
  readonly dueAt: number
}

export type Content =
  | { readonly kind: 'memory'; readonly size: number; readonly bytes: Uint8Array }
  | { readonly kind: 'file'; readonly size: number; open(): Readable }

export interface SpoolHealth {
  /** `full`: 85 % of the limit; `failing`: the last commit failed. */
  readonly intake: 'open' | 'full' | 'failing'
  /** Claims stop at 95 %, or while the store fails. */
  readonly claims: 'open' | 'stopped'
  readonly detail: string
  readonly usedBytes: number
  readonly maxBytes: number
}

/** What operators ask and order; never on the delivery path. */
export interface SpoolAdmin {
  list(filter: QueueFilter, page: { readonly limit: number; readonly after?: QueueId }): Promise<readonly QueueEntry[]>
  /** The same with an end: so many messages are looked at, and what matches among the others is for the next call. */
  page(filter: QueueFilter, page: QueuePlace): Promise<QueuePage>
  show(id: QueueId): Promise<QueueEntry | undefined>
  /** Applies to each matching delivery that is not claimed; answers what was done to each message. */
  change(ids: readonly QueueId[], action: QueueAction): Promise<readonly QueueChange[]>
  summary(): Promise<QueueSummary>
  /** Both of one look at the queue, as far as possible. */
  overview(ask: ShapeWish): Promise<{ readonly summary: QueueSummary; readonly shape: QueueShape }>
  /** What waits, by name and age. */
  shape(ask: ShapeWish): Promise<QueueShape>
}

export interface QueueFilter {
  readonly lane?: LaneId
  readonly domain?: string
  readonly sender?: string
  readonly state?: 'queued' | 'held' | 'quarantined'
  readonly tag?: string
  /** UTC milliseconds: what arrived before this moment. */
  readonly arrivedBefore?: number
  /** What this rule holds. */
  readonly rule?: string
}

export interface QueuePlace {
  readonly limit: number
  readonly after?: QueueId
  /** Messages; 50,000 at most, and if it is not said. */
  readonly look?: number
}

export interface QueuePage {
  readonly entries: readonly QueueEntry[]
  /** Where to go on; absent: nothing else matches. */
  readonly more?: QueueId
}

export type QueueAction =
  | { readonly kind: 'retry' }
  /** `withNotices`, when all of the message leaves: also what its sender is still to be told. */
  | { readonly kind: 'hold'; readonly reason: string; readonly withNotices?: true }
  /**
   * Queues again what is held or quarantined, due now. What a rule holds is released with that rule named, and only
   * then: it would be held again.
   */
  | { readonly kind: 'release'; readonly rule?: string }
  | { readonly kind: 'quarantine'; readonly reason: string }
  /** Removes the open recipients; `notify`: their sender is told that they failed, as far as it wants to hear of that. */
  | { readonly kind: 'cancel'; readonly notify?: true }
  /**
   * Moves deliveries from the lanes that are keys to the lanes that they name, and makes due what is queued; what is held
   * stays so. `via` is the way of their open recipients from now on; `usual` ends a choice; absent: choices stay.
   */
  | { readonly kind: 'reroute'; readonly lanes: Readonly<Record<string, LaneId>>; readonly via?: LaneId | 'usual' }

export interface QueueChange {
  readonly id: QueueId
  /** `kept-by-policy`: it is not handed to a relay of the operator's choice, because a policy keeps it back. */
  readonly result: 'done' | 'not-found' | 'in-delivery' | 'nothing-to-do' | 'kept-by-policy'
}

export interface QueueEntry {
  readonly id: QueueId
  readonly envelope: Envelope
  readonly messageIdHeader?: string
  readonly receivedAt: number
  readonly expiresAt: number
  readonly deliveries: readonly QueueDelivery[]
}

export interface QueueDelivery {
  readonly lane: LaneId
  readonly state: 'queued' | 'in-delivery' | 'held' | 'quarantined' | 'settled'
  readonly stateReason?: string
  /** What holds it is a rule, and no operator's order. */
  readonly rule?: string
  readonly attempts: number
  readonly dueAt: number
  readonly recipients: readonly QueueRecipient[]
}

export interface QueueRecipient extends Recipient, ChosenWay {
  readonly state: RecipientState
  readonly lastOutcome?: RecipientOutcome
}

/** `to-report`: a copy, in a delivery that waits for its sender to be told. */
export type RecipientState = 'open' | 'delivered' | 'failed' | 'cancelled' | 'to-report'

/** Of what: next hops and domains of recipients count deliveries that are queued, the others all messages. */
export type ShapeBy = 'lane' | 'domain' | 'sender' | 'tag'

export interface ShapeWish {
  readonly by: ShapeBy
  /** UTC milliseconds. */
  readonly now: number
  readonly limit: number
}

export interface QueueShape {
  readonly by: ShapeBy
  /** Ends of the age classes in milliseconds; the last class has no end. */
  readonly ages: readonly number[]
  /** Those with most first; the name of messages without a tag, or of the null reverse-path, is empty. */
  readonly rows: readonly ShapeRow[]
  /** What is not in a row of its own. */
  readonly others: { readonly names: number; readonly counts: readonly number[] }
}

export interface ShapeRow {
  readonly name: string
  /** One number for each age class. */
  readonly counts: readonly number[]
  /** UTC milliseconds. */
  readonly oldestReceivedAt: number
}

export interface QueueSummary {
  readonly messages: number
  readonly recipientsOpen: number
  readonly held: number
  /** Of those that are held. */
  readonly heldByRules: number
  readonly quarantined: number
  readonly bytes: number
  /** UTC milliseconds of the oldest message, when there is one. */
  readonly oldestReceivedAt?: number
  /** Deliveries that are queued. */
  readonly classes: Readonly<Record<MailClass, number>>
  /** With mail that is queued. */
  readonly laneCount: number
  /** Those with most waiting. */
  readonly lanes: readonly QueuedLane[]
  /** Those whose mail has waited longest. */
  readonly oldestLanes: readonly QueuedLane[]
  /** Those of most messages. */
  readonly tags: readonly { readonly tag: string; readonly messages: number; readonly oldestReceivedAt: number }[]
}

export interface QueuedLane {
  readonly lane: LaneId
  readonly deliveries: number
  /** UTC milliseconds. */
  readonly oldestReceivedAt: number
}

/** Any trouble of the store behind a query; the caller tries later. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}

/** The bytes of one message are missing or damaged: quarantine that message, nothing else. */
export class ContentUnreadable extends Error {
  override readonly name = 'ContentUnreadable'
}
