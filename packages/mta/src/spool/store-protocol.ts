/**
 * What the spool (`stored-spool.ts`) asks of a store, whichever engine it is: each operation, its answer, and the
 * records that go to and fro. Envelopes and recipients travel as JSON text made once by the side that has the values.
 */
import type { LaneId } from '../delivery/lane.ts'
import type { PlacedContent } from './content-store.ts'
import type { MailClass } from './mail-class.ts'
import type { MendReport } from './mend-report.ts'
import type { DeliveryState, SpooledDelivery } from './message-state.ts'
import type { QueueId } from './queue-id.ts'
import type {
  ClaimToken,
  DueLane,
  HeldByRule,
  QueueAction,
  QueueChange,
  QueueFilter,
  QueueShape,
  Settlement,
  SettleOutcome,
  ShapeBy,
} from './spool.ts'

/** Every rejection is a `StoreFailed`. */
export interface SpoolStore {
  ask<K extends keyof StoreOperations>(op: K, ask: StoreOperations[K]['ask']): Promise<StoreOperations[K]['answer']>
  /** How long the oldest operation has been waiting, in milliseconds. */
  waitingMs(): number
}

export interface MessageRecord {
  readonly id: QueueId
  readonly envelope: string
  readonly sender: string
  readonly messageIdHeader?: string
  readonly receivedAt: number
  readonly expiresAt: number
  readonly size: number
  readonly content: PlacedContent
  readonly deliveries: readonly NewDeliveryRecord[]
}

export interface NewDeliveryRecord {
  readonly lane: LaneId
  readonly dueAt: number
  readonly held?: HeldByRule
  /** JSON of `SpooledRecipient[]`. */
  readonly recipients: string
  readonly open: number
  /** Their domains, each between spaces. */
  readonly domains: string
}

export interface ClaimRecord {
  readonly token: ClaimToken
  readonly id: QueueId
  readonly lane: LaneId
  readonly envelope: string
  readonly recipients: string
  readonly receivedAt: number
  readonly expiresAt: number
  readonly dueAt: number
  readonly attempts: number
  readonly delayNoticeAt: number | null
}

export interface EntryRecord {
  readonly id: QueueId
  readonly envelope: string
  readonly messageIdHeader: string | null
  readonly receivedAt: number
  readonly expiresAt: number
  /** Of the content. */
  readonly size: number
  readonly deliveries: readonly EntryDeliveryRecord[]
}

export interface EntryDeliveryRecord {
  readonly lane: LaneId
  readonly state: DeliveryState | 'in-delivery'
  readonly reason: string | null
  readonly rule: string | null
  readonly attempts: number
  readonly dueAt: number
  readonly delayNoticeAt: number | null
  readonly recipients: string
}

/** A message as another spool kept it, with all that has become of it. */
export interface WholeRecord extends Omit<MessageRecord, 'deliveries'> {
  readonly deliveries: readonly SpooledDelivery[]
}

export interface SummaryRecord {
  readonly messages: number
  readonly recipientsOpen: number
  readonly held: number
  readonly heldByRules: number
  readonly quarantined: number
  readonly bytes: number
  readonly oldestReceivedAt: number | null
  /** Deliveries that are queued. */
  readonly classes: Readonly<Record<MailClass, number>>
  readonly laneCount: number
  /** Those with most waiting. */
  readonly lanes: readonly LaneTotals[]
  /** Those whose mail has waited longest. */
  readonly oldestLanes: readonly LaneTotals[]
  /** Those of most messages. */
  readonly tags: readonly TagTotals[]
}

/** The shape by lane comes of the same walk. */
export interface SummaryAnswer extends SummaryRecord {
  readonly laneShape?: QueueShapeRecord
}

export interface TagTotals {
  readonly tag: string
  readonly messages: number
  readonly oldestReceivedAt: number
}

export interface LaneTotals {
  readonly lane: LaneId
  readonly deliveries: number
  readonly oldestReceivedAt: number
}

/** A message that left the spool with this operation. */
export interface Gone {
  readonly id: QueueId
  /** Its content is a file, to be unlinked now. */
  readonly inFile: boolean
  readonly size: number
}

export type ReadReply =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'file'; readonly size: number; readonly sha256: Uint8Array }
  | { readonly kind: 'missing' }
  | { readonly kind: 'damaged' }

export interface ShapeAsk {
  readonly by: ShapeBy
  /** UTC milliseconds, later ones first: what arrived before each is older than it says. */
  readonly edges: readonly number[]
  readonly limit: number
}

export type QueueShapeRecord = Pick<QueueShape, 'rows' | 'others'>

export interface ListAsk {
  readonly filter: QueueFilter
  readonly limit: number
  readonly after: QueueId | ''
  /** Messages looked at, about; whatever matches among the others waits for the next call. */
  readonly look: number
}

