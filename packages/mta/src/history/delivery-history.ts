/**
 * Port: what happened to messages, for some days after they are gone.
 *
 * Adapter: `adapters/sqlite-history.ts` (each node keeps its own). It passes `delivery-history.contract.ts`, which is
 * the full meaning of the promises below.
 *
 * - It is no ground truth: a crash may lose the last second, trouble may lose more. Nothing is decided by it, and
 *   delivery never waits for it.
 * - What is kept has two ends, age and bytes; the oldest goes first.
 *
 * Deliberately absent: batching, retries, what counts as worth keeping (`recorder.ts`), wording (`cli/trace-text.ts`).
 */
import type { QueueId } from '../spool/queue-id.ts'
import type { HistoryEntry } from './entry.ts'
import type { ObservedDomain } from './observed.ts'

export interface DeliveryHistory {
  /** All of them or none; rejects with `HistoryUnavailable`. At most `BATCH_MAX` at once. */
  record(batch: readonly HistoryEntry[]): Promise<HistoryUsage>
  /** Messages with all that is kept of each, the newest message first. */
  find(query: HistoryQuery): Promise<HistoryAnswer>
  /** Deliveries since a time, and which of them policies that are only observed would have refused: one page. */
  observed(query: ObservedQuery): Promise<ObservedPage>
  /** One small step: forgets some of what is too old or too much. */
  prune(): Promise<HistoryUsage & { readonly done: boolean }>
  /** Everything recorded before is kept. */
  close(): Promise<void>
}

export interface HistoryQuery {
  readonly by: HistoryKey
  /** Messages, at most `FOUND_MAX`. */
  readonly limit: number
}

export type HistoryKey =
  | { readonly kind: 'id'; readonly id: QueueId }
  /** With angle brackets or without. */
  | { readonly kind: 'message-id'; readonly messageId: string }
  /** Sender or recipient, whatever the case of its letters. */
  | { readonly kind: 'address'; readonly address: string }

export interface HistoryAnswer {
  readonly messages: readonly MessageHistory[]
  /** There are more messages than were asked for. */
  readonly more: boolean
  /** UTC milliseconds of the oldest entry that is kept, of whatever message. */
  readonly since?: number
}

export interface MessageHistory {
  readonly id: QueueId
  /** In order of time, at most `ENTRIES_MAX`: the first and the newest. */
  readonly entries: readonly HistoryEntry[]
  /** Entries that are kept and not shown. */
  readonly omitted: number
}

export interface ObservedQuery {
  /** UTC milliseconds. */
  readonly since: number
  /** Where the last page ended; absent: at the beginning. */
  readonly from?: number
}

export interface ObservedPage {
  readonly domains: readonly ObservedDomain[]
  /** There is another page; absent: this was the last. */
  readonly next?: number
  /** UTC milliseconds of the oldest entry that is kept, of whatever message. */
  readonly since?: number
}

export interface HistoryUsage {
  readonly records: number
  readonly usedBytes: number
  /** UTC milliseconds. */
  readonly oldestAt?: number
}

/** Entries of one call: a commit of some milliseconds. */
export const BATCH_MAX = 1_000
/** Messages of one answer. */
export const FOUND_MAX = 100
/** Of one message: five days of retries over many hosts are fewer. */
export const ENTRIES_MAX = 500

/** Why nothing can be kept or found now. */
export class HistoryUnavailable extends Error {
  override readonly name = 'HistoryUnavailable'
  readonly reason: HistoryTrouble

  constructor(reason: HistoryTrouble, detail: string) {
    super(detail)
    this.reason = reason
  }
}

export type HistoryTrouble =
  /** Another process has the file. */
  | 'locked'
  /** A file of something else, or of a newer version, is in its place: nothing is touched. */
  | 'foreign-file'
  | 'newer-schema'
  | 'full'
  /** It was damaged; it was moved aside and begun anew. */
  | 'damaged'
  /** It was deleted or replaced under the relay: what it held is gone, and what is there now, or a new one, is used. */
  | 'gone'
  | 'failed'
