/**
 * Rules about `[[policy_override]]` and the preload list: an override says one thing and says it wholly, nothing is waived
 * for ever or without a name, and two overrides do not contradict each other. Pure.
 */
import { isMeant, type Mechanism, type OverriddenDomain, reachesTooFar, WAIVE_DAYS_MAX } from '@hermetic/policy'
import type { ConfigPath } from './config-path.ts'
import type { Finding } from './finding.ts'
import type { ReadableConfig } from './salvage.ts'

type ReadableOverride = NonNullable<ReadableConfig['policy_override']>[number]
type At = (field: string) => ConfigPath

interface Among {
  readonly index: number
  readonly all: readonly ReadableOverride[]
  readonly now: number
  readonly at: At
}

const WAIVER_FIELDS = ['reason', 'author', 'until'] as const
const DAY_MS = 86_400_000

export function overrideFindings(settings: ReadableConfig, now: number): readonly Finding[] {
  const { policy_override: all = [] } = settings
  const ofOverrides = all.flatMap((override, index) => {
    const at: At = (field) => ['policy_override', index, field]
    const among = { index, all, now, at }
    return [
      ...actFindings(override, among),
      ...waiverFindings(override, among),
      ...twiceFindings(override, among),
      ...daneFindings(override, { at, enabled: settings.dane?.enabled }),
    ]
  })
  return [...ofOverrides, ...preloadFindings(settings)]
}

/** What an override does; one thing each, so that the date and the reason of a waiver belong to nothing else. */
function actsOf({ require, waive = [], enforcement }: ReadableOverride): readonly string[] {
  return [
    ...(require === undefined ? [] : ['require']),
    ...(waive.length === 0 ? [] : ['waive']),
    ...(enforcement === undefined ? [] : ['enforcement']),
  ]
}

function actFindings(override: ReadableOverride, { at }: Among): readonly Finding[] {
  const read = ['require', 'waive', 'enforcement'].map(at)
  const [first, second] = actsOf(override)
  if (first === undefined) {
    const remedy = 'write one of require, waive and enforcement, or remove the table'
    return [{ path: at('domain'), wrong: 'is there, but nothing is said about it', remedy, read }]
  }
  if (second === undefined) return []
  const remedy = `write it in a [[policy_override]] of its own with the same domain`
  return [{ path: at(second), wrong: `is written beside ${first}`, remedy, read }]
}

function waiverFindings(override: ReadableOverride, { at, now }: Among): readonly Finding[] {
  const { waive = [], until } = override
  if (waive.length === 0) {
    return WAIVER_FIELDS.filter((field) => override[field] !== undefined).map((field) => {
      const wrong = 'is only for overrides that waive something'
      return {
        path: at(field),
        wrong,
        remedy: 'write waive = ["mta-sts"] or ["dane"], or remove it',
        read: [at('waive')],
      }
    })
  }
  const missing = WAIVER_FIELDS.filter((field) => override[field] === undefined).map((field): Finding => {
    return { path: at('waive'), wrong: `has no ${field}`, remedy: REMEDY[field], read: [at('waive'), at(field)] }
  })
  return [...missing, ...scopeFindings(override, at), ...(until === undefined ? [] : untilFindings(until, { at, now }))]
}

const REMEDY = {
  reason: 'write reason = "…": why, for whoever finds it later',
  author: 'write author = "…": who answers for it',
  until: `write until = "…": the day on which it ends, at most ${WAIVE_DAYS_MAX} days ahead`,
} as const

/** RFC 7672 §9.1 wants the switch for each destination; one for many would be forgotten. */
function scopeFindings({ domain }: ReadableOverride, at: At): readonly Finding[] {
  if (domain?.below === undefined) return []
  const wrong = 'names many domains, and a waiver is for one'
  return [{ path: at('domain'), wrong, remedy: 'write one table for each domain', read: [at('domain'), at('waive')] }]
}

