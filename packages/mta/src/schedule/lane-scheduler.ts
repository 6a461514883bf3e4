/**
 * Port: gives a lane whose time has come to one worker per slot (architecture §3).
 *
 * Promises: a due lane is run within a second; a wake is never lost (also not one that arrives while the
 * lane's last claim comes back empty); a turn that throws leaves its lane due. The schedule is derived:
 * it can be rebuilt from `Spool.dueLanes` at any time.
 */
import type { LaneId } from '../delivery/lane.ts'
import { mailClassOf } from '../spool/mail-class.ts'

export interface LaneScheduler {
  /** Starts giving turns, at most `slots` at once over all lanes. Called once. */
  run(turn: Turn, options: { readonly slots: number }): Promise<void>
  /**
   * Says that the lane may have work at `dueAt` (UTC ms; now when absent). Cheap, never throws. A lane that
   * backs off stays so, unless an operator ordered the wake. A lane with urgent mail goes before others.
   */
  wake(lane: LaneId, dueAt?: number, why?: WakeReason): void
  /**
   * No new turns here until `resume`, and other processes get the lanes at once; aborts the signals of running turns and
   * waits for them, at most `graceMs`. Also before `run`. Wakes are heard all the same.
   */
  pause(graceMs: number): Promise<void>
  /** Ends a pause, also one that still waits. */
  resume(): void
  /** No new turns for good; aborts the signals of running ones and waits for them, at most `graceMs`. */
  stop(graceMs: number): Promise<void>
}

/** `urgent`: the work is mail of the top class. */
export type WakeReason = 'operator' | 'urgent'

/** Of new mail with this priority. */
export function wakeReason(priority: number | undefined): WakeReason | undefined {
  return mailClassOf(priority) === 'urgent' ? 'urgent' : undefined
}

export type Turn = (lane: LaneId, context: TurnContext) => Promise<TurnEnd>

export interface TurnContext {
  /** 0 for the first worker on this lane. */
  readonly slot: number
  readonly signal: AbortSignal
  /**
   * Aborted when this turn is to end because other lanes wait and no host says a word to it: what has not begun goes
   * back, what is behind its final dot goes on.
   */
  readonly yielding: AbortSignal
  /** Another lane waits for this slot: end the turn when the batch is done. */
  othersWaiting(): boolean
  /** There is more work than this turn takes: give the lane another slot when the limit allows. */
  wakeAnother(): void
  /** A host has said something: it is there, though nothing has moved yet. */
  heard(): void
  /** The peer took or refused something: this lane does not belong to those without progress. */
  progressed(): void
}

export type TurnEnd =
  /** Nothing is due now: the spool says when it is next. */
  | { readonly kind: 'idle' }
  /** Work is left: the lane queues again behind the others. */
  | { readonly kind: 'more' }
  /** No permit: the lane waits until `wake` is called for it, or this long. */
  | { readonly kind: 'parked'; readonly retryAfterMs: number }
  /** The whole next hop failed: no other turn before this time (UTC ms). */
  | { readonly kind: 'backoff'; readonly until: number }
