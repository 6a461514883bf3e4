/**
 * The log entries of the relay as a whole and of what people ordered. A part of `log-events.ts`, which checks that it
 * is complete. Pure.
 */
export const RELAY_LOG_EVENTS = {
  'relay-starting': {
    level: 'info',
    sentence: 'The relay starts.',
    fields: { version: 'word', node: 'word', pid: 'number', hostname: 'word', directory: 'word', roles: 'word' },
  },
  'relay-ready': {
    level: 'info',
    sentence: 'Listeners are up and deliveries run.',
    fields: { durationMs: 'number' },
  },
  'log-lines-lost': {
    level: 'warn',
    sentence: 'Whoever takes the log was too slow or out of room; so many lines are missing before this one.',
    fields: { count: 'number' },
  },
  'node-outdated': {
    level: 'warn',
    sentence: 'This Node.js lacks security fixes that matter to a mail relay; update it.',
    fields: { node: 'word', fixedIn: 'word', detail: 'word' },
  },
  'admin-listening': {
    level: 'info',
    sentence: 'Metrics and probes, the control socket or the API answer here.',
    fields: { service: 'word', place: 'word' },
  },
  'admin-failed': {
    level: 'error',
    sentence: 'Metrics and probes, the control socket or the API failed.',
    fields: { service: 'word', detail: 'peer' },
  },
  'dnssec-memory-failed': {
    level: 'error',
    sentence: 'Whether DANE was on cannot be read or written; unread, it counts as having been on.',
    fields: { operation: 'word', path: 'word', detail: 'word' },
  },
  'queue-ordered': {
    level: 'info',
    sentence: 'An operator changed the state of messages.',
    fields: { action: 'word', messages: 'number' },
  },
  'config-reloaded': {
    level: 'info',
    sentence: 'The configuration was read again: what could change has changed, the rest waits for a restart.',
    fields: { by: 'word', applied: 'word', waiting: 'word' },
  },
  'config-refused': {
    level: 'error',
    sentence: 'The configuration was read again and is wrong: everything stays as it was.',
    fields: { by: 'word', problems: 'peer' },
  },
  'own-domain-takes-no-mail': {
    level: 'warn',
    sentence: 'Mail is sent in the name of this domain, which has a null MX: replies and notifications to it are lost.',
    fields: { domain: 'word' },
  },
  'relay-stopping': {
    level: 'info',
    sentence: 'No new sessions and no new deliveries; running ones are brought to an end.',
    fields: { signal: 'word', graceMs: 'number' },
  },
  'relay-stopped': { level: 'info', sentence: 'The relay has stopped in order.', fields: { durationMs: 'number' } },
  'relay-failed': { level: 'error', sentence: 'A defect ended the relay.', fields: { detail: 'peer' } },
} as const
