/**
 * Where the rules that hold mail are kept, beside the mail itself, so that one is never there without the other. On
 * Redis all relays of the queue have the same. Operations
 * reject with `StoreUnavailable`. A part of the spool, and of its contract (`spool-ages.contract.ts`).
 */
import type { HoldRule } from './hold-rule.ts'

export interface HoldRuleStore {
  /** By age, those that are over included. */
  list(): Promise<readonly HoldRule[]>
  /** In place of one with its id. */
  put(rule: HoldRule): Promise<void>
  drop(id: string): Promise<void>
}
