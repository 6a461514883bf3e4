/** Where the queue is kept, and what its store promises: what operators should know of it. Pure vocabulary. */
export interface EngineState {
  readonly engine: 'embedded' | 'redis'
  /** Why this node gives no turns though it should, if so. */
  readonly scheduling?: string | undefined
  /** What the store may lose, and why, although it is used; absent: nothing. */
  readonly weakness?: string | undefined
}
