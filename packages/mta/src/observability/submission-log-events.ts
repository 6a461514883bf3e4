/** How submission stands in the log. A part of `log-events.ts`, which checks that it is complete. Pure. */

const listener = 'word'
const address = 'peer'

export const SUBMISSION_LOG_EVENTS = {
  listening: {
    level: 'info',
    sentence: 'A listener takes sessions.',
    fields: { listener, address, port: 'number' },
  },
  'listener-failed': {
    level: 'error',
    sentence: 'A listener could not be opened, or failed.',
    fields: { listener, code: 'word' },
  },
  'session-refused': {
    level: 'warn',
    sentence: 'A client was turned away before the greeting.',
    fields: { listener, address, reason: 'word' },
  },
  'session-opened': { level: 'debug', sentence: 'A client connected.', fields: { listener, address } },
  'session-ended': {
    level: 'debug',
    sentence: 'A session is over.',
    fields: { listener, address, reason: 'word', messages: 'number', durationMs: 'number' },
  },
  'tls-handshake-failed': {
    level: 'warn',
    sentence: 'The TLS handshake with a client failed.',
    fields: { listener, address, code: 'peer' },
  },
  authenticated: {
    level: 'debug',
    sentence: 'A login was accepted.',
    fields: { listener, address, username: 'peer' },
  },
  'auth-failed': {
    level: 'warn',
    sentence: 'A login was refused.',
    fields: { listener, address, username: 'peer', reason: 'word' },
  },
  'command-refused': {
    level: 'info',
    sentence: 'MAIL, RCPT or DATA was refused.',
    fields: { listener, address, username: 'peer', command: 'word', reply: 'peer' },
  },
  'quota-exhausted': {
    level: 'warn',
    sentence: 'A login or a network sends more than its quota; the message was answered 450.',
    fields: { listener, address, username: 'peer', of: 'word', counts: 'word', retryAfterMs: 'number' },
  },
  'message-accepted': {
    level: 'info',
    sentence: 'A message is durably queued and was answered 250.',
    fields: {
      listener,
      id: 'word',
      address,
      username: 'peer',
      reversePath: 'mailbox',
      messageId: 'peer',
      recipients: 'number',
      size: 'number',
      tls: 'word',
      messageTls: 'word',
      priority: 'number',
      tag: 'word',
      tlsRequiredIgnored: 'word',
      dkim: 'facts',
      latencyMs: 'number',
      spoolMs: 'number',
    },
  },
  'message-refused': {
    level: 'info',
    sentence: 'Content was refused after DATA; nothing was queued.',
    fields: { listener, id: 'word', address, username: 'peer', reason: 'word', reply: 'peer' },
  },
  'dkim-signing-failed': {
    level: 'error',
    sentence: 'A message could not be signed; it was answered 451 and is not queued.',
    fields: { listener, id: 'word', address, detail: 'peer' },
  },
  'session-error': {
    level: 'error',
    sentence: 'A session ended by a defect of ours.',
    fields: { listener, address, detail: 'peer' },
  },
  'certificate-shown': {
    level: 'info',
    sentence: 'A listener shows this certificate from now on.',
    fields: { listener, endsAt: 'time' },
  },
  'certificate-ending': {
    level: 'warn',
    sentence: 'The certificate of a listener ends soon, or has ended: renew it, then hermetic reload.',
    fields: { listener, endsAt: 'time', expired: 'word' },
  },
  'credentials-loaded': {
    level: 'info',
    sentence: 'The file of logins was read.',
    fields: { count: 'number' },
  },
  'credentials-unreadable': {
    level: 'error',
    sentence: 'The file of logins cannot be used; the last good one stays in force.',
    fields: { detail: 'peer' },
  },
} as const
