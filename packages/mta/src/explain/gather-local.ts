/** What the settings of this relay say of one policy domain, with delivery's own rules. Pure. */
import {
  type DomainName,
  isMeant,
  type LocalFacts,
  overridesInForce,
  policyInForce,
  type StsFacts,
} from '@hermetic/policy'
import type { PolicySettings } from '../delivery/host-policy.ts'

export interface LocalQuestion {
  readonly domain: DomainName
  /** As delivery has it; undefined: MTA-STS was not looked at. */
  readonly fetched: StsFacts | undefined
  /** UTC milliseconds. */
  readonly now: number
}

export function gatherLocal(
  { overrides = [], enforcement = 'enforce', preload }: PolicySettings,
  { domain, fetched, now }: LocalQuestion,
): LocalFacts {
  const list = preload?.()
  const entry = list?.entries.get(domain)
  const counts = policyInForce({ domain, fetched, preload: list, now }).sts
  return {
    overrides: overrides.filter((override) => isMeant(override, domain)),
    enforcement: overridesInForce(overrides, { domain, now }).enforcement ?? enforcement,
    ...(list === undefined || entry === undefined
      ? {}
      : { preload: { entry, expiresAt: list.expiresAt, inForce: counts?.preloaded === true } }),
  }
}
