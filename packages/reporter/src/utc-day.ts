/**
 * Days as reports count them: from midnight to midnight UTC (RFC 8460 §4.1), written `2026-11-21`.
 *
 * A day closes a quarter of an hour after its end, so that sessions which ended before midnight and are still on their
 * way to the store count for the day on which they happened. Pure: no clock is read here.
 */
import { invariant } from '@hermetic/policy'

declare const brand: unique symbol

export type UtcDay = string & { readonly [brand]: true }

export const DAY_MS = 86_400_000
/** Longer than any flush, retry of the store or difference between the clocks of nodes that is still called sound. */
export const CLOSES_AFTER_MS = 15 * 60_000

const DAY = /^\d{4}-\d\d-\d\d$/
/** Four digits of a year: the range in which the text form sorts like time. */
const FIRST_MS = Date.UTC(1970, 0, 1)
const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

/** `at`: UTC milliseconds. */
export function utcDayOf(at: number): UtcDay {
  invariant(at >= FIRST_MS && at <= LAST_MS, 'a time between 1970 and 9999')
  return new Date(at).toISOString().slice(0, 10) as UtcDay
}

/** Only days that exist: 30 February is none. */
export function parseUtcDay(text: string): UtcDay | undefined {
  if (!DAY.test(text)) return undefined
  const at = Date.parse(`${text}T00:00:00Z`)
  return at >= FIRST_MS && utcDayOf(at) === text ? (text as UtcDay) : undefined
}

export function dayStartsAt(day: UtcDay): number {
  return Date.parse(`${day}T00:00:00Z`)
}

/** The first millisecond that is no longer in the day. */
export function dayEndsAt(day: UtcDay): number {
  return dayStartsAt(day) + DAY_MS
}

/** What comes for the day from then on is late. */
export function dayClosesAt(day: UtcDay): number {
  return dayEndsAt(day) + CLOSES_AFTER_MS
}

export function isClosed(day: UtcDay, now: number): boolean {
  return now >= dayClosesAt(day)
}

/** The latest day that is closed: what a daily run reports. */
export function lastClosedDay(now: number): UtcDay {
  return utcDayOf(now - CLOSES_AFTER_MS - DAY_MS)
}

/** First and last second, as RFC 8460 appendix B writes a range (D-19). */
export function dateRange(day: UtcDay): { readonly start: string; readonly end: string } {
  return { start: `${day}T00:00:00Z`, end: `${day}T23:59:59Z` }
}

/** The same seconds, counted from 1970: for file names (RFC 8460 §5.1). */
export function unixRange(day: UtcDay): { readonly begin: number; readonly end: number } {
  const begin = dayStartsAt(day) / 1000
  return { begin, end: begin + DAY_MS / 1000 - 1 }
}
