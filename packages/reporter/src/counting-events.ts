/**
 * What the counting of sessions tells operators. A closed list; wording and metrics are made by whoever renders it.
 */
import type { PolicyType } from './counted-session.ts'
import type { ResultType } from './result-type.ts'

export type ReportCountingEvent =
  /** What was counted since the last one is in the store. */
  | {
      readonly event: 'tlsrpt-results-stored'
      readonly domains: number
      readonly counts: readonly ResultCount[]
      /** Failures that are only told apart by their type from now on (RPT-69). */
      readonly merged: number
    }
  /** They came when their day was already closed, and are in no report. */
  | { readonly event: 'tlsrpt-results-late'; readonly sessions: number }
  /**
   * They are in no report: there was no room for more domains, the store did not answer before we stopped, or the sum to
   * which they belong is damaged.
   */
  | {
      readonly event: 'tlsrpt-results-lost'
      readonly sessions: number
      readonly because: 'no-room' | 'stopped' | 'damaged'
    }
  /** The store of results did not answer; what was counted is kept in memory. */
  | { readonly event: 'tlsrpt-store-failed'; readonly detail: string }
  | { readonly event: 'tlsrpt-store-recovered'; readonly failures: number }
  /** The process before this one ended without a word: what it had counted in its last second is lost. */
  | { readonly event: 'tlsrpt-second-lost' }
  /** The mark that tells such an end cannot be set or removed; counting goes on. */
  | { readonly event: 'tlsrpt-mark-failed'; readonly detail: string }
  /** A defect of ours was contained; mail is not affected. */
  | { readonly event: 'tlsrpt-counting-defect'; readonly detail: string }

/** Sessions that succeeded, or that have a failure of this type. */
export interface ResultCount {
  readonly policyType: PolicyType
  readonly result: ResultType | 'success'
  readonly sessions: number
}
