/** The log entries of notifications. A part of `log-events.ts`, which checks that it is complete. Pure. */
export const BOUNCE_LOG_EVENTS = {
  'dsn-queued': {
    level: 'info',
    sentence: 'A notification to the sender was queued.',
    fields: { id: 'word', dsnId: 'word', action: 'word', recipients: 'number', gathered: 'history', dkim: 'facts' },
  },
  'dsn-downgraded': {
    level: 'info',
    sentence:
      'A host on the way to the sender could not take a notification as it was: it goes once more in seven bits.',
    fields: { id: 'word', dsnId: 'word', missing: 'word' },
  },
  'failure-not-reported': {
    level: 'warn',
    sentence: 'Recipients failed and no sender is told.',
    fields: { id: 'word', recipients: 'number', reason: 'word' },
  },
} as const
