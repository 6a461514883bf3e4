/**
 * The MTA-STS policy that counts for a domain: the one that was fetched, else the one of the operator's preload list.
 *
 * A preload entry closes the gap of first contact (RFC 8461 §10.2): it is in force where no policy could be had, whatever
 * the reason. Whatever the domain itself has said over an authenticated channel goes before it, `none` too. Pure.
 */
import type { DomainName } from './domain-name.ts'
import type { MxPattern } from './mta-sts/mx-match.ts'
import type { NoPolicyReason, StsFacts } from './mta-sts/source-facts.ts'
import type { PolicyInForce } from './requirement.ts'
import type { EffectiveMode } from './requirement-tables.ts'

export interface PreloadList {
  readonly entries: ReadonlyMap<DomainName, PreloadEntry>
  /** UTC milliseconds: the list is believed before this instant; undefined: it does not say. */
  readonly expiresAt: number | undefined
}

export interface PreloadEntry {
  readonly mode: EffectiveMode
  readonly mx: readonly [MxPattern, ...MxPattern[]]
}

export interface PolicyQuestion {
  readonly domain: DomainName
  /** Undefined: MTA-STS was not looked at. */
  readonly fetched: StsFacts | undefined
  readonly preload?: PreloadList | undefined
  readonly now: number
}

/** Of `RequirementFacts`. */
export interface PolicyAnswer {
  readonly sts: PolicyInForce | undefined
  readonly stsUncertain: boolean
}

/** There is one version of an entry at a time; what makes it another one is its content. */
const PRELOAD_ID = 'preload'

export function policyInForce({ domain, fetched, preload, now }: PolicyQuestion): PolicyAnswer {
  if (fetched?.kind === 'policy') return { sts: fetched, stsUncertain: false }
  const stsUncertain = fetched?.kind === 'unavailable' || (fetched?.kind === 'none' && UNCERTAIN[fetched.because.kind])
  if (fetched?.kind === 'none' && fetched.because.kind === 'mode-none') return { sts: undefined, stsUncertain }
  const entry = preload === undefined || isOver(preload, now) ? undefined : preload.entries.get(domain)
  if (entry === undefined) return { sts: undefined, stsUncertain }
  const { mode, mx } = entry
  return { sts: { mode, id: PRELOAD_ID, policy: { mx }, preloaded: true }, stsUncertain }
}

/** A list that nobody renews goes out of force, for hosts change; whoever reads it tells the operator. */
export function isOver({ expiresAt }: Pick<PreloadList, 'expiresAt'>, now: number): boolean {
  return expiresAt !== undefined && expiresAt <= now
}

/** Whether another answer may come at another time. */
const UNCERTAIN = {
  'no-record': false,
  'unusable-record': false,
  'record-lookup-failed': true,
  'mode-none': false,
  'fetch-failed': true,
} as const satisfies Record<NoPolicyReason['kind'], boolean>
