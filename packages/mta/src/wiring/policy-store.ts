/**
 * Where policies and what is remembered of DANE are kept: `policy.db` of one relay, or Redis, where relays share them.
 */
import {
  type DaneMemory,
  type EmitPolicyEvent,
  err,
  type FetchSharing,
  ok,
  openSqlitePolicyCache,
  type PolicyCache,
  type PolicyPurge,
  type Result,
  type SharedPolicies,
  type SqlitePolicyCache,
} from '@hermetic/policy'
import type { StartProblem } from './start-problem.ts'

export interface PolicyStore {
  readonly cache: PolicyCache
  readonly daneMemory: DaneMemory
  /** So that one relay fetches for all of them; absent: there is one. */
  readonly fetchLeases?: FetchSharing['leases']
  /** What an operator did where no relay can log it. */
  noteOrder(order: PolicyPurge): Promise<void>
  /** What was noted, each once. */
  takeOrders(): Promise<readonly PolicyPurge[]>
  /** More orders may come while the relay runs. */
  readonly shared: boolean
  /** What operators should know of it: it cannot be read or written, or somebody deleted its file. */
  trouble(): string | undefined
  close(): void
}

export type OpenPolicyStore = (emit: EmitPolicyEvent) => Result<PolicyStore, StartProblem>

type FileState = ReturnType<SqlitePolicyCache['checkFile']>

const LOOK_EVERY_MS = 60_000
const GONE: Readonly<Record<Exclude<FileState, 'there'>, string>> = {
  'written-again':
    'policy.db was deleted while it was in use: a copy was written, and another follows at the stop; restart the relay',
  another: 'policy.db was replaced while it was in use: what is learned goes nowhere; restart the relay',
  lost: 'policy.db was deleted while it was in use and cannot be written again: cached policies end with the relay',
}

export function openFilePolicies(
  dataDir: string,
  emit: EmitPolicyEvent,
  lookEveryMs = LOOK_EVERY_MS,
): Result<PolicyStore, StartProblem> {
  const opened = openSqlitePolicyCache({ dataDir, now: Date.now })
  if (!opened.ok) return err({ kind: 'policy-cache', error: opened.error })
  const cache = opened.value
  let state: FileState = 'there'
  const timer = setInterval(() => {
    const before = state
    state = cache.checkFile()
    if (state !== 'there' && state !== before) emit({ event: 'policy-file-gone', state })
  }, lookEveryMs).unref()
  return ok({
    ...{ cache, daneMemory: cache.daneMemory, shared: false },
    noteOrder: async (order) => cache.noteOrder(order),
    takeOrders: async () => cache.takeOrders(),
    trouble: () => {
      const trouble = cache.trouble()
      if (trouble !== undefined) return `mail that needs a cached policy waits: policy.db: ${trouble}`
      return state === 'there' ? undefined : GONE[state]
    },
    close: () => {
      clearInterval(timer)
      cache.close()
    },
  })
}

/** The connection stays open: it belongs to whoever made it. */
export function sharedPolicyStore({ cache, daneMemory, fetchLeases, orders }: SharedPolicies): PolicyStore {
  return {
    ...{ cache, daneMemory, fetchLeases, shared: true },
    noteOrder: (order) => orders.noteOrder(order),
    takeOrders: () => orders.takeOrders(),
    // Without Redis nothing is claimed, which readiness tells.
    trouble: () => undefined,
    close: () => undefined,
  }
}
