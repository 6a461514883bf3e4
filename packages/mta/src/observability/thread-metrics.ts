/** The metrics of threads, and what counts. A part of `metrics.ts`, which checks that it is complete. Pure. */
export const THREAD_METRICS = {
  hermetic_threads: {
    type: 'gauge',
    help: 'Threads that take sessions and deliver, wanted and up; no value with threads = 1.',
    labels: ['state'],
  },
  hermetic_thread_deaths_total: {
    type: 'counter',
    help: 'Threads that ended by a defect or for want of memory, and were replaced.',
  },
  hermetic_thread_defects_total: { type: 'counter', help: 'What could not be said between threads.' },
  hermetic_thread_lag_seconds: {
    type: 'gauge',
    help: 'How late the event loop of each thread was in the last second.',
    labels: ['thread', 'quantile'],
  },
  hermetic_thread_utilization: {
    type: 'gauge',
    help: 'The share of the last second in which the event loop of each thread was busy.',
    labels: ['thread'],
  },
} as const

const nothing = (): readonly never[] => []

export const THREAD_UPDATES = {
  'threads-started': nothing,
  'thread-died': () => [{ kind: 'count', name: 'hermetic_thread_deaths_total', by: 1, labels: {} } as const],
  'thread-replaced': nothing,
  'thread-defect': () => [{ kind: 'count', name: 'hermetic_thread_defects_total', by: 1, labels: {} } as const],
}
