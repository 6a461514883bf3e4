/**
 * What the limits tell operators. A closed list; wording and metrics are made in `observability/`.
 */
import type { SiteId } from './permits.ts'

export type LimitsEvent =
  /** The permits' store cannot be asked: no connection to any site is opened meanwhile. Once per outage. */
  | { readonly event: 'permits-unavailable'; readonly detail: string }
  | { readonly event: 'permits-available' }
  /** The lease of a permit ended while we had it, and another process took it: no further transaction on it. */
  | { readonly event: 'permit-lost'; readonly site: SiteId }
