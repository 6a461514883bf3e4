/**
 * What an operator has written for one domain: `require` adds to what is demanded, `waive` takes a published policy out
 * of force for a time and with a reason, `enforcement` says whether published policies refuse or are only observed.
 *
 * A domain is meant by its own name only, as policies are (RFC 8461 §3.4), unless every domain below one is written. What
 * was waived and has expired does nothing and is told, so that it can be logged and counted. RFC 7672 §9.1 wants such a
 * switch for each destination. Pure.
 */
import { type DomainName, isSubdomainOf } from './domain-name.ts'
import type { Enforcement, LocalDemand } from './requirement-tables.ts'

/** A policy that a domain publishes. */
export type Mechanism = 'mta-sts' | 'dane'

export type PolicyOverride = RequireOverride | WaiveOverride | EnforcementOverride

export type RequiredDemand = Exclude<LocalDemand, 'nothing'>

/** Whose mail is meant: policy domains, which are next hops. */
export interface OverriddenDomain {
  readonly domain: DomainName
  /** Every domain below it, and not the domain itself. */
  readonly below?: true
}

export interface RequireOverride extends OverriddenDomain {
  readonly kind: 'require'
  readonly demand: RequiredDemand
}

export interface WaiveOverride extends OverriddenDomain {
  readonly kind: 'waive'
  readonly mechanisms: readonly [Mechanism, ...Mechanism[]]
  readonly reason: string
  readonly author: string
  /** UTC milliseconds: in force before this instant. */
  readonly until: number
}

export interface EnforcementOverride extends OverriddenDomain {
  readonly kind: 'enforcement'
  readonly enforcement: Enforcement
}

export interface OverridesInForce {
  readonly required: readonly RequiredDemand[]
  /** Never a mechanism that is required as well. */
  readonly waived: readonly Mechanism[]
  /** Undefined: as everywhere. */
  readonly enforcement: Enforcement | undefined
  readonly expired: readonly WaiveOverride[]
  /** UTC milliseconds: when the first of the waived ones ends; what was decided by them is over then. */
  readonly validUntil: number | undefined
}

/** Architecture §5: who needs longer has to say so again. */
export const WAIVE_DAYS_MAX = 90
const DAY_MS = 86_400_000

export function overridesInForce(
  overrides: readonly PolicyOverride[],
  { domain, now }: { readonly domain: DomainName; readonly now: number },
): OverridesInForce {
  const mine = overrides.filter((override) => isMeant(override, domain))
  const required = mine.flatMap((override) => (override.kind === 'require' ? [override.demand] : []))
  const waivers = mine.filter((override) => override.kind === 'waive')
  const current = waivers.filter(({ until }) => now < until)
  const waived = new Set(current.flatMap(({ mechanisms }) => mechanisms))
  if (required.includes('dane')) waived.delete('dane')
  return {
    required,
    waived: [...waived],
    // Who wants enforcement and who wants to observe the same domain gets the safe one.
    enforcement: enforcementOf(mine),
    expired: waivers.filter((override) => !current.includes(override)),
    validUntil: current.length === 0 ? undefined : Math.min(...current.map(({ until }) => until)),
  }
}

export function isMeant({ domain, below }: OverriddenDomain, name: DomainName): boolean {
  return below ? isSubdomainOf(name, domain) : name === domain
}

/** Who says most about the domain is heard: the name itself, else the longest name above it. */
function enforcementOf(overrides: readonly PolicyOverride[]): Enforcement | undefined {
  const said = overrides.filter((override) => override.kind === 'enforcement')
  const nearest = Math.max(...said.map(closeness))
  const heard = said.filter((override) => closeness(override) === nearest)
  return heard.find(({ enforcement }) => enforcement === 'enforce')?.enforcement ?? heard[0]?.enforcement
}

function closeness({ domain, below }: OverriddenDomain): number {
  return below ? domain.length : Number.POSITIVE_INFINITY
}

/** How far ahead a waiver may reach when it is written or read; one that is over is no error. */
export function reachesTooFar({ until }: Pick<WaiveOverride, 'until'>, now: number): boolean {
  return until - now > WAIVE_DAYS_MAX * DAY_MS
}
