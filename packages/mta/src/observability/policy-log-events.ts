/**
 * The log entries of what happens inside the policy package: DNS, MTA-STS and DANE. A part of `log-events.ts`, which checks
 * that it is complete. Pure.
 */
export const POLICY_LOG_EVENTS = {
  'dns-server-failed': {
    level: 'debug',
    sentence: 'One name server failed one question; another server or attempt may still answer.',
    fields: { server: 'word', name: 'peer', type: 'word', reason: 'facts', durationMs: 'number' },
  },
  'dns-message-ignored': {
    level: 'warn',
    sentence: 'A DNS message did not belong to the question: a late answer, or somebody guessing.',
    fields: { server: 'word', name: 'peer', type: 'word' },
  },
  'dnssec-validating': {
    level: 'info',
    sentence: 'DNSSEC works: answers are secure or insecure on the word of this validator, and DANE is on.',
    fields: { by: 'word', lostForMs: 'number' },
  },
  'dnssec-loopback-believed': {
    level: 'warn',
    sentence:
      'The resolver on this machine is believed about DNSSEC because it is here; say so with dns.trust = "ad", or install unbound.',
    fields: { problems: 'facts' },
  },
  'dnssec-off': {
    level: 'info',
    sentence: 'DANE is off until the next start: by the settings, or because nobody validates DNSSEC.',
    fields: { because: 'word', problems: 'facts' },
  },
  'dnssec-lost': {
    level: 'error',
    sentence:
      'Nobody validates DNSSEC now. Mail waits: lookups that nobody vouches for fail (tried), or nothing is delivered at all (held).',
    fields: { delivery: 'word', problems: 'facts' },
  },
  'unbound-started': {
    level: 'info',
    sentence: 'A private unbound answers for this relay.',
    fields: { version: 'word', pid: 'number', port: 'number' },
  },
  'unbound-not-running': {
    level: 'error',
    sentence: 'The private unbound ended or could not be started; it is started again after a pause.',
    fields: { because: 'facts', retryInMs: 'number' },
  },
  'unbound-anchors-renewed': {
    level: 'warn',
    sentence:
      'The root keys that the private unbound had kept were damaged or refused; it starts with those of this version.',
    fields: { because: 'facts' },
  },
  'sts-fetch-ended': {
    level: 'debug',
    sentence: 'An MTA-STS policy was fetched, or could not be.',
    fields: { policyDomain: 'word', occasion: 'word', id: 'word', outcome: 'word', detail: 'word' },
  },
  'sts-policy-unobtainable': {
    level: 'warn',
    sentence: 'A domain announces an MTA-STS policy that cannot be had, and none is cached: mail goes without.',
    fields: { policyDomain: 'word', id: 'word', resultType: 'word', reason: 'word' },
  },
  'sts-record-lookup-failed': {
    level: 'info',
    sentence: 'DNS could not say whether a domain has an MTA-STS policy, and none is cached: mail goes without.',
    fields: { policyDomain: 'word', reason: 'word' },
  },
  'sts-policy-not-renewed': {
    level: 'warn',
    sentence: 'A cached MTA-STS policy stays as it was, because its successor or renewal could not be fetched.',
    fields: {
      policyDomain: 'word',
      mode: 'word',
      occasion: 'word',
      resultType: 'word',
      reason: 'word',
      expiresAt: 'time',
    },
  },
  'sts-refresh-alarm': {
    level: 'error',
    sentence: 'Refreshing an MTA-STS policy failed repeatedly; it protects mail until it expires.',
    fields: { policyDomain: 'word', mode: 'word', failedRefreshes: 'number', expiresAt: 'time' },
  },
  'sts-policy-expiring': {
    level: 'error',
    sentence: 'An MTA-STS policy will expire before its next refresh is tried.',
    fields: { policyDomain: 'word', mode: 'word', expiresAt: 'time' },
  },
  'sts-record-trouble': {
    level: 'warn',
    sentence: 'The MTA-STS record of a cached policy is gone, damaged or not to be had; the policy stays in force.',
    fields: { policyDomain: 'word', mode: 'word', reason: 'word', expiresAt: 'time' },
  },
  'sts-policy-weakened': {
    level: 'warn',
    sentence: 'A domain published an MTA-STS policy that demands less than its last one.',
    fields: { policyDomain: 'word', from: 'word', to: 'word', id: 'word' },
  },
  'sts-policy-expired': {
    level: 'warn',
    sentence: 'An MTA-STS policy ended by its age, and there is no successor: mail goes without.',
    fields: { policyDomain: 'word', mode: 'word', expiredAt: 'time' },
  },
  'sts-policy-purged': {
    level: 'warn',
    sentence: 'An operator threw a cached MTA-STS policy away: the next mail to the domain is first contact again.',
    fields: { policyDomain: 'word', mode: 'word', by: 'peer', at: 'time' },
  },
  'sts-cache-failed': {
    level: 'error',
    sentence: 'The cache of MTA-STS policies could not be read or written; mail that depends on it is deferred.',
    fields: { operation: 'word', detail: 'word' },
  },
  'policy-file-gone': {
    level: 'error',
    sentence: 'policy.db was deleted or replaced while the relay runs: restart the relay, which writes it at its stop.',
    fields: { state: 'word' },
  },
  'sts-cache-damaged': {
    level: 'error',
    sentence: 'A cached MTA-STS policy cannot be read, or is gone before its time; mail waits until it is purged.',
    fields: { policyDomain: 'word', detail: 'word' },
  },
  'sts-cache-lost': {
    level: 'error',
    sentence:
      'The shared cache of MTA-STS policies was emptied or replaced; what it does not hold is first contact again.',
    fields: {},
  },
  'sts-cache-rebuilt': {
    level: 'warn',
    sentence: 'Indexes of the shared cache of MTA-STS policies were damaged, and made again from what it holds.',
    fields: { policies: 'number' },
  },
  'sts-refresh-defect': {
    level: 'error',
    sentence: 'A refresh of an MTA-STS policy ended by a defect of the relay; it stays due.',
    fields: { policyDomain: 'word', detail: 'peer' },
  },
  'dane-looked-up': {
    level: 'debug',
    sentence: 'DNS said what DANE demands of a host, or could not.',
    fields: { host: 'word', port: 'number', result: 'word' },
  },
  'dane-tlsa-vanished': {
    level: 'warn',
    sentence: 'A host that had usable TLSA records has none any more: DANE demands nothing of it.',
    fields: { host: 'word', port: 'number', lastSeenAt: 'time' },
  },
  'dane-tlsa-unusable': {
    level: 'warn',
    sentence: 'A host that had usable TLSA records has unusable ones only: its TLS is not authenticated any more.',
    fields: { host: 'word', port: 'number', records: 'number', lastSeenAt: 'time' },
  },
  'dane-zone-unsigned': {
    level: 'warn',
    sentence: 'The zone of a host that had usable TLSA records is not signed any more: DANE demands nothing of it.',
    fields: { host: 'word', port: 'number', because: 'word', lastSeenAt: 'time' },
  },
  'dane-mx-unsigned': {
    level: 'warn',
    sentence: 'The MX records of a domain are not signed any more: its hosts prove only that they are themselves.',
    fields: { nextHop: 'word', lastSeenAt: 'time' },
  },
  'dane-validation-lost': {
    level: 'error',
    sentence: 'Lookups for a host that had usable TLSA records fail; mail to it waits or takes another host.',
    fields: {
      host: 'word',
      port: 'number',
      lookup: 'word',
      name: 'word',
      reason: 'facts',
      failures: 'number',
      lastSeenAt: 'time',
    },
  },
  'dane-validation-restored': {
    level: 'info',
    sentence: 'Lookups for a host that had usable TLSA records work again.',
    fields: { host: 'word', port: 'number', failures: 'number' },
  },
  'dane-memory-failed': {
    level: 'error',
    sentence: 'What was protected by DANE could not be read or written: its loss may go unnoticed.',
    fields: { detail: 'word' },
  },
  'socketmap-listening': {
    level: 'info',
    sentence: 'Postfix can ask for TLS policies here; zones are the query names that are answered.',
    fields: { place: 'word', zones: 'number' },
  },
  'socketmap-decided': {
    level: 'debug',
    sentence: 'What Postfix is told of a next hop, why, and for how long that is remembered.',
    fields: {
      zone: 'peer',
      key: 'peer',
      answer: 'word',
      because: 'word',
      reply: 'peer',
      validForMs: 'number',
      durationMs: 'number',
    },
  },
  'socketmap-answered': {
    level: 'debug',
    sentence: 'Answers that one connection got within a second, by what they were.',
    fields: { counts: 'facts' },
  },
  'socketmap-connection-refused': {
    level: 'warn',
    sentence:
      'A connection to the socketmap was closed: there were too many, or it did not speak the protocol in time.',
    fields: { peer: 'peer', because: 'word' },
  },
  'socketmap-defect': {
    level: 'error',
    sentence: 'An answer of the socketmap ended by a defect of ours; Postfix defers.',
    fields: { key: 'peer', detail: 'peer' },
  },
} as const
