/**
 * Overrides, enforcement and the preload list as they stand at one moment, for lists of people and programs. Pure.
 */
import {
  assertNever,
  type Enforcement,
  isOver,
  type Mechanism,
  type PolicyOverride,
  type PreloadList,
  type RequiredDemand,
} from '@hermetic/policy'
import { domainWords, EXPIRING_MS } from './override-watch.ts'

export interface LocalPolicyReport {
  /** Where no override says otherwise. */
  readonly enforcement: Enforcement
  readonly overrides: readonly OverrideReport[]
  readonly preload?: PreloadReport
}

export type OverrideReport = {
  /** As written: `*.` means every domain below. */
  readonly domain: string
  readonly state: EndState
} & (
  | { readonly kind: 'require'; readonly demand: RequiredDemand }
  | { readonly kind: 'enforcement'; readonly enforcement: Enforcement }
  | {
      readonly kind: 'waive'
      readonly mechanisms: readonly Mechanism[]
      readonly reason: string
      readonly author: string
      /** UTC milliseconds. */
      readonly until: number
    }
)

/** `expiring`: within days. */
export type EndState = 'active' | 'expiring' | 'expired'

export interface PreloadReport {
  readonly path: string
  readonly domains: number
  readonly state: EndState
  /** UTC milliseconds; absent: it does not say. */
  readonly expiresAt?: number
}

export interface LocalPolicy {
  readonly overrides: readonly PolicyOverride[]
  readonly enforcement: Enforcement
  readonly preload: { readonly path: string; readonly list: PreloadList } | undefined
  /** UTC milliseconds. */
  readonly now: number
}

export function localPolicyReport({ overrides, enforcement, preload, now }: LocalPolicy): LocalPolicyReport {
  return {
    enforcement,
    overrides: overrides.map((override) => overrideReport(override, now)),
    ...(preload === undefined ? {} : { preload: preloadReport(preload, now) }),
  }
}

function overrideReport(override: PolicyOverride, now: number): OverrideReport {
  const domain = domainWords(override)
  switch (override.kind) {
    case 'require':
      return { domain, state: 'active', kind: 'require', demand: override.demand }
    case 'enforcement':
      return { domain, state: 'active', kind: 'enforcement', enforcement: override.enforcement }
    case 'waive': {
      const { kind, mechanisms, reason, author, until } = override
      return { domain, state: endState(until, now), kind, mechanisms, reason, author, until }
    }
    default:
      return assertNever(override)
  }
}

function preloadReport({ path, list }: NonNullable<LocalPolicy['preload']>, now: number): PreloadReport {
  const { entries, expiresAt } = list
  const ends = { path, domains: entries.size }
  if (expiresAt === undefined) return { ...ends, state: 'active' }
  return { ...ends, state: isOver(list, now) ? 'expired' : endState(expiresAt, now), expiresAt }
}

function endState(until: number, now: number): EndState {
  if (until <= now) return 'expired'
  return until - now <= EXPIRING_MS ? 'expiring' : 'active'
}
