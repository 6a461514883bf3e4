/** The log entries of threads. A part of `log-events.ts`, which checks that it is complete. Pure. */
export const THREAD_LOG_EVENTS = {
  'threads-started': {
    level: 'info',
    sentence: 'So many threads take sessions and deliver.',
    fields: { threads: 'number' },
  },
  'thread-died': {
    level: 'error',
    sentence:
      'A thread ended by a defect or for want of memory: its sessions are lost, what it was delivering is given back, another one takes its place.',
    fields: { thread: 'number', detail: 'peer', messages: 'number', replacedInMs: 'number' },
  },
  'thread-replaced': {
    level: 'warn',
    sentence: 'Another thread works in the place of one that died.',
    fields: { thread: 'number' },
  },
  'thread-defect': {
    level: 'error',
    sentence: 'A defect of ours: something could not be said between threads.',
    fields: { thread: 'number', detail: 'peer' },
  },
} as const
