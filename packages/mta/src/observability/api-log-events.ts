/** How the control API stands in the log. A part of `log-events.ts`, which checks that it is complete. Pure. */

export const API_LOG_EVENTS = {
  'api-tokens-loaded': { level: 'info', sentence: 'So many tokens may use the API.', fields: { count: 'number' } },
  'api-tokens-unreadable': {
    level: 'error',
    sentence: 'The token file of the API changed and cannot be used: those that it had stay in force.',
    fields: { path: 'word', detail: 'word' },
  },
  'api-ordered': {
    level: 'info',
    sentence: 'Somebody ordered something over the API; hermetic api audit tells with which words.',
    fields: { operation: 'word', token: 'word', client: 'word', status: 'number', messages: 'number' },
  },
  'api-refused': {
    level: 'warn',
    sentence: 'The API refused somebody. One line for each client and reason in ten seconds.',
    fields: { because: 'word', client: 'word', token: 'word' },
  },
  'api-audit-failed': {
    level: 'error',
    sentence: 'The audit of the API cannot be written: nothing is ordered over it until it can.',
    fields: { path: 'word', detail: 'word' },
  },
} as const
