/**
 * Port: the sums of sessions by day and policy domain, and the reports that are made of them. Adapter:
 * `adapters/sqlite-result-store.ts` for one process. `result-store.contract.ts` is the full meaning of the promises.
 *
 * Deliberately absent: what is counted (`counted-session.ts`), when something is sent (`schedule.ts`) and how. A sum is
 * bounded by `mergeTallies`, whoever adds; the store never answers with half of a batch.
 */
import type { DomainName } from '@hermetic/policy'
import type { DomainTally } from '../tally.ts'
import type { DayTally } from '../tally-sum.ts'
import type { UtcDay } from '../utc-day.ts'

/** What became of a batch. */
export interface BatchOutcome {
  /** It had been added before; nothing was counted again. */
  readonly repeated: boolean
  /** Sessions of days that are closed: not counted in any report. */
  readonly lateSessions: number
  /** Failures that are no longer told apart, because a sum has too many kinds of them (RPT-69). */
  readonly mergedFailures: number
  /** Sessions that belong to sums that cannot be read any more: not counted in any report. */
  readonly damagedSessions: number
}

/** The bytes that every target gets, kept before the first of them does (RPT-102). */
export interface RenderedReport {
  readonly reportId: string
  /** gzip of the JSON. */
  readonly compressed: Uint8Array
  /** UTC milliseconds. */
  readonly madeAt: number
}

/** One `rua` of one report: each has its own attempts and its own end. */
export interface TargetState {
  readonly uri: string
  /** `queued`: our own mail queue has it, durably. */
  readonly state: 'waiting' | 'queued' | 'accepted' | 'given-up'
  readonly attempts: number
  /** While it waits: not before. UTC milliseconds. */
  readonly nextAt?: number
  /** Why the last attempt failed, or why there is no more; a word of ours. */
  readonly reason?: string
}

/** The right to work on one report until the lease is over, or another has it. */
export interface ReportClaim {
  readonly kind: 'claim'
  readonly policyDomain: DomainName
  readonly day: UtcDay
  /** Of this claim alone. */
  readonly token: string
  readonly tally: DomainTally
  readonly rendered: RenderedReport | undefined
  readonly targets: readonly TargetState[]
  /** UTC milliseconds; undefined: nothing was tried. */
  readonly firstAttemptAt: number | undefined
}

/**
 * A report that was due and that cannot be read. It stays where it is and is never done, but is not due any more, so
 * that nothing waits behind it.
 */
export interface DamagedReport {
  readonly kind: 'damaged'
  /** Text of ours, or `unreadable`. */
  readonly policyDomain: string
  readonly day: string
  readonly part: 'domain' | 'day' | 'sum' | 'targets' | 'report'
}

export interface ReportPage {
  readonly limit: number
  readonly after?: DomainName | undefined
}

export interface ReportProgress {
  /** Once it is kept it never changes. */
  readonly rendered?: RenderedReport
  readonly targets: readonly TargetState[]
  readonly firstAttemptAt?: number
  readonly next: ReportNext
}

export type ReportNext =
  /** Goes on at once: the lease begins anew. */
  | { readonly kind: 'working'; readonly leaseMs: number }
  | { readonly kind: 'due'; readonly at: number }
  | { readonly kind: 'done' }

/** A report as operators see it: also of a day that is not closed yet. */
export interface ReportState {
  readonly policyDomain: DomainName
  readonly day: UtcDay
  /** UTC milliseconds; undefined before the day is closed, and when it is done. While claimed: the end of the lease. */
  readonly dueAt: number | undefined
  readonly claimed: boolean
  readonly done: boolean
  readonly reportId: string | undefined
  readonly targets: readonly TargetState[]
  readonly firstAttemptAt: number | undefined
  /** What became of its targets cannot be read. */
  readonly damaged?: true
  /** It was claimed and could not be read: nobody sends it, and it is deleted with its day. */
  readonly setAside?: true
}

/** Every method rejects with `ResultStoreUnavailable` when the store cannot answer. */
export interface ResultStore {
  /** Of this store and no other; the same for as long as it lives. */
  storeId(): Promise<string>

  /** All or nothing, and once for one id. */
  addBatch(id: string, tallies: readonly DayTally[]): Promise<BatchOutcome>

  tally(policyDomain: DomainName, day: UtcDay): Promise<DomainTally | undefined>

  /** Days before `before` that have sums and are not closed, the earliest first. */
  openDays(before: UtcDay): Promise<readonly UtcDay[]>

  /**
   * From then on the sums of the day stand: each is a report, due at the time that `dueAt` says. Answers how many;
   * closing again changes nothing. Names that cannot be read have no report.
   */
  closeDay(day: UtcDay, dueAt: (policyDomain: DomainName) => number): Promise<number>

  /**
   * The report that has been due longest, of that day only if one is named; for one caller until the lease is over. A
   * damaged one is answered once.
   */
  claimReport(now: number, leaseMs: number, day?: UtcDay): Promise<ReportClaim | DamagedReport | undefined>

  /**
   * What is left to do of a closed day is due at `at` if it was due later; what is claimed stays as it is. Answers how
   * many are due at `at` or before.
   */
  expedite(day: UtcDay, at: number): Promise<number>

  /** False, and nothing is kept, when the claim has passed to another. */
  mark(claim: Pick<ReportClaim, 'policyDomain' | 'day' | 'token'>, progress: ReportProgress): Promise<boolean>

  /** Counts one attempt at a site on a day unless there were `max` of them: then false, and nothing is counted. */
  admit(site: DomainName, day: UtcDay, max: number): Promise<boolean>

  /** Days that have sums, closed or not, the earliest first. */
  days(): Promise<readonly UtcDay[]>

  /** Reports of one day in the order of their domains, behind `after`. */
  reports(day: UtcDay, page: ReportPage): Promise<readonly ReportState[]>

  /** Deletes everything about days before `before`; answers how many reports were never done. */
  forget(before: UtcDay): Promise<number>
}

/** The store cannot answer now. */
export class ResultStoreUnavailable extends Error {
  override readonly name = 'ResultStoreUnavailable'
}
