/** What one attempt at one target came to, with what a log should tell of it. */
import type { AttemptOutcome } from './target-state.ts'

export interface Submission {
  readonly outcome: AttemptOutcome
  readonly told: SubmissionFacts
}

export interface SubmissionFacts {
  /** In the mail queue. */
  readonly queueId?: string
  /** What an endpoint answered. */
  readonly status?: number
  /** The certificate of the endpoint did not prove it; it was used all the same (RPT-94). */
  readonly unproven?: string
}

export function failed(reason: string, told: SubmissionFacts = {}): Submission {
  return { outcome: { kind: 'failed', reason }, told }
}

export function notTried(reason: string): Submission {
  return { outcome: { kind: 'not-tried', reason }, told: {} }
}
