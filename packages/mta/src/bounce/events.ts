/**
 * What bouncing tells operators. A closed list; wording and metrics are made in `observability/`.
 * The delivery that settles emits them once the settlement is committed.
 */
import type { SigningOutcome } from '../signing/dkim.ts'
import type { QueueId } from '../spool/queue-id.ts'
import type { SilentReason } from './dsn-decision.ts'

export type BounceEvent =
  /** A failure notification was queued for the sender. */
  | {
      readonly event: 'dsn-queued'
      readonly id: QueueId
      readonly dsnId: QueueId
      readonly recipients: number
      /** Absent where no key is configured. */
      readonly dkim?: SigningOutcome
    }
  /** Recipients failed and no sender is told (RFC 3461 §5.2.6): the postmaster's to see. */
  | {
      readonly event: 'failure-not-reported'
      readonly id: QueueId
      readonly recipients: number
      readonly reason: Exclude<SilentReason, 'nothing-failed'>
    }
