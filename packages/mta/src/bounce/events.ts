/**
 * What bouncing tells operators. A closed list; wording and metrics are made in `observability/`.
 * The delivery that settles emits them once the settlement is committed.
 */
import type { SigningOutcome } from '../signing/dkim.ts'
import type { QueueId } from '../spool/queue-id.ts'
import type { SilentReason } from './dsn-decision.ts'
import type { Reported } from './reported.ts'

export type BounceEvent =
  /** A notification was queued for the sender. */
  | {
      readonly event: 'dsn-queued'
      readonly id: QueueId
      readonly dsnId: QueueId
      /** The worst that it tells. */
      readonly action: Reported['action']
      readonly recipients: number
      /** It tells of several settlements, or of something that is still to come. */
      readonly gathered: boolean
      /** Absent where no key is configured. */
      readonly dkim?: SigningOutcome
    }
  /** A host on the way back could not take a notification as it was: it goes once more in seven bits. */
  | {
      readonly event: 'dsn-downgraded'
      readonly id: QueueId
      readonly dsnId: QueueId
      readonly missing: 'SMTPUTF8' | '8BITMIME'
    }
  /** Recipients failed and no sender is told (RFC 3461 §5.2.6): the postmaster's to see. */
  | {
      readonly event: 'failure-not-reported'
      readonly id: QueueId
      readonly recipients: number
      readonly reason: SilentReason
    }
