/**
 * What is allowed with which site: the limits that hold for all, and those that an operator wrote for some. All that
 * one such limit means is one site, however many sets of hosts that is: a provider with a host name for each customer
 * has one budget. Pure.
 */
import type { SiteId, SiteLimits } from './permits.ts'

/** A name itself, or all names below it. */
export interface NamePattern {
  readonly kind: 'exact' | 'below'
  readonly name: string
}

/** Names are unique; no two have the same pattern for the same thing: the configuration sees to that. */
export interface NamedLimit {
  readonly name: string
  /** Of next-hop domains. */
  readonly domains: readonly NamePattern[]
  /** Of hosts that mail is handed to. */
  readonly mx: readonly NamePattern[]
  readonly limits: SiteLimits
}

export interface NextHopHosts {
  /** Undefined for smarthosts, which many domains may share. */
  readonly domain: string | undefined
  /** All of them. */
  readonly hosts: readonly string[]
}

const PREFIX = 'limit:'

export class SiteLimitTable {
  readonly #usual: SiteLimits
  readonly #named: readonly NamedLimit[]
  readonly #bySite: ReadonlyMap<string, NamedLimit>

  constructor(usual: SiteLimits, named: readonly NamedLimit[] = []) {
    this.#usual = usual
    this.#named = named
    this.#bySite = new Map(named.map((limit) => [siteNamed(limit), limit]))
  }

  /**
   * The site that an operator made of this next hop; undefined: its hosts are the site. A domain says more than its
   * hosts, a name more than a pattern, a longer pattern more than a shorter one.
   */
  siteOf({ domain, hosts }: NextHopHosts): SiteId | undefined {
    const ofDomain = domain === undefined ? undefined : closest(this.#named, ({ domains }) => nearness(domains, domain))
    const found = ofDomain ?? closest(this.#named, ({ mx }) => nearnessOfAll(mx, hosts))
    return found === undefined ? undefined : siteNamed(found)
  }

  limitsOf(site: SiteId): SiteLimits {
    return this.#bySite.get(site)?.limits ?? this.#usual
  }

  /** The limit that the operator wrote for this site. */
  nameOf(site: SiteId): string | undefined {
    return this.#bySite.get(site)?.name
  }
}

function siteNamed({ name }: NamedLimit): SiteId {
  return `${PREFIX}${name}` as SiteId
}

/** The first of those that are nearest; undefined when none fits. */
function closest(named: readonly NamedLimit[], of: (limit: NamedLimit) => number): NamedLimit | undefined {
  let best: NamedLimit | undefined
  let nearest = 0
  for (const limit of named) {
    const near = of(limit)
    if (near <= nearest) continue
    nearest = near
    best = limit
  }
  return best
}

/** 0: no pattern fits. */
function nearness(patterns: readonly NamePattern[], name: string): number {
  return Math.max(0, ...patterns.map((pattern) => fit(pattern, name)))
}

/**
 * Every host must fit: a stranger who lists a host of somebody else beside a slow one of their own would otherwise
 * take the connections of that other.
 */
function nearnessOfAll(patterns: readonly NamePattern[], hosts: readonly string[]): number {
  return hosts.length === 0 ? 0 : Math.min(...hosts.map((host) => nearness(patterns, host)))
}

/** Longer than any domain name: a name itself is nearer than every pattern. */
const EXACT = 1_000

function fit({ kind, name }: NamePattern, candidate: string): number {
  if (kind === 'exact') return name === candidate ? EXACT : 0
  return candidate.endsWith(`.${name}`) ? name.length : 0
}
