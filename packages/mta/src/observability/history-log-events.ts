/** The log entries of the delivery history. A part of `log-events.ts`, which checks that it is complete. Pure. */
export const HISTORY_LOG_EVENTS = {
  'history-written': {
    level: 'debug',
    sentence: 'Entries were recorded in the delivery history, or old ones forgotten.',
    fields: { entries: 'number', records: 'number', usedBytes: 'number', oldestAt: 'time' },
  },
  'history-failing': {
    level: 'warn',
    sentence: 'The delivery history cannot be written; mail goes on, and it is tried again until it works.',
    fields: { reason: 'word', detail: 'peer' },
  },
  'history-recovered': {
    level: 'info',
    sentence: 'The delivery history is written again; entries that found no room to wait in are missing from it.',
    fields: { afterMs: 'number', dropped: 'number' },
  },
  'history-dropped': {
    level: 'debug',
    sentence: 'So many entries found no room to wait in; the log has them.',
    fields: { entries: 'number' },
  },
} as const
