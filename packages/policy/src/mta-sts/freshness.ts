/**
 * What to do about the policy of a domain: use the cached one, fetch, or go without (RFC 8461 §3.3, §5.1, §10.2).
 *
 * The decision is the tables below: what is held × what DNS said × on which occasion. Every cell is a tested rule.
 * Knows neither DNS nor HTTPS nor the store; time and chance are arguments. Pure.
 */
import type { CachedPolicy } from '../ports/policy-cache.ts'
import type { StsPolicy } from './policy-file.ts'
import type { RecordAnswer } from './record-lookup.ts'

export type Occasion =
  /** A message is to be delivered. */
  | 'delivery'
  /** The background refresh. */
  | 'refresh'
  /** Delivery failed validation in a way that a new policy could cure (architecture, decision 3). */
  | 'refetch'

/** What there is when no fetch gives a policy. */
export type Fallback = 'nothing' | 'cached'

export type Course =
  | { readonly kind: 'use'; readonly what: Fallback }
  /** `failureCounts`: a failure is told to the operator and reported (RFC 8461 §3.3, §6). */
  | { readonly kind: 'fetch'; readonly otherwise: Fallback; readonly failureCounts: boolean }
  /** A fetch is wanted, but the last one failed, or was forced, a short time ago. */
  | { readonly kind: 'wait'; readonly meanwhile: Fallback; readonly until: number }

export interface FreshnessFacts {
  readonly occasion: Occasion
  readonly cached: CachedPolicy | undefined
  readonly record: RecordAnswer
  /** Of the last fetch that failed. */
  readonly backOff: BackOff | undefined
  /** When the next forced fetch is allowed. */
  readonly refetchFrom: number
  /** UTC milliseconds, like every time here. */
  readonly now: number
}

export interface BackOff {
  readonly id: string
  readonly until: number
}

/** RFC 8461 §3.3: at least five minutes after a failed fetch for the same id. */
export const BACK_OFF_MS = 5 * 60_000
/** Architecture, decision 3: one forced fetch in five minutes for a domain. */
export const REFETCH_PAUSE_MS = 5 * 60_000
const DAY_MS = 86_400_000
/** RFC 8461 §10.2 suggests once a day; a policy that lives for less gets four chances. */
const REFRESHES_PER_LIFETIME = 4
/** What is shorter-lived than this is fetched when mail comes. */
const REFRESH_MIN_MS = 5 * 60_000

const NOTHING = { kind: 'use', what: 'nothing' } as const
const CACHED = { kind: 'use', what: 'cached' } as const
const FETCH = { kind: 'fetch', otherwise: 'nothing', failureCounts: true } as const
const FETCH_OR_CACHED = { kind: 'fetch', otherwise: 'cached', failureCounts: true } as const
/** RFC 8461 §3.3: no alert when the cached mode is `none`. */
const FETCH_QUIETLY = { kind: 'fetch', otherwise: 'cached', failureCounts: false } as const

/** `nothing`: no entry, or one that has expired. An expired one is not revived by its id (RFC 8461 §5). */
type Held = 'nothing' | 'policy' | 'none'
type Heard = 'absent' | 'unusable' | 'failed' | 'same-id' | 'other-id'
type Table = Readonly<Record<Held, Readonly<Record<Heard, Course>>>>

// biome-ignore format: a table
const DELIVERY: Table = {
  nothing: { absent: NOTHING, unusable: NOTHING, failed: NOTHING, 'same-id': FETCH,  'other-id': FETCH },
  policy:  { absent: CACHED,  unusable: CACHED,  failed: CACHED,  'same-id': CACHED, 'other-id': FETCH_OR_CACHED },
  none:    { absent: CACHED,  unusable: CACHED,  failed: CACHED,  'same-id': CACHED, 'other-id': FETCH_OR_CACHED },
}

/**
 * Regardless of the record (RFC 8461 §10.2): what DNS says can be forged, what the policy host says cannot. A `none`
 * whose record is gone is a domain on its way out of MTA-STS (RFC 8461 §8.3): nobody asks its policy host any more.
 */
// biome-ignore format: a table
const REFRESH: Table = {
  nothing: { absent: NOTHING, unusable: NOTHING, failed: NOTHING, 'same-id': NOTHING, 'other-id': NOTHING },
  policy:  { absent: FETCH_OR_CACHED, unusable: FETCH_OR_CACHED, failed: FETCH_OR_CACHED, 'same-id': FETCH_OR_CACHED, 'other-id': FETCH_OR_CACHED },
  none:    { absent: CACHED, unusable: CACHED, failed: CACHED, 'same-id': FETCH_QUIETLY, 'other-id': FETCH_OR_CACHED },
}

/** Only a policy that can forbid something is worth a forced fetch. */
const REFETCH: Table = { ...DELIVERY, policy: REFRESH.policy }

const TABLES: Readonly<Record<Occasion, Table>> = { delivery: DELIVERY, refresh: REFRESH, refetch: REFETCH }

export function freshness(facts: FreshnessFacts): Course {
  const { occasion, cached, record, backOff, refetchFrom, now } = facts
  const heard = hears(record, cached)
  const course = TABLES[occasion][holds(cached, now)][heard]
  if (course.kind !== 'fetch') return course
  if (backOff !== undefined && now < backOff.until && backOff.id === announcedId(record, cached)) {
    return { kind: 'wait', meanwhile: course.otherwise, until: backOff.until }
  }
  // A changed id is followed at once.
  if (occasion === 'refetch' && heard !== 'other-id' && now < refetchFrom) {
    return { kind: 'wait', meanwhile: course.otherwise, until: refetchFrom }
  }
  return course
}

/** The id that a fetch is for: what DNS announces now, else what it announced for the cached policy. */
export function announcedId(record: RecordAnswer, cached: CachedPolicy | undefined): string | undefined {
  return record.kind === 'record' ? record.id : cached?.id
}

/** RFC 8461 §3.2: an age of 0 serves the attempt that fetched it and no other. A clock set back ends nothing. */
export function isLive({ policy, fetchedAt }: CachedPolicy, now: number): boolean {
  return policy.maxAgeSeconds > 0 && now - fetchedAt <= policy.maxAgeSeconds * 1000
}

export function expiresAt({ policy, fetchedAt }: CachedPolicy): number {
  return fetchedAt + policy.maxAgeSeconds * 1000
}

/** Spread over time, so that neither our own load nor that of a provider of many domains comes at once. */
export function refreshDelayMs({ maxAgeSeconds }: StsPolicy, random: () => number): number {
  const cycle = Math.min(DAY_MS, (maxAgeSeconds * 1000) / REFRESHES_PER_LIFETIME)
  return Math.max(REFRESH_MIN_MS, Math.floor(cycle * (0.7 + 0.25 * random())))
}

function holds(cached: CachedPolicy | undefined, now: number): Held {
  if (cached === undefined || !isLive(cached, now)) return 'nothing'
  return cached.policy.mode === 'none' ? 'none' : 'policy'
}

function hears(record: RecordAnswer, cached: CachedPolicy | undefined): Heard {
  if (record.kind !== 'record') return record.kind
  return record.id === cached?.id ? 'same-id' : 'other-id'
}
