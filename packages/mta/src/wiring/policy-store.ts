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
  /** Why it cannot be read or written. */
  trouble(): string | undefined
  close(): void
}

export type OpenPolicyStore = (emit: EmitPolicyEvent) => Result<PolicyStore, StartProblem>

export function openFilePolicies(dataDir: string): Result<PolicyStore, StartProblem> {
  const opened = openSqlitePolicyCache({ dataDir, now: Date.now })
  if (!opened.ok) return err({ kind: 'policy-cache', error: opened.error })
  const cache = opened.value
  return ok({
    ...{ cache, daneMemory: cache.daneMemory, shared: false },
    noteOrder: async (order) => cache.noteOrder(order),
    takeOrders: async () => cache.takeOrders(),
    trouble: () => cache.trouble(),
    close: () => cache.close(),
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
