/**
 * Small things that an explanation is written with: times as ISO 8601, foreign text bounded, absent fields left out.
 * Control characters stay: who prints makes them harmless. Pure.
 */
import type { DnsFailureReason } from '../dns/answer.ts'
import { assertNever } from '../result.ts'

/** Longest text of a peer that is kept. */
export const FOREIGN_TEXT_MAX = 500

/** Of several texts in one list. */
export const FOREIGN_ITEMS_MAX = 50

/** What no `Date` can hold is told as its number: dates of certificates are chosen by peers. */
export function isoTime(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString()
}

/** For sentences: to the second. */
export function clockTime(ms: number): string {
  return isoTime(ms).replace(/\.\d{3}Z$/, 'Z')
}

export function bounded(text: string): string {
  return text.length <= FOREIGN_TEXT_MAX ? text : `${text.slice(0, FOREIGN_TEXT_MAX).toWellFormed()}…`
}

export function boundedList(texts: readonly string[]): readonly string[] {
  return texts.slice(0, FOREIGN_ITEMS_MAX).map(bounded)
}

export function dnsFailureWords(reason: DnsFailureReason): string {
  switch (reason.kind) {
    case 'timeout':
      return 'no name server answered in time'
    case 'network':
      return `no name server could be reached (${reason.code})`
    case 'rcode': {
      const { rcode, extendedError } = reason
      if (extendedError === undefined) return `the name server says ${rcode}`
      const text = extendedError.extraText === '' ? '' : `: ${extendedError.extraText}`
      return bounded(`the name server says ${rcode}, extended error ${extendedError.infoCode}${text}`)
    }
    case 'malformed':
      return bounded(`the answer could not be understood (${reason.detail})`)
    case 'unvalidated':
      return bounded(`nobody can vouch for the answer (${reason.detail})`)
    case 'cname-chain':
      return 'a chain of aliases that loops or is too long'
    default:
      return assertNever(reason)
  }
}

/** `3 days`, `1 hour`: the largest unit that fits. */
export function spanWords(ms: number): string {
  const units = [
    ['day', 86_400_000],
    ['hour', 3_600_000],
    ['minute', 60_000],
    ['second', 1_000],
  ] as const
  const [name, size] = units.find(([, length]) => ms >= length) ?? units[3]
  const count = Math.max(0, Math.floor(ms / size))
  return `${count} ${name}${count === 1 ? '' : 's'}`
}