export interface ListAnswer {
  readonly entries: readonly EntryRecord[]
  /** Up to where it has looked; empty: nothing else matches. */
  readonly more: QueueId | ''
}

export interface ExpiredAsk {
  /** UTC milliseconds: expired after this, and at or before that. */
  readonly after: number
  readonly before: number
  /** What became due after its age was over, as by an operator's release, has time for one attempt: until then. */
  readonly dueBefore: number
  readonly limit: number
  readonly leaseMs: number
}

export interface UntoldAsk {
  /** UTC milliseconds. */
  readonly arrivedBefore: number
  /** Where the walk goes on; empty: at the beginning. */
  readonly after: string
  readonly leaseMs: number
}

export interface UntoldAnswer {
  readonly claims: readonly ClaimRecord[]
  readonly after: string
  /** Nothing older is left for now. */
  readonly ended: boolean
}

/** Each operation: what is asked, what is answered. */
export interface StoreOperations {
  accept: { ask: { readonly message: MessageRecord }; answer: 'accepted' | 'already-done' | 'void' }
  settle: {
    ask: {
      readonly token: ClaimToken
      readonly settlement: Omit<Settlement, 'enqueue'>
      readonly enqueue: readonly MessageRecord[]
      /** From the journal: there may be no lease to hold. */
      readonly replay: boolean
    }
    answer: { readonly outcome: SettleOutcome; readonly gone: readonly Gone[] }
  }
  change: {
    ask: { readonly ids: readonly QueueId[]; readonly action: QueueAction; readonly breakLeases: boolean }
    answer: { readonly changes: readonly QueueChange[]; readonly gone: readonly Gone[] }
  }
  /** Removes what an accept of unknown outcome may have left, and refuses these ids from now on. */
  void: { ask: { readonly ids: readonly QueueId[] }; answer: readonly Gone[] }
  probe: { ask: object; answer: null }
  /** Takes messages in as they are, all or none, and remembers how far their file has come: it must stand at `from`. */
  enter: {
    ask: {
      readonly messages: readonly WholeRecord[]
      readonly file: string
      readonly from: number
      readonly upTo: number
    }
    answer: readonly ('entered' | 'already-there')[] | 'overtaken'
  }
  /** The `upTo` of the last `enter` from that file; 0: none. */
  'entered-up-to': { ask: { readonly file: string }; answer: number }
  /** Removes messages of which nothing is queued or given out; answers which. */
  /** Compares what is derived from the messages with them, and mends it when `fix` says so. */
  mend: { ask: { readonly fix: boolean }; answer: MendReport }
  'take-out': { ask: { readonly ids: readonly QueueId[] }; answer: readonly Gone[] }
  claim: {
    ask: { readonly lane: LaneId; readonly limit: number; readonly leaseMs: number }
    answer: readonly ClaimRecord[]
  }
  'claim-message': { ask: { readonly id: QueueId; readonly leaseMs: number }; answer: readonly ClaimRecord[] }
  /** What is over its age and waits all the same; leased to the caller. */
  'claim-expired': { ask: ExpiredAsk; answer: readonly ClaimRecord[] }
  /** The walk over old mail in the order of arrival: deliveries whose senders were told of no delay. */
  'claim-untold': { ask: UntoldAsk; answer: UntoldAnswer }
  'hold-rules': { ask: object; answer: readonly string[] }
  'put-hold-rule': { ask: { readonly id: string; readonly rule: string }; answer: null }
  'drop-hold-rule': { ask: { readonly id: string }; answer: null }
  renew: { ask: { readonly tokens: readonly ClaimToken[]; readonly leaseMs: number }; answer: readonly ClaimToken[] }
  release: { ask: { readonly tokens: readonly ClaimToken[] }; answer: null }
  'due-lanes': { ask: { readonly before: number; readonly limit: number }; answer: readonly DueLane[] }
  read: { ask: { readonly id: QueueId }; answer: ReadReply }
  known: { ask: { readonly ids: readonly QueueId[] }; answer: readonly QueueId[] }
  show: { ask: { readonly id: QueueId }; answer: EntryRecord | null }
  list: {
    ask: ListAsk
    answer: ListAnswer
  }
  summary: { ask: { readonly lanes?: Omit<ShapeAsk, 'by'> }; answer: SummaryAnswer }
  shape: { ask: ShapeAsk; answer: QueueShapeRecord }
  'clear-suspect': { ask: { readonly id: QueueId }; answer: null }
}

export type StoreOperationName = keyof StoreOperations
export type StoreAsk<K extends StoreOperationName> = StoreOperations[K]['ask']
export type StoreAnswer<K extends StoreOperationName> = StoreOperations[K]['answer']
