/**
 * Port: whole messages out of a spool and into another, whichever engines they are (`queue export`, `queue import`).
 * Both engines pass `spool-moves.contract.ts`.
 *
 * - What enters is as it was: states, times, attempts and last outcomes of every recipient; ids stay.
 * - A batch enters completely or not at all, together with how far its file has come, so that a repetition doubles
 *   nothing, also when the mail has been delivered in between.
 * - What leaves cannot be in anybody's hands: only messages of which nothing is queued or given out.
 *
 * Deliberately absent: files and their form (`queue-file/`), and who may move when (`queue-move/`).
 */
import type { QueueId } from './queue-id.ts'
import type { Content, ContentSink, NewContent } from './spool.ts'
import type { SpooledMessage, WholeMessage } from './whole-message.ts'

export interface SpoolMoves {
  /** Messages in the order of their ids. A long walk is not one moment's picture. */
  page(at: { readonly after?: QueueId; readonly limit: number }): Promise<readonly SpooledMessage[]>
  find(id: QueueId): Promise<SpooledMessage | undefined>
  /** The content, verified and not kept in memory; rejects with `ContentUnreadable`. */
  open(id: QueueId): Promise<Content>
  stage(id: QueueId): ContentSink
  /** Rejects with `StoreUnavailable` when it cannot be said whether the batch is in: then the file goes on from `enteredUpTo`. */
  enter(batch: EnteringBatch): Promise<EnterOutcome>
  /** The `upTo` of the last batch from that file; 0: none. */
  enteredUpTo(file: string): Promise<number>
  /** Remembers that messages leave with that file. */
  markLeaving(file: string): Promise<void>
  isLeaving(file: string): Promise<boolean>
  /** Answers what has left. */
  takeOut(ids: readonly QueueId[]): Promise<readonly QueueId[]>
}

export interface EnteringMessage {
  readonly message: WholeMessage
  readonly content: NewContent
}

export interface EnteringBatch {
  readonly messages: readonly EnteringMessage[]
  /** The name that the file has for ever. */
  readonly file: string
  /** Messages of the file before this batch, and up to and with it. */
  readonly from: number
  readonly upTo: number
}

export type EnterOutcome =
  | { readonly kind: 'entered'; readonly entered: number; readonly alreadyThere: number }
  /** The file stands elsewhere: somebody else takes it in too. Nothing of the batch is in. */
  | { readonly kind: 'overtaken' }
  /** The size limits of the store are reached: nothing of the batch is in. */
  | { readonly kind: 'full'; readonly detail: string }
