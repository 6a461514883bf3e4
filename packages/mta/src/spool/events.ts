/**
 * What the spool tells logs and metrics: a closed list of facts without wording. Rendered in `observability/`.
 */
import type { QueueId } from './queue-id.ts'

export type SpoolEvent =
  /** One commit: the operations that shared it and how long the store took. */
  | { readonly event: 'spool-commit'; readonly operations: number; readonly durationMs: number }
  /** The store cannot commit or read: intake and claims are stopped until a trial commit works. */
  | { readonly event: 'spool-failing'; readonly detail: string }
  | { readonly event: 'spool-recovered'; readonly afterMs: number }
  /** The share of the limit at which intake or claims stop was crossed, in either direction. */
  | {
      readonly event: 'spool-room-changed'
      readonly intake: 'open' | 'full'
      readonly claims: 'open' | 'stopped'
      readonly usedBytes: number
      readonly limitBytes: number
    }
  /** What a shared store says of itself when we connect; told when it changes. */
  | { readonly event: 'spool-durable' }
  /** It may lose what it answers, and is used all the same. */
  | { readonly event: 'spool-durability-relaxed'; readonly findings: string }
  /** It is not used. */
  | { readonly event: 'spool-server-refused'; readonly findings: string }
  /** A queue of the embedded engine is in data_dir, and this engine does not look at it. */
  | { readonly event: 'spool-left-behind'; readonly path: string }
  /** The file kept for settles was given back to a full disk, or made again. */
  | { readonly event: 'spool-reserve-released' }
  | { readonly event: 'spool-reserve-restored'; readonly bytes: number }
  /** An accept without a certain outcome: answered 451, and never delivered under this id. */
  | { readonly event: 'spool-accept-voided'; readonly id: QueueId; readonly detail: string }
  /** An outcome that could not be committed and waits in `unsettled.journal`. */
  | { readonly event: 'spool-settle-journalled'; readonly id: QueueId; readonly detail: string }
  | {
      readonly event: 'spool-journal-replayed'
      readonly settlements: number
      readonly tombstones: number
      /** Lines that no checksum vouches for: at most the one that was being written. */
      readonly damagedLines: number
      /** Entries that the store refused one by one; their deliveries are tried again. */
      readonly refused: number
    }
  /** A settle came after its lease had been taken over. */
  | {
      readonly event: 'spool-settle-merged'
      readonly id: QueueId
      readonly closed: number
      readonly ignored: number
    }
  | { readonly event: 'spool-orphan-removed'; readonly name: string }
  /** Messages that were in flight when the relay last died without a clean stop. */
  | { readonly event: 'spool-suspects-found'; readonly ids: readonly QueueId[] }
  | { readonly event: 'spool-message-quarantined'; readonly id: QueueId; readonly reason: string }
  | { readonly event: 'spool-content-unreadable'; readonly id: QueueId; readonly detail: string }
  /** The thread that owns the store ended and was started again; leases were carried over. */
  | { readonly event: 'spool-thread-restarted'; readonly detail: string }
