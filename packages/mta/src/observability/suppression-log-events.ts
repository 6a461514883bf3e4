/** How suppression stands in the log. A part of `log-events.ts`, which checks that it is complete. Pure. */

export const SUPPRESSION_LOG_EVENTS = {
  'address-suppressed': {
    level: 'info',
    sentence: 'No more mail is sent to this address until then.',
    fields: { recipient: 'mailbox', by: 'word', status: 'word', until: 'time' },
  },
  'suppression-ended': {
    level: 'info',
    sentence: 'An operator took an address off the list of suppressed ones.',
    fields: { recipient: 'mailbox' },
  },
  'suppression-failing': {
    level: 'error',
    sentence: 'The list of suppressed addresses cannot be read or written: nobody is suppressed until it can.',
    fields: { detail: 'peer' },
  },
  'suppression-recovered': {
    level: 'info',
    sentence: 'The list of suppressed addresses is there again.',
    fields: {},
  },
  'suppression-dropped': {
    level: 'warn',
    sentence: 'More outcomes came than the list of suppressed addresses could store: some refusals were not counted.',
    fields: { outcomes: 'number' },
  },
} as const
