/**
 * What DNS and DNSSEC tell operators. A closed list; the relay renders it.
 */
import type { DnsFailureReason } from './answer.ts'
import type { ValidatorKind } from './trust.ts'
import type { UnboundProblem } from './unbound-problem.ts'
import type { OffBecause, ValidatorProblem } from './validation-state.ts'

export type DnsEvent =
  /** One server failed one query; another server or attempt may still answer. */
  | {
      readonly event: 'dns-server-failed'
      /** `address#port`, as resolver tools write it. */
      readonly server: string
      readonly name: string
      readonly type: string
      readonly reason: DnsFailureReason
      readonly durationMs: number
    }
  /** Bytes that do not belong to the question: a late answer, or somebody guessing. */
  | { readonly event: 'dns-message-ignored'; readonly server: string; readonly name: string; readonly type: string }
  /** From now on answers are secure or insecure on the word of this validator. */
  | { readonly event: 'dnssec-validating'; readonly by: ValidatorKind; readonly lostForMs?: number }
  /** A resolver on this machine is believed although nobody said that it validates honestly. */
  | { readonly event: 'dnssec-loopback-believed'; readonly problems: readonly ValidatorProblem[] }
  /** DANE stays off until the next start. */
  | {
      readonly event: 'dnssec-off'
      readonly because: OffBecause['kind']
      readonly problems: readonly ValidatorProblem[]
    }
  /** Nobody validates any more, or nobody does after a start that should have DANE. */
  | {
      readonly event: 'dnssec-lost'
      readonly delivery: 'tried' | 'held'
      readonly problems: readonly ValidatorProblem[]
    }
  | { readonly event: 'unbound-started'; readonly version: string; readonly pid: number; readonly port: number }
  | { readonly event: 'unbound-not-running'; readonly because: UnboundProblem; readonly retryInMs: number }
  /** It did not start with the trust anchors that it had kept, and does with ours. */
  | { readonly event: 'unbound-anchors-renewed'; readonly because: UnboundProblem }
