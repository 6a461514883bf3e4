/**
 * What the relay's thread and the history's thread say to each other.
 */
import type { HistoryAnswer, HistoryQuery, HistoryUsage, ObservedPage, ObservedQuery } from '../delivery-history.ts'
import type { HistoryFailure } from './sqlite-history-schema.ts'
import type { NewChunk } from './sqlite-history-store.ts'

export interface HistoryStart {
  readonly path: string
  /** Tests only: pages of the file, beyond which it is full. */
  readonly pagesMax?: number
  /** A damaged file is moved aside and begun anew; only its owner may. */
  readonly mend: boolean
}

export interface HistoryOperations {
  record: { ask: NewChunk; answer: HistoryUsage }
  find: { ask: HistoryQuery; answer: HistoryAnswer }
  observed: { ask: ObservedQuery; answer: ObservedPage }
  prune: {
    ask: { readonly before: number; readonly maxBytes: number }
    answer: HistoryUsage & { readonly done: boolean }
  }
  close: { ask: object; answer: null }
}

export type HistoryOperation = keyof HistoryOperations

/** One operation under way; `K` distributes over the names. */
export type HistoryRequest = {
  [K in HistoryOperation]: { readonly op: K; readonly seq: number; readonly ask: HistoryOperations[K]['ask'] }
}[HistoryOperation]

export type HistoryReply =
  | { readonly seq: number; readonly answer: HistoryOperations[HistoryOperation]['answer'] }
  | { readonly seq: number; readonly failure: HistoryFailure }
