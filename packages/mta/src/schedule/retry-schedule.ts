/**
 * When a message is tried again and when it is given up (RFC 5321 §4.5.4.1). Pure: time and chance are arguments.
 *
 * The steady interval is at least half an hour; where the cause is of a kind that often passes quickly (no
 * connection, no DNS answer, greylisting) the first retries come sooner. What counts as such a cause is said by
 * `delivery/outcome.ts`.
 */

export interface RetryOptions {
  /** Before the 2nd, 3rd … attempt after a problem of the network; after these the steady interval. */
  readonly quickMs: readonly number[]
  /** The same after an answer as those give who take mail from strangers at the second attempt (RFC 6647 §2). */
  readonly greylistedMs: readonly number[]
  /** RFC 5321 §4.5.4.1: the interval should be at least 30 minutes. */
  readonly intervalMs: number
  /** The interval grows by this factor with every further attempt, up to `intervalMaxMs`. */
  readonly intervalGrowth: number
  readonly intervalMaxMs: number
  /** Of a delay, at most this share is added by chance, so that retries do not march in step. */
  readonly jitter: number
  /** RFC 5321 §4.5.4.1: give up after at least 4 to 5 days. */
  readonly maxAgeMs: number
  /** SMTP-54: a notification that nobody takes is worth less patience. */
  readonly dsnMaxAgeMs: number
  /** After a connection that was lost behind the final dot (architecture §3). */
  readonly ambiguousMs: number
  /** Ambiguous ends after which a recipient waits for an operator. */
  readonly ambiguousMax: number
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

export const defaultRetryOptions: RetryOptions = {
  quickMs: [5 * MINUTE_MS, 10 * MINUTE_MS, 20 * MINUTE_MS],
  // Most want to wait for five minutes (RFC 6647 §5: one minute and more), and clocks differ.
  greylistedMs: [6 * MINUTE_MS, 15 * MINUTE_MS],
  intervalMs: 30 * MINUTE_MS,
  intervalGrowth: 1.3,
  intervalMaxMs: 3 * HOUR_MS,
  jitter: 0.1,
  maxAgeMs: 5 * DAY_MS,
  dsnMaxAgeMs: 2 * DAY_MS,
  ambiguousMs: 15 * MINUTE_MS,
  ambiguousMax: 3,
}

/** How soon trying again makes sense. */
export type RetryPace = 'quick' | 'greylisted' | 'steady'

export interface AttemptSoFar {
  /** UTC milliseconds. */
  readonly now: number
  readonly expiresAt: number
  /** Completed attempts, the one that just ended included. */
  readonly attempts: number
  readonly pace: RetryPace
  /** 0 ≤ x < 1. */
  readonly chance: number
}

export type NextAttempt = { readonly kind: 'retry'; readonly dueAt: number } | { readonly kind: 'expired' }

export function nextAttempt(soFar: AttemptSoFar, options: RetryOptions = defaultRetryOptions): NextAttempt {
  const { now, expiresAt, chance } = soFar
  if (now >= expiresAt) return { kind: 'expired' }
  const delay = delayMs(soFar, options) * (1 + options.jitter * chance)
  // The last attempt comes when the time is over, not an interval later.
  return { kind: 'retry', dueAt: Math.min(now + Math.ceil(delay), expiresAt) }
}

/**
 * As many attempts as a message can have in so long, however each of them ends, and never more than `most`: an operator may
 * order others.
 */
export function attemptsWithin(ageMs: number, most: number, options: RetryOptions = defaultRetryOptions): number {
  let attempts = 1
  let passed = 0
  while (attempts < most) {
    passed += Math.min(...PACES.map((pace) => delayMs({ attempts, pace }, options)))
    // The last one comes when the time is over.
    attempts += 1
    if (passed >= ageMs) break
  }
  // Those behind an ambiguous end have a time of their own.
  return Math.min(most, attempts + options.ambiguousMax)
}

const PACES: readonly RetryPace[] = ['quick', 'greylisted', 'steady']

function delayMs({ attempts, pace }: Pick<AttemptSoFar, 'attempts' | 'pace'>, options: RetryOptions): number {
  const soon = soonerMs(pace, options)
  const first = soon[Math.max(attempts, 1) - 1]
  if (first !== undefined) return first
  const steps = Math.max(0, attempts - 1 - soon.length)
  return Math.min(options.intervalMs * options.intervalGrowth ** steps, options.intervalMaxMs)
}

function soonerMs(pace: RetryPace, { quickMs, greylistedMs }: RetryOptions): readonly number[] {
  switch (pace) {
    case 'quick':
      return quickMs
    case 'greylisted':
      return greylistedMs
    case 'steady':
      return []
  }
}

export type AfterAmbiguous = { readonly kind: 'retry'; readonly dueAt: number } | { readonly kind: 'hold' }

/**
 * The peer may have the message: another attempt may double it, none may lose it (RFC 5321 §3.8). A peer that
 * does this again and again is looked at by a person. `ambiguousCount` includes the end that just happened.
 */
export function afterAmbiguous(
  end: { readonly now: number; readonly ambiguousCount: number; readonly chance: number },
  options: RetryOptions = defaultRetryOptions,
): AfterAmbiguous {
  if (end.ambiguousCount >= options.ambiguousMax) return { kind: 'hold' }
  return { kind: 'retry', dueAt: end.now + Math.ceil(options.ambiguousMs * (1 + options.jitter * end.chance)) }
}

/** UTC milliseconds at which a message that arrived at `receivedAt` is given up. */
export function messageExpiry(
  message: { readonly receivedAt: number; readonly nullReversePath: boolean },
  options: RetryOptions = defaultRetryOptions,
): number {
  return message.receivedAt + (message.nullReversePath ? options.dsnMaxAgeMs : options.maxAgeMs)
}

/**
 * How long a whole lane rests after every host of its next hop failed, so that a thousand messages to a dead
 * host are not a thousand connections (SMTP-55). `failures` counts such turns in a row.
 */
export function laneBackoffMs(end: { readonly failures: number; readonly chance: number }): number {
  const delay = Math.min(LANE_BACKOFF_MS * 2 ** Math.max(0, end.failures - 1), LANE_BACKOFF_MS_MAX)
  return Math.ceil(delay * (1 + defaultRetryOptions.jitter * end.chance))
}

const LANE_BACKOFF_MS = MINUTE_MS
const LANE_BACKOFF_MS_MAX = 15 * MINUTE_MS
