/** What suppression tells operators. A closed list; wording and metrics are made in `observability/`. */
import type { EnhancedStatus } from '../smtp/enhanced-status.ts'

export type SuppressionEvent =
  /** No more mail to this address until then. */
  | {
      readonly event: 'address-suppressed'
      readonly recipient: string
      readonly by: 'bounces' | 'operator'
      readonly status?: EnhancedStatus
      readonly until: number
    }
  | { readonly event: 'suppression-ended'; readonly recipient: string }
  /** The list cannot be read or written: nobody is suppressed, and refusals are not counted. Once per outage. */
  | { readonly event: 'suppression-failing'; readonly detail: string }
  | { readonly event: 'suppression-recovered' }
  /** Refusals that were not counted, because more came than could be stored. */
  | { readonly event: 'suppression-dropped'; readonly outcomes: number }
