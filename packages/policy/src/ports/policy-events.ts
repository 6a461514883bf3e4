/**
 * Port: what happens inside policy that an operator wants to see or count. The relay renders these as log lines and
 * metrics; no room here knows either.
 */
import type { DnsFailureReason } from '../dns/answer.ts'
import type { StsEvent } from '../mta-sts/events.ts'

export type PolicyEvent =
  | StsEvent
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

export type EmitPolicyEvent = (event: PolicyEvent) => void
