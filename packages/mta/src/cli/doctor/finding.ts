/** What `doctor` says of one thing that it looked at. Pure vocabulary. */
export type Grade = 'ok' | 'warn' | 'fail' | 'not-tried'

export interface Finding {
  readonly check: string
  readonly grade: Grade
  readonly found: string
  /** What to do; absent when nothing is. */
  readonly advice?: string
}
