/**
 * The part of the spool that names messages that were in flight when the relay died without a clean stop (architecture §3, crash attribution).
 *
 * How the composition root uses it: after a start, `list()` names the suspects. Those with at least
 * `setAsideAfterDeaths` deaths in a row (an option of the adapter; absent = none) are kept out of `Spool.claim`.
 * Each of them is claimed by name and delivered alone in a child process. When the child ends by itself, its claims
 * are settled or released as usual and `clear` ends the suspicion. When the child dies while its parent lives, and
 * only then, `quarantine` takes the message out of the queue; `release` on the admin side brings it back.
 * A killed relay therefore quarantines nothing: the next start only counts one more death.
 */
import type { Suspect } from './claims-journal.ts'
import type { QueueId } from './queue-id.ts'
import type { Claim } from './spool.ts'

export type { Suspect } from './claims-journal.ts'

export interface CrashSuspects {
  /** Not yet cleared or quarantined. */
  list(): readonly Suspect[]
  /** Everything of one message that is due, also while it is set aside. */
  claim(id: QueueId, options: { readonly leaseMs: number }): Promise<readonly Claim[]>
  /** It did not kill anything: `Spool.claim` may give it out again. */
  clear(id: QueueId): Promise<void>
  /** Stops every open delivery of the message, also those that the dead child had claimed. */
  quarantine(id: QueueId, reason: string): Promise<void>
}
