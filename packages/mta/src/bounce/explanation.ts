/** What a person is told of one problem, in sentences of ours. Types only. */
export interface Explanation {
  readonly what: string
  /** What the other server said, word for word. */
  readonly quote?: string
  readonly advice?: string
}
