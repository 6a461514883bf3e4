/**
 * What the delivery history tells logs and metrics. A closed list; rendered in `observability/`.
 */
import type { HistoryTrouble } from './delivery-history.ts'

export type HistoryEvent =
  /** One commit, or one step of forgetting. */
  | {
      readonly event: 'history-written'
      readonly entries: number
      /** All that is kept now. */
      readonly records: number
      readonly usedBytes: number
      /** UTC milliseconds of the oldest; absent when nothing is kept. */
      readonly oldestAt?: number
    }
  /** Told once; it is tried again until it works. Mail is not concerned. */
  | { readonly event: 'history-failing'; readonly reason: HistoryTrouble; readonly detail: string }
  | { readonly event: 'history-recovered'; readonly afterMs: number; readonly dropped: number }
  /** Since this was last told: there was no room to wait in. */
  | { readonly event: 'history-dropped'; readonly entries: number }