function untilFindings(until: number, { at, now }: Pick<Among, 'at' | 'now'>): readonly Finding[] {
  if (!reachesTooFar({ until }, now)) return []
  // A day that ends within the limit.
  const last = new Date(now + (WAIVE_DAYS_MAX - 1) * DAY_MS).toISOString().slice(0, 10)
  const wrong = `is more than ${WAIVE_DAYS_MAX} days ahead`
  return [{ path: at('until'), wrong, remedy: `write at most "${last}"; it can be renewed then`, read: [at('until')] }]
}

/** Earlier ones that say the same of the same domain, or the opposite. */
function twiceFindings(override: ReadableOverride, among: Among): readonly Finding[] {
  const { domain } = override
  if (domain === undefined) return []
  const { all, index, at } = among
  const findings = all.flatMap((other, position): readonly Finding[] => {
    const of = (field: string): ConfigPath => ['policy_override', position, field]
    const read = [at('domain'), of('domain'), ...actsOf(override).map(at), ...actsOf(other).map(of)]
    const conflict = (field: string, wrong: string, remedy: string): Finding => ({
      path: at(field),
      wrong,
      remedy,
      read,
    })
    const contradicted = contradiction(override, other, among.now)
    if (contradicted) {
      const wrong = `contains "dane", which ${placeOf(position)} requires for the same domain`
      return [conflict('waive', wrong, 'remove one of the two')]
    }
    if (position >= index || !sameDomain(domain, other.domain)) return []
    const again = repeated(override, other, among.now)
    if (again === undefined) return []
    return [conflict(again, `is said of this domain by ${placeOf(position)} already`, 'remove one of the two')]
  })
  return findings.slice(0, 1)
}

function placeOf(position: number): string {
  return `policy_override ${position}`
}

/** Counted from nought, as in the names of environment variables. */
function repeated(override: ReadableOverride, other: ReadableOverride, now: number): string | undefined {
  if (override.enforcement !== undefined && other.enforcement !== undefined) return 'enforcement'
  if (override.require !== undefined && override.require === other.require) return 'require'
  const theirs = inForce(other, now)
  return inForce(override, now).some((mechanism) => theirs.includes(mechanism)) ? 'waive' : undefined
}

/** One that is over may stay beside its successor. */
function inForce({ waive = [], until }: ReadableOverride, now: number): readonly (Mechanism | undefined)[] {
  return until !== undefined && until <= now ? [] : waive
}

function contradiction(override: ReadableOverride, other: ReadableOverride, now: number): boolean {
  if (other.require !== 'dane' || !inForce(override, now).includes('dane')) return false
  const { domain } = override
  return domain !== undefined && domain.below === undefined && other.domain !== undefined
    ? isMeant(other.domain, domain.domain)
    : false
}

function sameDomain(one: OverriddenDomain, other: OverriddenDomain | undefined): boolean {
  return one.domain === other?.domain && one.below === other.below
}

/** Mail would wait until it expires. */
function daneFindings(
  { require }: ReadableOverride,
  { at, enabled }: { readonly at: At; readonly enabled: boolean | 'auto' | undefined },
): readonly Finding[] {
  if (require !== 'dane' || enabled !== false) return []
  const wrong = 'is "dane", but dane.enabled is false: mail for the domain would wait until it is returned'
  return [
    {
      path: at('require'),
      wrong,
      remedy: 'write dane.enabled = "auto" or true',
      read: [at('require'), ['dane', 'enabled']],
    },
  ]
}

function preloadFindings({ mta_sts: mtaSts }: ReadableConfig): readonly Finding[] {
  if (mtaSts?.preload_file === undefined || mtaSts.enabled !== false) return []
  const read = [
    ['mta_sts', 'preload_file'],
    ['mta_sts', 'enabled'],
  ] as const
  const wrong = 'names a list, but enabled is false: it would not be used'
  return [{ path: ['mta_sts', 'preload_file'], wrong, remedy: 'write enabled = true, or remove the list', read }]
}
