/** The log events of counting sessions for reports. A part of `log-events.ts`, which checks that it is complete. Pure. */
export const REPORT_COUNTING_LOG_EVENTS = {
  'tlsrpt-results-stored': {
    level: 'debug',
    sentence: 'What sessions said about TLS since the last of these lines is in the store of results.',
    fields: { domains: 'number', counts: 'facts', merged: 'number' },
  },
  'tlsrpt-results-late': {
    level: 'warn',
    sentence: 'Results came when their day was already closed; they are in no report.',
    fields: { sessions: 'number' },
  },
  'tlsrpt-results-lost': {
    level: 'error',
    sentence:
      'Results are in no report: there was no room for more domains, or the store did not answer before the stop.',
    fields: { sessions: 'number', because: 'word' },
  },
  'tlsrpt-store-failed': {
    level: 'error',
    sentence:
      'The store of results did not answer; what is counted stays in memory, and it is asked again each second.',
    fields: { detail: 'peer' },
  },
  'tlsrpt-store-recovered': {
    level: 'info',
    sentence: 'The store of results answers again.',
    fields: { failures: 'number' },
  },
  'tlsrpt-second-lost': {
    level: 'warn',
    sentence: 'The relay did not stop in order: results of its last second may be in no report.',
    fields: {},
  },
  'tlsrpt-mark-failed': {
    level: 'warn',
    sentence:
      'The file in data_dir that tells a stop which was not in order cannot be set or removed; counting goes on.',
    fields: { detail: 'peer' },
  },
  'tlsrpt-counting-defect': {
    level: 'error',
    sentence: 'A defect of ours kept a result from being counted; mail is not affected.',
    fields: { detail: 'peer' },
  },
} as const
