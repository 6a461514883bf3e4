/**
 * MTA-STS for delivery: the policy cache in data_dir, the source of policies, and their background refresh. Running
 * when this returns. With `mta_sts.enabled = false` nothing of it exists but what DANE remembers in the same file.
 */
import {
  createPolicyAdmin,
  createStsRefresher,
  createStsSource,
  type DaneMemory,
  type DnsResolver,
  type EmitPolicyEvent,
  err,
  fetchPolicy,
  GuardedHttps,
  type GuardedHttpsOptions,
  ok,
  openSqlitePolicyCache,
  type PolicyAdmin,
  PolicyCacheUnavailable,
  type PolicyCount,
  PolicyExaminer,
  type Result,
  type SqlitePolicyCache,
  type StsSource,
  type StsSourceOptions,
} from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import type { PolicyLookups } from '../explain/world.ts'
import type { StartProblem } from './start-problem.ts'

export interface PolicySide {
  /** Absent: MTA-STS is off. */
  readonly source?: StsSource
  /** For operators; absent like `source`. */
  readonly admin?: PolicyAdmin
  /** For explanations; absent like `source`. */
  readonly lookups?: PolicyLookups
  /** For gauges; absent like `source`. */
  readonly count?: () => Promise<readonly PolicyCount[]>
  /** Why `policy.db` cannot be read or written; absent: it is not used. */
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

/** Policies are refreshed within a day (`freshness.ts`); what is older could not be. */
const STALE_MS = 86_400_000

const OFF: PolicySide = { stop: async () => undefined, close: () => undefined }

export function startPolicySide(config: Config, parts: PolicyParts): Result<PolicySide, StartProblem> {
  const dane = config.dane.enabled !== false
  if (!config.mta_sts.enabled && !dane) return ok(OFF)
  const { emit } = parts
  const opened = openSqlitePolicyCache({ dataDir: config.data_dir, now: Date.now })
  if (!opened.ok) return err({ kind: 'policy-cache', error: opened.error })
  const cache = opened.value
  const shared = { ...(dane ? { daneMemory: cache.daneMemory } : {}), trouble: () => cache.trouble() }
  if (!config.mta_sts.enabled) return ok({ ...OFF, ...shared, close: () => cache.close() })
  const stopping = new AbortController()
  const { source, lookups } = policySource(config, { ...parts, cache, signal: stopping.signal })
  const refresh = (policyDomain: Parameters<StsSource['refresh']>[0]) => source.refresh(policyDomain)
  const refresher = createStsRefresher({ cache, refresh, now: Date.now, emit })
  tellPurges(cache, emit)
  refresher.start()
  return ok({
    ...{ source, lookups, ...shared },
    admin: createPolicyAdmin({
      ...{ cache, source, now: Date.now },
      tell: (purge) => emit({ event: 'sts-policy-purged', ...purge }),
    }),
    count: () => cache.count({ now: Date.now(), staleBefore: Date.now() - STALE_MS }),
    stop: async () => {
      stopping.abort()
      await refresher.stop()
    },
    close: () => cache.close(),
  })
}

export interface PolicySourceParts extends PolicyParts {
  readonly cache: StsSourceOptions['cache']
  readonly signal: AbortSignal
}

/** Where delivery, and whoever explains what it does, get policies from. */
export function policySource(
  config: Config,
  { resolver, guard, ca, emit, cache, signal }: PolicySourceParts,
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
  return { source: createStsSource(options), lookups }
}

/** What operators did while no relay ran. */
function tellPurges(cache: SqlitePolicyCache, emit: EmitPolicyEvent): void {
  try {
    for (const purge of cache.takeOrders()) emit({ event: 'sts-policy-purged', ...purge })
  } catch (error) {
    if (!(error instanceof PolicyCacheUnavailable)) throw error
    emit({ event: 'sts-cache-failed', operation: 'get', detail: error.message })
  }
}
