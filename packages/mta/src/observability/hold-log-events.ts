/** How rules that hold mail stand in the log. A part of `log-events.ts`, which checks that it is complete. Pure. */
export const HOLD_LOG_EVENTS = {
  'hold-rule-added': {
    level: 'warn',
    sentence: 'An operator wrote a rule: mail that it means is accepted and waits.',
    fields: { rule: 'word', means: 'peer', reason: 'peer', until: 'time' },
  },
  'hold-rule-removed': {
    level: 'info',
    sentence: 'An operator removed a rule: what it held is released.',
    fields: { rule: 'word' },
  },
  'hold-rule-ended': {
    level: 'info',
    sentence: 'Nothing is left of what a rule held, and it is forgotten.',
    fields: { rule: 'word', by: 'word' },
  },
  'mail-held': {
    level: 'info',
    sentence: 'A rule holds recipients, as they were accepted or before they would have been tried.',
    fields: { rule: 'word', recipients: 'number', at: 'word' },
  },
  'held-mail-released': {
    level: 'info',
    sentence: 'Mail that a rule held is queued again.',
    fields: { rule: 'word', messages: 'number' },
  },
  'hold-rules-failing': {
    level: 'error',
    sentence: 'The rules that hold mail cannot be read or ended; those that are known go on.',
    fields: { detail: 'peer' },
  },
} as const
