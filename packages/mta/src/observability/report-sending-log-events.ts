/** The log events of sending reports. A part of `log-events.ts`, which checks that it is complete. Pure. */
const report = { policyDomain: 'word', day: 'word' } as const
const target = { ...report, target: 'peer', transport: 'word', attempts: 'number' } as const

export const REPORT_SENDING_LOG_EVENTS = {
  'tlsrpt-key-missing': {
    level: 'error',
    sentence: 'No key signs for the domain of contact, so no report goes by mail: hermetic tlsrpt key makes one.',
    fields: { domain: 'word' },
  },
  'tlsrpt-key-exposed': {
    level: 'warn',
    sentence: 'Everybody on this machine may read the private key of report mails: chmod 600 it.',
    fields: { path: 'peer' },
  },
  'tlsrpt-key-checked': {
    level: 'info',
    sentence: 'DNS has the key that signs report mails.',
    fields: { name: 'word', testing: 'word' },
  },
  'tlsrpt-key-wrong': {
    level: 'error',
    sentence: 'What DNS says of the key that signs report mails is wrong; receivers may drop them.',
    fields: { name: 'word', faults: 'word' },
  },
  'tlsrpt-key-unknown': {
    level: 'warn',
    sentence: 'DNS did not say whether it has the key that signs report mails.',
    fields: { name: 'word', reason: 'word' },
  },
  'tlsrpt-day-closed': {
    level: 'info',
    sentence: 'The sums of a day stand; each domain gets its report within hours.',
    fields: { day: 'word', reports: 'number' },
  },
  'tlsrpt-report-made': {
    level: 'info',
    sentence: 'A report is stored as it will be sent.',
    fields: { ...report, reportId: 'word', octets: 'number', reduced: 'word' },
  },
  'tlsrpt-report-not-wanted': {
    level: 'info',
    sentence: 'A domain has no TLSRPT record that can be followed any more; its report is not sent.',
    fields: { ...report, reason: 'word' },
  },
  'tlsrpt-record-lookup-failed': {
    level: 'warn',
    sentence: 'The TLSRPT record could not be looked up; the report waits.',
    fields: { ...report, reason: 'word', nextAt: 'time' },
  },
  'tlsrpt-target-ignored': {
    level: 'info',
    sentence: 'A URI of a TLSRPT record is of no use; the others get the report.',
    fields: { ...report, target: 'peer', reason: 'word' },
  },
  'tlsrpt-report-submitted': {
    level: 'info',
    sentence: 'An endpoint took a report, or the mail queue did.',
    fields: { ...target, reportId: 'word', queueId: 'word', status: 'number', unproven: 'word' },
  },
  'tlsrpt-report-deferred': {
    level: 'warn',
    sentence: 'A report did not get to a target and is tried again.',
    fields: { ...target, reason: 'word', nextAt: 'time', unproven: 'word' },
  },
  'tlsrpt-target-given-up': {
    level: 'warn',
    sentence: 'A target does not get a report any more.',
    fields: { ...target, reason: 'word' },
  },
  'tlsrpt-report-done': {
    level: 'info',
    sentence: 'Every target of a report has it or has been given up.',
    fields: { ...report, outcome: 'word', targets: 'number' },
  },
  'tlsrpt-report-damaged': {
    level: 'error',
    sentence: 'What the store of results has of a report cannot be read: it is set aside and not sent.',
    fields: { policyDomain: 'peer', day: 'word', part: 'word' },
  },
  'tlsrpt-claim-lost': {
    level: 'warn',
    sentence: 'Another relay has taken over the work on a report.',
    fields: report,
  },
  'tlsrpt-days-forgotten': {
    level: 'info',
    sentence: 'What is left of days that are too old to be reported is deleted.',
    fields: { before: 'word', unfinished: 'number' },
  },
  'tlsrpt-sending-failed': {
    level: 'error',
    sentence: 'A run of reports ended early; the next one is within a minute.',
    fields: { step: 'word', detail: 'peer' },
  },
  'tlsrpt-sending-defect': {
    level: 'error',
    sentence: 'A defect of ours kept one report back; it is tried again in an hour.',
    fields: { ...report, detail: 'peer' },
  },
} as const
