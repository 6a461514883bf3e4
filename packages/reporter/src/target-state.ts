/**
 * What becomes of each target of a report (RFC 8460 §3, §5.5): targets come and go with the record, each is tried until
 * it has taken the report or its day is over, and no other waits for it (RPT-98). Pure.
 */
import { assertNever } from '@hermetic/policy'
import type { TargetState } from './ports/result-store.ts'
import { RUA_MAX } from './record.ts'
import type { Rua } from './rua.ts'
import { nextAttempt, RETRY_FOR_MS } from './schedule.ts'
import { DAY_MS } from './utc-day.ts'

export type AttemptOutcome =
  | { readonly kind: 'queued' | 'accepted' }
  | { readonly kind: 'failed'; readonly reason: string }
  /** The target was not asked: our own limits, a stop. No attempt of its day. */
  | { readonly kind: 'not-tried'; readonly reason: string }

export interface AttemptMoment {
  /** UTC milliseconds, both. */
  readonly firstAttemptAt: number
  readonly now: number
  /** From 0 to 1. */
  readonly random: number
}

/** Our own limits end sooner than others' troubles. */
const NOT_TRIED_PAUSE_MS = 5 * 60_000
/** So that what a day's limit kept back does not come all at once. */
const NEW_DAY_SPREAD_MS = 60 * 60_000
/** A node that was away when the day of retries ended still makes the last attempt. */
const LAST_ATTEMPT_LATE_MS = 15 * 60_000

/** RPT-13: a target that is no longer published gets nothing; one that is new gets the report too. */
export function withPublished(known: readonly TargetState[], published: readonly Rua[]): readonly TargetState[] {
  const uris = new Set(published.map(({ uri }) => uri))
  const kept = known.map((state) =>
    state.state === 'waiting' && !uris.has(state.uri) ? givenUp(state, 'no-longer-published') : state,
  )
  const names = new Set(known.map(({ uri }) => uri))
  const added = [...uris]
    .filter((uri) => !names.has(uri))
    .map((uri) => ({ uri, state: 'waiting', attempts: 0 }) as const)
  // RPT-12: a record that changes from attempt to attempt multiplies nothing.
  return [...kept, ...added.slice(0, Math.max(0, RUA_MAX - known.length))]
}

export function isDue({ state, nextAt = 0 }: TargetState, now: number): boolean {
  return state === 'waiting' && nextAt <= now
}

/** RPT-100: there is no attempt after a day, also when nobody was there to make the last one. */
export function isOver({ firstAttemptAt, now }: Pick<AttemptMoment, 'firstAttemptAt' | 'now'>): boolean {
  return now > firstAttemptAt + RETRY_FOR_MS + LAST_ATTEMPT_LATE_MS
}

export function expired(target: TargetState, reason = target.reason ?? 'expired'): TargetState {
  return target.state === 'waiting' ? givenUp(target, reason) : target
}

export function afterAttempt(target: TargetState, outcome: AttemptOutcome, moment: AttemptMoment): TargetState {
  const { uri, attempts } = target
  switch (outcome.kind) {
    case 'queued':
    case 'accepted':
      return { uri, state: outcome.kind, attempts: attempts + 1 }
    case 'not-tried':
      return waitUntil(target, moment.now + NOT_TRIED_PAUSE_MS, { ...moment, reason: outcome.reason })
    case 'failed': {
      const tried = { uri, state: 'waiting', attempts: attempts + 1, reason: outcome.reason } as const
      const next = nextAttempt({ ...moment, attempts: tried.attempts })
      return next.kind === 'retry' ? { ...tried, nextAt: next.at } : givenUp(tried, outcome.reason)
    }
    default:
      return assertNever(outcome)
  }
}

/** RPT-12: its site had its share of today; days are those of UTC. */
export function afterLimit(target: TargetState, moment: AttemptMoment): TargetState {
  const tomorrow = moment.now - (moment.now % DAY_MS) + DAY_MS
  const at = tomorrow + Math.round(moment.random * NEW_DAY_SPREAD_MS)
  return waitUntil(target, at, { ...moment, reason: 'daily-limit' })
}

function waitUntil(
  target: TargetState,
  at: number,
  { firstAttemptAt, now, reason }: AttemptMoment & { reason: string },
) {
  const end = firstAttemptAt + RETRY_FOR_MS
  if (now >= end) return givenUp(target, reason)
  return { ...target, nextAt: Math.min(at, end), reason }
}

/** When the report is worked on again; undefined: every target has its end. */
export function nextDueAt(targets: readonly TargetState[]): number | undefined {
  const waiting = targets.filter(({ state }) => state === 'waiting')
  return waiting.length === 0 ? undefined : Math.min(...waiting.map(({ nextAt = 0 }) => nextAt))
}

/** RPT-99. */
export function isDelivered(targets: readonly TargetState[]): boolean {
  return targets.some(({ state }) => state === 'queued' || state === 'accepted')
}

function givenUp({ uri, attempts }: TargetState, reason: string): TargetState {
  return { uri, state: 'given-up', attempts, reason }
}
