/**
 * Mail found by its age, whatever its lane does: what is over its age and waits all the same, and whose senders were told
 * of no delay. Both are leased to the caller like any claim; what is out for delivery, stopped or a notice is left alone.
 */
import type { Claim } from './spool.ts'
import type { ExpiredAsk, UntoldAsk } from './store-protocol.ts'

export interface SpoolAges {
  /** A bounded part of what is expired; again, until there is none. */
  claimExpired(ask: ExpiredAsk): Promise<readonly Claim[]>
  /** A bounded step of a walk in the order of arrival. */
  claimUntold(ask: UntoldAsk): Promise<UntoldMail>
}

export interface UntoldMail {
  readonly claims: readonly Claim[]
  /** Where to go on. */
  readonly after: string
  /** Nothing older is left for now. */
  readonly ended: boolean
}
