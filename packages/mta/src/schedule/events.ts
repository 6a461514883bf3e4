/**
 * What the scheduler tells operators. A closed list; wording and metrics are made in `observability/`.
 */
import type { LaneId } from '../delivery/lane.ts'

export type ScheduleEvent =
  /** A turn threw: a defect of ours. The lane stays due. */
  | { readonly event: 'turn-failed'; readonly lane: LaneId; readonly detail: string; readonly retryInMs: number }
  /** The spool could not say which lanes are due; asked again shortly. */
  | { readonly event: 'schedule-refill-failed'; readonly detail: string; readonly retryInMs: number }
  /** `stop` gave up waiting for these turns. */
  | { readonly event: 'turns-abandoned'; readonly count: number }
