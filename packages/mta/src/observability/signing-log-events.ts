/** The log events of signing. A part of `log-events.ts`. Pure. */

export const SIGNING_LOG_EVENTS = {
  'dkim-key-loaded': {
    level: 'info',
    sentence: 'A key signs the mail of a domain.',
    fields: { domain: 'word', selector: 'word', algorithm: 'word' },
  },
  'dkim-keys-replaced': {
    level: 'info',
    sentence: 'Other keys sign mail from now on.',
    fields: { keys: 'number' },
  },
  'dkim-key-exposed': {
    level: 'warn',
    sentence: 'Everybody on this machine may read a private key: chmod 600 it.',
    fields: { path: 'peer' },
  },
} as const
