/**
 * MTA-STS for delivery: the policy cache, the source of policies, and their background refresh. Running when this
 * returns. With `mta_sts.enabled = false` nothing of it exists but what DANE remembers in the same store.
 */
import { setTimeout } from 'node:timers/promises'
import {
  createPolicyAdmin,
  createStsRefresher,
  createStsSource,
  type DaneMemory,
  type DnsResolver,
  type EmitPolicyEvent,
  type FetchSharing,
  fetchPolicy,
  GuardedHttps,
  type GuardedHttpsOptions,
  ok,
  type PolicyAdmin,
  PolicyCacheUnavailable,
  type PolicyCount,
  PolicyExaminer,
  type Result,
  type StsSource,
  type StsSourceOptions,
} from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import type { TlsReports } from '../delivery/report-mapping.ts'
import type { PolicyLookups } from '../explain/world.ts'
import type { OpenPolicyStore, PolicyStore } from './policy-store.ts'
import type { StartProblem } from './start-problem.ts'
import { countRefreshes, countRenewals } from './tlsrpt-side.ts'

export interface PolicySide {
  /** Absent: MTA-STS is off. */
  readonly source?: StsSource
  /** For operators; absent like `source`. */
  readonly admin?: PolicyAdmin
  /** For explanations; absent like `source`. */
  readonly lookups?: PolicyLookups
  /** For gauges; absent like `source`. */
  readonly count?: () => Promise<readonly PolicyCount[]>
  /** Why the store of policies cannot be read or written; absent: it is not used. */
  readonly trouble?: () => string | undefined
  /** What DANE protected when it was last seen; absent: DANE is off. */
  readonly daneMemory?: DaneMemory
  /** No more fetches: those under way end at once. */
  stop(): Promise<void>
  /** After the last user of `source`. */
  close(): void
}

export interface PolicyParts {
  readonly resolver: Pick<DnsResolver, 'txt' | 'address'>
  readonly guard: GuardedHttpsOptions['guard']
  /** PEM roots beside Node's own. */
  readonly ca: readonly string[]
  readonly emit: EmitPolicyEvent
}

export interface PolicySideParts extends PolicyParts {
  readonly openPolicies: OpenPolicyStore
  /** Gets what refreshes and orders could not fetch; absent: nobody reports. */
  readonly reports?: TlsReports | undefined
}

/** What operators did with policies that relays share is logged by one of them, this long after it at the latest. */
const ORDERS_EVERY_MS = 5_000

/** Policies are refreshed within a day (`freshness.ts`); what is older could not be. */
const STALE_MS = 86_400_000

const OFF: PolicySide = { stop: async () => undefined, close: () => undefined }

export function startPolicySide(config: Config, parts: PolicySideParts): Result<PolicySide, StartProblem> {
  const dane = config.dane.enabled !== false
  if (!config.mta_sts.enabled && !dane) return ok(OFF)
  const { emit } = parts
  const opened = parts.openPolicies(emit)
  if (!opened.ok) return opened
  const store = opened.value
  const { cache } = store
  const kept = { ...(dane ? { daneMemory: store.daneMemory } : {}), trouble: () => store.trouble() }
  if (!config.mta_sts.enabled) return ok({ ...OFF, ...kept, close: () => store.close() })
  const stopping = new AbortController()
  const { signal } = stopping
  const sharing = store.fetchLeases === undefined ? {} : { sharing: { leases: store.fetchLeases, signal } }
  const { source, lookups } = policySource(config, { ...parts, ...sharing, cache, signal })
  const refresh = (policyDomain: Parameters<StsSource['refresh']>[0]) => source.refresh(policyDomain)
  const onRefreshed = countRefreshes(parts.reports)
  const refresher = createStsRefresher({ cache, refresh, onRefreshed, now: Date.now, emit })
  // What belongs to all of them together one role does: relays that deliver (`docs/operating/roles.md`).
  const keeps = config.role.includes('delivery')
  const ordersTold = keeps ? tellOrders(store, emit, signal) : undefined
  if (keeps) refresher.start()
  return ok({
    ...{ source, lookups, ...kept },
    admin: createPolicyAdmin({
      ...{ cache, source: countRenewals(source, parts.reports), now: Date.now },
      tell: (purge) => emit({ event: 'sts-policy-purged', ...purge }),
    }),
    count: () => cache.count({ now: Date.now(), staleBefore: Date.now() - STALE_MS }),
    stop: async () => {
      stopping.abort()
      await Promise.all([refresher.stop(), ordersTold])
    },
    close: () => store.close(),
  })
}

export interface PolicySourceParts extends PolicyParts {
  readonly cache: StsSourceOptions['cache']
  readonly signal: AbortSignal
  readonly sharing?: FetchSharing
}

/** Where delivery, and whoever explains what it does, get policies from. */
export function policySource(
  config: Config,
  { resolver, guard, ca, emit, cache, signal, sharing }: PolicySourceParts,
): { readonly source: StsSource; readonly lookups: PolicyLookups } {
  const https = new GuardedHttps({ resolver, guard, ca })
  const httpsPort = config.mta_sts.https_port
  const examiner = new PolicyExaminer({
    fetch: (policyDomain) => fetchPolicy(policyDomain, { https, httpsPort, signal }),
    now: Date.now,
  })
  const options = { resolver, cache, emit, fetch: examiner.fetch, now: Date.now, random: Math.random }
  const lookups: PolicyLookups = {
    resolver,
    cached: (policyDomain) => cache.get(policyDomain),
    examine: (policyDomain) => examiner.examine(policyDomain),
  }
  return { source: createStsSource({ ...options, ...(sharing === undefined ? {} : { sharing }) }), lookups }
}

/** What operators did while no relay ran; of a shared store, also what they do now. Ends with the signal. */
async function tellOrders(store: PolicyStore, emit: EmitPolicyEvent, signal: AbortSignal): Promise<void> {
  let isAway = false
  do {
    try {
      for (const purge of await store.takeOrders()) emit({ event: 'sts-policy-purged', ...purge })
      isAway = false
    } catch (error) {
      if (!(error instanceof PolicyCacheUnavailable)) throw error
      if (!isAway) emit({ event: 'sts-cache-failed', operation: 'get', detail: error.message })
      isAway = true
    }
  } while (store.shared && (await waited(ORDERS_EVERY_MS, signal)))
}

/** False: it was aborted. */
async function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await setTimeout(ms, undefined, { signal, ref: false })
    return true
  } catch {
    return false
  }
}
