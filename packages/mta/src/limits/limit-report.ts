/** What is allowed with a site and what a lane waits for, as operators are told. Pure. */
import type { LimitSection } from '@hermetic/policy'
import type { SiteId } from './permits.ts'
import { formatRate } from './rate-text.ts'
import type { SiteLimitTable } from './site-limits.ts'

export type LimitReport = LimitSection

export function limitReport(
  site: SiteId,
  table: Pick<SiteLimitTable, 'limitsOf' | 'nameOf'>,
  waitsFor?: LimitReport['waitsFor'],
): LimitReport {
  const { concurrency, initialConcurrency, rate } = table.limitsOf(site)
  const name = table.nameOf(site)
  return {
    site,
    ...(name === undefined ? {} : { name }),
    connections: concurrency,
    adaptive: initialConcurrency !== undefined,
    ...(rate === undefined ? {} : { rate: formatRate(rate), burst: rate.burst }),
    ...(waitsFor === undefined ? {} : { waitsFor }),
  }
}

/** Nobody wrote anything, and nobody waits: not worth a line. */
export function isOrdinary({ name, rate, waitsFor }: LimitReport): boolean {
  return name === undefined && rate === undefined && waitsFor === undefined
}

/** For people: `limit "outlook": 5 connections at once (fewer while it fails), 100/1m`. */
export function limitWords({ name, connections, adaptive, rate, burst = 1 }: LimitReport): string {
  const whose = name === undefined ? '[delivery]' : `limit "${name}"`
  const at = `${connections} ${connections === 1 ? 'connection' : 'connections'} at once`
  const following = adaptive && connections > 1 ? ', fewer while it fails' : ''
  const paced = rate === undefined ? '' : `, ${rate} messages${burst > 1 ? ` with ${burst} at once` : ''}`
  return `${whose}: ${at}${following}${paced}`
}

/** Why a lane waits: after `waits because`. */
export function waitWords(report: LimitReport): string | undefined {
  if (report.waitsFor === undefined) return undefined
  const what = report.waitsFor === 'rate' ? 'its turn under the rate has not come' : 'no connection is free'
  return `${what}; ${limitWords(report)} to ${report.site}`
}
