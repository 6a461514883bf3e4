/**
 * The engine: what of the relay depends on where its queue is kept, opened together and closed together. Everybody
 * else takes its parts by their ports and does not know which engine it is.
 */
import type { EngineState } from '../admin/engine-state.ts'
import type { RecordedSpool } from '../history/recorded-spool.ts'
import type { HoldRuleStore } from '../holds/hold-rule-store.ts'
import type { Permits } from '../limits/permits.ts'
import type { LogEvent } from '../observability/log-events.ts'
import type { LaneScheduler } from '../schedule/lane-scheduler.ts'
import type { Staging } from '../spool/content-store.ts'
import type { SpoolHooks } from '../spool/faults.ts'
import type { DnssecMemory } from './dnssec-memory.ts'
import type { OpenPolicyStore } from './policy-store.ts'
import type { RedisGround } from './redis-ground.ts'

export interface Engine {
  readonly spool: RecordedSpool & { readonly holdRules: HoldRuleStore }
  /** Where contents arrive, for threads that stage them by themselves. */
  readonly staging: Staging
  /** Gives turns once it is run; stopped by whoever runs it. */
  readonly scheduler: LaneScheduler
  readonly permits: Permits
  readonly openPolicies: OpenPolicyStore
  readonly openDnssecMemory: () => Promise<DnssecMemory>
  /** For operators: where the queue is, and what its store promises. */
  state(): EngineState
  /** What relays share, for whatever else they want to share: one connection and the names of keys; absent: there is one relay. */
  readonly shared?: RedisGround
  /**
   * What a former process of this node held of what relays share is free again. Once it is certain that it is dead, and
   * before the scheduler runs; absent: nothing outlives a process.
   */
  takeBack?(): Promise<void>
  /** After the scheduler has stopped and nobody uses its parts any more. */
  close(): Promise<void>
}

export interface EngineParts {
  /** Keep suspects with so many deaths in a row out of `claim`. */
  readonly setAsideAfterDeaths: number
  readonly emit: (event: LogEvent) => void
  readonly hooks?: SpoolHooks | undefined
}
