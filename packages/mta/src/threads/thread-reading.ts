/** How the threads of a relay are, for metrics and readiness. Types only. */
export interface ThreadReading {
  readonly wanted: number
  /** Those that are up. */
  readonly threads: readonly {
    readonly thread: number
    /** How late the event loop was in the last second. */
    readonly lagP99Ms: number
    readonly lagMaxMs: number
    /** The share of it in which it was busy. */
    readonly utilization: number
  }[]
}
