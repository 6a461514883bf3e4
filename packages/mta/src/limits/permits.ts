/**
 * Port: the limit on transactions per site (architecture §3). A permit is the right to one connection that
 * carries transactions; it delays, never rejects.
 */
export type SiteId = string & { readonly __brand: 'SiteId' }

export interface Permits {
  /**
   * A permit at once, or undefined when the site is at its limit; then `onFree`, when given, is called once
   * when one returns: first asked, first called. It is a call to ask again, not a permit.
   */
  acquire(site: SiteId, onFree?: () => void): Promise<Permit | undefined>
}

export interface Permit {
  readonly site: SiteId
  /** How the transactions went, for adaptive limits. Idempotent. */
  release(feedback: PermitFeedback): void
}

export type PermitFeedback = 'good' | 'failed' | 'unused'
