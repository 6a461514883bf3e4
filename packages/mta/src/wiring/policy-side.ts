/**
 * MTA-STS for delivery: the policy cache in data_dir, the source of policies, and their background refresh. Running
 * when this returns. With `mta_sts.enabled = false` nothing of it exists.
 */
import {
  createStsRefresher,
  createStsSource,
  type DnsResolver,
  type EmitPolicyEvent,
  err,
  fetchPolicy,
  GuardedHttps,
  type GuardedHttpsOptions,
  ok,
  openSqlitePolicyCache,
  type Result,
  type StsSource,
} from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import type { StartProblem } from './start-problem.ts'

export interface PolicySide {
  /** Absent: MTA-STS is off. */
  readonly source?: StsSource
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

const OFF: PolicySide = { stop: async () => undefined, close: () => undefined }

export function startPolicySide(config: Config, parts: PolicyParts): Result<PolicySide, StartProblem> {
  const { enabled, https_port: httpsPort } = config.mta_sts
  if (!enabled) return ok(OFF)
  const { resolver, guard, ca, emit } = parts
  const opened = openSqlitePolicyCache({ dataDir: config.data_dir, now: Date.now })
  if (!opened.ok) return err({ kind: 'policy-cache', error: opened.error })
  const cache = opened.value
  const stopping = new AbortController()
  const https = new GuardedHttps({ resolver, guard, ca })
  const source = createStsSource({
    ...{ resolver, cache, emit },
    fetch: (policyDomain) => fetchPolicy(policyDomain, { https, httpsPort, signal: stopping.signal }),
    now: Date.now,
    random: Math.random,
  })
  const refresh = (policyDomain: Parameters<StsSource['refresh']>[0]) => source.refresh(policyDomain)
  const refresher = createStsRefresher({ cache, refresh, now: Date.now, emit })
  refresher.start()
  return ok({
    source,
    stop: async () => {
      stopping.abort()
      await refresher.stop()
    },
    close: () => cache.close(),
  })
}
