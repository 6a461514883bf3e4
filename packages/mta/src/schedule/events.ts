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

/** What only the scheduler of many processes has to tell. */
export type LaneWorkerEvent =
  /** Lane jobs waited, slots were free, and our worker took none: it gets new connections. */
  | { readonly event: 'lane-worker-idle'; readonly idleMs: number; readonly waiting: number }
  /** The jobs' store cannot be asked. Once per outage. */
  | { readonly event: 'lane-jobs-unavailable'; readonly detail: string }
  | { readonly event: 'lane-jobs-available' }
  /** Another worker has the lane now, because ours was stopped for too long. */
  | { readonly event: 'turn-overtaken'; readonly lane: LaneId }
