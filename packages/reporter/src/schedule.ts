/**
 * When a report is sent, and when again (RFC 8460 §4.1, §5.5): some hours after the day, each domain at a time of its
 * own that every node computes alike; after a failure ever later, for a day. Pure.
 */
import { createHash } from 'node:crypto'
import type { DomainName } from '@hermetic/policy'
import type { Rua } from './rua.ts'
import { DAY_MS, dayClosesAt, dayEndsAt, type UtcDay } from './utc-day.ts'

/** RFC 8460 §4.1 gives 1 to 14400 seconds as the example. */
export const SPREAD_MS = 14_400_000
/** RFC 8460 §5.5: a day after the first attempt it is given up. */
export const RETRY_FOR_MS = DAY_MS
const FIRST_RETRY_MS = 5 * 60_000
const LONGEST_RETRY_MS = 4 * 60 * 60_000
/** RPT-103: what was not delivered by then is deleted. */
export const KEPT_FOR_MS = 2 * DAY_MS
/**
 * RPT-12: a place that thousands of domains name is a service for reports or a victim; neither needs more of us in a
 * day than this.
 */
export const REPORTS_PER_SITE_MAX = 10_000

export interface SendTime {
  readonly day: UtcDay
  readonly policyDomain: DomainName
  /** Of the store of results: so that relays which share a receiver do not all come at once. */
  readonly storeId: string
}

export function firstAttemptAt({ day, policyDomain, storeId }: SendTime): number {
  const digest = createHash('sha256')
    .update(JSON.stringify([storeId, policyDomain, day]))
    .digest()
  return dayClosesAt(day) + 1_000 + (digest.readUIntBE(0, 6) % SPREAD_MS)
}

export interface FailedAttempts {
  /** At least one. */
  readonly attempts: number
  /** UTC milliseconds, all three. */
  readonly firstAttemptAt: number
  readonly now: number
  /** From 0 to 1. */
  readonly random: number
}

export type NextAttempt = { readonly kind: 'retry'; readonly at: number } | { readonly kind: 'give-up' }

/** Twice the pause each time, up to a tenth more or less; the last attempt is made when the day is just over. */
export function nextAttempt({ attempts, firstAttemptAt: first, now, random }: FailedAttempts): NextAttempt {
  const end = first + RETRY_FOR_MS
  if (now >= end) return { kind: 'give-up' }
  const pause = Math.min(FIRST_RETRY_MS * 2 ** Math.min(attempts - 1, 30), LONGEST_RETRY_MS)
  return { kind: 'retry', at: Math.min(now + Math.round(pause * (0.9 + random * 0.2)), end) }
}

/** From then on nothing is kept of a day, sent or not. */
export function forgottenAt(day: UtcDay): number {
  return dayEndsAt(day) + KEPT_FOR_MS
}

/** Whom a report burdens: the mail domain, or the host. */
export function targetSite(rua: Rua): DomainName {
  return rua.kind === 'mailto' ? rua.domain : rua.host
}
