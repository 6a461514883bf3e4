/** The log entries of the operator's own policies. A part of `log-events.ts`, which checks that it is complete. Pure. */
const waiver = { domain: 'word', mechanisms: 'facts', reason: 'peer', author: 'peer', until: 'time' } as const

export const LOCAL_POLICY_LOG_EVENTS = {
  'overrides-in-force': {
    level: 'info',
    sentence: 'How many policy overrides there are; waivers count while they are in force.',
    fields: { required: 'number', observed: 'number', waived: 'number', expired: 'number' },
  },
  'policies-only-observed': {
    level: 'warn',
    sentence:
      'MTA-STS and DANE are looked at and refuse nothing: for all mail exchangers (everywhere), or for the domains of so many overrides.',
    fields: { everywhere: 'word', overrides: 'number' },
  },
  'policy-waived': {
    level: 'warn',
    sentence: 'A policy that a domain publishes is ignored until this time, because an operator says so.',
    fields: waiver,
  },
  'policy-waiver-expiring': {
    level: 'warn',
    sentence: 'A waiver ends within a week; from then on the policy of the domain is enforced again.',
    fields: waiver,
  },
  'policy-waiver-expired': {
    level: 'warn',
    sentence: 'A waiver has ended and does nothing any more; remove it from the configuration, or renew it.',
    fields: waiver,
  },
  'preload-list-loaded': {
    level: 'info',
    sentence: 'The preload list was read.',
    fields: { path: 'word', domains: 'number', expiresAt: 'time' },
  },
  'preload-list-unusable': {
    level: 'error',
    sentence: 'The preload list changed and cannot be used; the last good one stays in force.',
    fields: { path: 'word', detail: 'peer' },
  },
  'preload-list-expiring': {
    level: 'warn',
    sentence: 'The preload list ends within a week by its own date; get the next one.',
    fields: { path: 'word', expiresAt: 'time' },
  },
  'preload-list-expired': {
    level: 'error',
    sentence: 'The preload list is over by its own date: its domains are not protected at first contact.',
    fields: { path: 'word', expiresAt: 'time' },
  },
} as const
