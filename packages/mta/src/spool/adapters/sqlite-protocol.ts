/**
 * What the relay's thread and the store's thread say to each other: the operations of `store-protocol.ts` in batches;
 * contents travel as bytes in one transferred buffer per batch. The store's thread has no clock: the time comes with
 * each batch.
 */
import type { Suspect } from '../claims-journal.ts'
import type { ClaimToken } from '../spool.ts'
import type { StoreFailure } from '../store-failed.ts'
import type { StoreOperations } from '../store-protocol.ts'
import type { SpoolOpenError } from './sqlite-schema.ts'

export interface Operations extends StoreOperations {
  close: { ask: object; answer: null }
}

export type OperationName = keyof Operations
export type Ask<K extends OperationName> = Operations[K]['ask']
export type Answer<K extends OperationName> = Operations[K]['answer']

/** One operation under way; `K` distributes over the names. */
export type Request = {
  [K in OperationName]: { readonly op: K; readonly seq: number; readonly ask: Ask<K> }
}[OperationName]

export interface Batch {
  /** UTC milliseconds. */
  readonly now: number
  /** `performance.now()` of the relay's thread, the only clock of leases. */
  readonly mono: number
  readonly requests: readonly Request[]
}

export type Reply =
  | { readonly seq: number; readonly answer: Answer<OperationName> }
  | { readonly seq: number; readonly failure: StoreFailure & { readonly outcomeUnknown: boolean } }

export interface Usage {
  readonly usedBytes: number
  readonly reusableBytes: number
}

export type FromStore =
  | { readonly kind: 'ready'; readonly usage: Usage; readonly suspects: readonly Suspect[] }
  | { readonly kind: 'refused'; readonly error: SpoolOpenError }
  | {
      readonly kind: 'replies'
      readonly replies: readonly Reply[]
      /** The thread is free for the next batch. */
      readonly batchDone?: boolean
      readonly usage?: Usage
      readonly commit?: CommitFacts
    }
  /** Trouble outside any operation, e.g. in a checkpoint. */
  | { readonly kind: 'trouble'; readonly failure: StoreFailure }

export interface CommitFacts {
  readonly operations: number
  readonly durationMs: number
}

export interface StoreStart {
  readonly dataDir: string
  /** Part of every claim token, so that tokens of an earlier run never look current. */
  readonly epoch: string
  /** Leases that outlive a restart of the store's thread. */
  readonly leases: readonly { readonly token: ClaimToken; readonly untilMono: number }[]
  /** Suspects with at least so many deaths are only claimed by name; absent: never set aside. */
  readonly setAsideAfterDeaths: number | undefined
  /** Absent at the first start: `claims.journal` names them. */
  readonly suspects: readonly Suspect[] | undefined
  readonly faults: SharedArrayBuffer | undefined
  readonly weaken: { readonly synchronous?: 'NORMAL' | 'OFF' } | undefined
}
