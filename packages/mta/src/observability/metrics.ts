/**
 * The closed list of metrics, and what each event adds to them. Pure: `adapters/prom-metrics.ts` keeps the
 * numbers. Labels take values of closed lists only (or names that the configuration gives), so that no peer
 * can make them grow.
 */
import type { EffectiveMode, SessionResult } from '@hermetic/policy'
import type { RecipientSummary } from '../delivery/events.ts'
import { API_METRICS, API_UPDATES } from './api-metrics.ts'
import { attemptResult } from './delivery-record.ts'
import { ENGINE_METRICS, ENGINE_UPDATES } from './engine-metrics.ts'
import { HISTORY_METRICS, historyKept } from './history-metrics.ts'
import { HOLD_METRICS, HOLD_UPDATES } from './hold-metrics.ts'
import { LOCAL_POLICY_METRICS, LOCAL_POLICY_UPDATES, wouldHaveRefused } from './local-policy-metrics.ts'
import type { LogEvent } from './log-events.ts'
import { NODE_METRICS, NODE_UPDATES } from './node-metrics.ts'
import { dnssecGauges, POLICY_METRICS, sessionCount } from './policy-metrics.ts'
import { QUEUE_METRICS } from './queue-metrics.ts'
import { policyRefusal, REFUSAL_METRICS } from './refusal-metrics.ts'
import { REPORT_COUNTING_METRICS, REPORT_COUNTING_UPDATES } from './report-counting-metrics.ts'
import { REPORT_SENDING_METRICS, REPORT_SENDING_UPDATES } from './report-sending-metrics.ts'
import { ROUTE_METRICS, ROUTE_UPDATES } from './route-metrics.ts'
import { SIGNING_METRICS, SIGNING_UPDATES, signed } from './signing-metrics.ts'
import { SOCKETMAP_METRICS, SOCKETMAP_UPDATES } from './socketmap-metrics.ts'
import { SPOOL_METRICS, SPOOL_UPDATES } from './spool-metrics.ts'
import { SUBMISSION_METRICS, SUBMISSION_UPDATES } from './submission-metrics.ts'
import { SUPPRESSION_METRICS, SUPPRESSION_UPDATES } from './suppression-metrics.ts'
import { THREAD_METRICS, THREAD_UPDATES } from './thread-metrics.ts'

export interface MetricEntry {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels?: readonly string[]
  /** Upper bounds of a histogram, in the metric's unit. */
  readonly buckets?: readonly number[]
}

/** From a neighbour that answers at once to the patience of RFC 5321 §4.5.3.2. */
const SESSION_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600]
/** From the first attempt to the maximum age. */
const AGE_SECONDS = [1, 5, 30, 60, 300, 1_800, 3_600, 14_400, 43_200, 86_400, 172_800, 432_000]

export const METRICS = {
  hermetic_build_info: { type: 'gauge', help: 'Always 1; the labels say what runs.', labels: ['version', 'node'] },

  hermetic_sessions_total: { type: 'counter', help: 'Sessions of clients.', labels: ['listener'] },
  hermetic_sessions_open: { type: 'gauge', help: 'Sessions of clients that are open now.', labels: ['listener'] },
  hermetic_sessions_refused_total: {
    type: 'counter',
    help: 'Clients turned away before the greeting.',
    labels: ['listener', 'reason'],
  },
  hermetic_sessions_ended_total: { type: 'counter', help: 'How sessions ended.', labels: ['listener', 'reason'] },
  hermetic_client_tls_failures_total: {
    type: 'counter',
    help: 'Failed TLS handshakes of clients.',
    labels: ['listener'],
  },
  hermetic_logins_total: {
    type: 'counter',
    help: 'Logins by result: accepted, invalid, busy, limited.',
    labels: ['listener', 'result'],
  },
  hermetic_commands_refused_total: {
    type: 'counter',
    help: 'Refused MAIL, RCPT and DATA commands.',
    labels: ['listener', 'command'],
  },
  hermetic_listener_failures_total: { type: 'counter', help: 'Listeners that could not be opened, or failed.' },
  hermetic_session_defects_total: { type: 'counter', help: 'Sessions that ended by a defect of the relay.' },
  hermetic_credentials: { type: 'gauge', help: 'Logins known from the file.' },
  hermetic_credentials_unreadable_total: { type: 'counter', help: 'Times that the file of logins could not be used.' },

  hermetic_messages_accepted_total: { type: 'counter', help: 'Messages answered 250.', labels: ['listener'] },
  hermetic_messages_refused_total: { type: 'counter', help: 'Messages refused after DATA.', labels: ['listener'] },
  hermetic_accepted_bytes_total: { type: 'counter', help: 'Content of accepted messages.', labels: ['listener'] },
  hermetic_accepted_recipients_total: {
    type: 'counter',
    help: 'Recipients of accepted messages.',
    labels: ['listener'],
  },
  hermetic_accept_seconds: {
    type: 'histogram',
    help: 'From DATA to the durable answer.',
    labels: ['listener'],
    buckets: [0.001, ...SESSION_SECONDS],
  },

  ...SIGNING_METRICS,
  ...REPORT_COUNTING_METRICS,
  ...REPORT_SENDING_METRICS,
  ...SUBMISSION_METRICS,
  ...SUPPRESSION_METRICS,
  ...HOLD_METRICS,
  ...API_METRICS,

  hermetic_delivery_attempts_total: {
    type: 'counter',
    help: 'Transactions with other servers, by result and by what TLS had proven.',
    labels: ['result', 'tls'],
  },
  hermetic_delivery_attempt_seconds: { type: 'histogram', help: 'Duration of transactions.', buckets: SESSION_SECONDS },
  hermetic_delivery_causes_total: {
    type: 'counter',
    help: 'Why transactions did not deliver to everybody.',
    labels: ['cause'],
  },
  hermetic_recipients_total: {
    type: 'counter',
    help: 'Settled recipients by outcome.',
    labels: ['outcome'],
  },
  hermetic_message_age_seconds: {
    type: 'histogram',
    help: 'From arrival to the attempt that delivered to the last recipient of a lane.',
    buckets: AGE_SECONDS,
  },
  hermetic_session_failures_total: {
    type: 'counter',
    help: 'Addresses with which no session was possible.',
    labels: ['cause'],
  },
  hermetic_source_addresses_missing_total: {
    type: 'counter',
    help: 'Times that an address of a source pool was not on this machine.',
    labels: ['address'],
  },
  hermetic_hosts_passed_by_total: {
    type: 'counter',
    help: 'Addresses that were not dialled because they had been silent a moment ago.',
    labels: ['cause'],
  },
  ...ROUTE_METRICS,
  hermetic_shared_connections_total: {
    type: 'counter',
    help: 'Lanes that took over an idle connection of another lane to the same host.',
    labels: [],
  },
  hermetic_tls_fallbacks_total: { type: 'counter', help: 'Second tries after broken TLS.', labels: ['to'] },
  hermetic_next_hop_failures_total: {
    type: 'counter',
    help: 'Next hops of which no host could be used.',
    labels: ['cause'],
  },
  hermetic_held_total: { type: 'counter', help: 'Deliveries that were held for an operator.' },
  hermetic_settle_unusual_total: {
    type: 'counter',
    help: 'Outcomes that were not simply stored: merged, journalled, repeated or rejected.',
    labels: ['outcome'],
  },
  hermetic_claims_released_total: { type: 'counter', help: 'Messages given back untouched.' },
  hermetic_leases_lost_total: { type: 'counter', help: 'Messages whose lease ended before they were sent.' },
  hermetic_store_failures_total: { type: 'counter', help: 'Store failures met by delivery.', labels: ['step'] },
  hermetic_defects_total: { type: 'counter', help: 'Contained defects of the relay.', labels: ['room'] },
  hermetic_dsns_total: {
    type: 'counter',
    help: 'Notifications queued for senders, by the worst that they tell: failed, delayed, relayed.',
    labels: ['action'],
  },
  hermetic_dsns_downgraded_total: {
    type: 'counter',
    help: 'Notifications sent once more in seven bits, because a host on the way to the sender takes nothing else.',
  },
  hermetic_failures_not_reported_total: {
    type: 'counter',
    help: 'Failed recipients of which no sender was told.',
    labels: ['reason'],
  },

  ...POLICY_METRICS,
  ...REFUSAL_METRICS,
  ...LOCAL_POLICY_METRICS,
  ...SOCKETMAP_METRICS,

  ...SPOOL_METRICS,
  hermetic_suspects_tried_total: {
    type: 'counter',
    help: 'Messages delivered alone in a child process after a crash, by how the child ended.',
    labels: ['end'],
  },
  hermetic_queue_orders_total: { type: 'counter', help: 'Messages changed by operators.', labels: ['action'] },

  ...ENGINE_METRICS,
  ...NODE_METRICS,
  ...THREAD_METRICS,
  ...HISTORY_METRICS,

  ...QUEUE_METRICS,
} as const satisfies Readonly<Record<`hermetic_${string}`, MetricEntry>>

export type MetricName = keyof typeof METRICS

type MetricsOf<T extends MetricEntry['type']> = {
  [N in MetricName]: (typeof METRICS)[N]['type'] extends T ? N : never
}[MetricName]

export type MetricLabels = Readonly<Record<string, string>>

export type MetricUpdate =
  | { readonly kind: 'count'; readonly name: MetricsOf<'counter'>; readonly by: number; readonly labels: MetricLabels }
  | { readonly kind: 'move'; readonly name: MetricsOf<'gauge'>; readonly by: number; readonly labels: MetricLabels }
  | { readonly kind: 'set'; readonly name: MetricsOf<'gauge'>; readonly to: number; readonly labels?: MetricLabels }
  | {
      readonly kind: 'observe'
      readonly name: MetricsOf<'histogram'>
      readonly value: number
      readonly labels: MetricLabels
    }

function count(name: MetricsOf<'counter'>, labels: MetricLabels = {}, by = 1): MetricUpdate {
  return { kind: 'count', name, by, labels }
}

function observe(name: MetricsOf<'histogram'>, ms: number, labels: MetricLabels = {}): MetricUpdate {
  return { kind: 'observe', name, value: ms / 1000, labels }
}

type Rooms = {
  readonly [N in LogEvent['event']]: (event: Extract<LogEvent, { readonly event: N }>) => readonly MetricUpdate[]
}

const NOTHING: readonly MetricUpdate[] = []
const nothing = (): readonly MetricUpdate[] => NOTHING

/** What each event adds; an event that is not here does not compile. */
const UPDATES: Rooms = {
  'relay-starting': ({ version, node }) => [
    { kind: 'move', name: 'hermetic_build_info', by: 1, labels: { version, node } },
  ],
  'relay-ready': nothing,
  'log-lines-lost': nothing,
  'node-outdated': nothing,
  'admin-listening': nothing,
  'admin-failed': nothing,
  'dnssec-memory-failed': nothing,
  'queue-ordered': ({ action, messages }) => [count('hermetic_queue_orders_total', { action }, messages)],
  'own-domain-takes-no-mail': nothing,
  'relay-stopping': nothing,
  'relay-stopped': nothing,
  'relay-failed': nothing,

  listening: nothing,
  'listener-failed': () => [count('hermetic_listener_failures_total')],
  'session-refused': ({ listener, reason }) => [count('hermetic_sessions_refused_total', { listener, reason })],
  'session-opened': ({ listener }) => [
    count('hermetic_sessions_total', { listener }),
    { kind: 'move', name: 'hermetic_sessions_open', by: 1, labels: { listener } },
  ],
  'session-ended': ({ listener, reason }) => [
    count('hermetic_sessions_ended_total', { listener, reason }),
    { kind: 'move', name: 'hermetic_sessions_open', by: -1, labels: { listener } },
  ],
  'tls-handshake-failed': ({ listener }) => [count('hermetic_client_tls_failures_total', { listener })],
  authenticated: ({ listener }) => [count('hermetic_logins_total', { listener, result: 'accepted' })],
  'auth-failed': ({ listener, reason }) => [count('hermetic_logins_total', { listener, result: reason })],
  'command-refused': ({ listener, command }) => [count('hermetic_commands_refused_total', { listener, command })],
  'message-accepted': ({ listener, size, recipients, latencyMs, dkim }) => [
    count('hermetic_messages_accepted_total', { listener }),
    count('hermetic_accepted_bytes_total', { listener }, size),
    count('hermetic_accepted_recipients_total', { listener }, recipients),
    observe('hermetic_accept_seconds', latencyMs, { listener }),
    ...signed(dkim),
  ],
  'message-refused': ({ listener }) => [count('hermetic_messages_refused_total', { listener })],
  'session-error': () => [count('hermetic_session_defects_total')],
  'credentials-loaded': ({ count: known }) => [{ kind: 'set', name: 'hermetic_credentials', to: known }],
  'credentials-unreadable': () => [count('hermetic_credentials_unreadable_total')],

  ...SPOOL_UPDATES,
  'turn-failed': () => [count('hermetic_defects_total', { room: 'schedule' })],

  'dns-server-failed': ({ reason }) => [count('hermetic_dns_failures_total', { reason: reason.kind })],
  'dns-message-ignored': () => [count('hermetic_dns_ignored_total')],
  'dnssec-validating': () => dnssecGauges({ validating: 1, lost: 0 }),
  'dnssec-loopback-believed': nothing,
  'dnssec-off': () => dnssecGauges({ validating: 0, lost: 0 }),
  'dnssec-lost': ({ delivery }) => [
    ...dnssecGauges({ validating: 0, lost: 1 }),
    count('hermetic_dnssec_losses_total', { delivery }),
  ],
  'unbound-started': () => [count('hermetic_unbound_starts_total')],
  'unbound-not-running': ({ because }) => [count('hermetic_unbound_failures_total', { problem: because.kind })],
  'unbound-anchors-renewed': nothing,
  'sts-fetch-ended': ({ occasion, outcome }) => [count('hermetic_sts_fetches_total', { occasion, outcome })],
  'sts-policy-unobtainable': ({ resultType }) => [
    count('hermetic_sts_unobtainable_total', { result_type: resultType }),
  ],
  'sts-record-lookup-failed': () => [count('hermetic_sts_record_failures_total')],
  'sts-policy-not-renewed': ({ mode, resultType }) => [
    count('hermetic_sts_not_renewed_total', { mode, result_type: resultType }),
  ],
  'sts-refresh-alarm': () => [count('hermetic_sts_alarms_total', { alarm: 'refresh' })],
  'sts-policy-expiring': () => [count('hermetic_sts_alarms_total', { alarm: 'expiring' })],
  'sts-policy-expired': () => [count('hermetic_sts_alarms_total', { alarm: 'expired' })],
  'sts-record-trouble': () => [count('hermetic_sts_alarms_total', { alarm: 'record' })],
  'sts-policy-weakened': () => [count('hermetic_sts_alarms_total', { alarm: 'weakened' })],
  'sts-policy-purged': () => [count('hermetic_sts_purged_total')],
  'sts-refresh-defect': () => [count('hermetic_defects_total', { room: 'mta-sts' })],
  'sts-cache-failed': ({ operation }) => [count('hermetic_sts_cache_failures_total', { operation })],
  'sts-cache-damaged': () => [count('hermetic_sts_alarms_total', { alarm: 'cache-damaged' })],
  'policy-file-gone': () => [count('hermetic_sts_alarms_total', { alarm: 'file-gone' })],
  'sts-cache-lost': () => [count('hermetic_sts_alarms_total', { alarm: 'cache-lost' })],
  'sts-cache-rebuilt': () => [count('hermetic_sts_alarms_total', { alarm: 'cache-rebuilt' })],

  'dane-looked-up': ({ result }) => [count('hermetic_dane_lookups_total', { result })],
  'dane-tlsa-vanished': () => [daneAlarm('tlsa-vanished')],
  'dane-tlsa-unusable': () => [daneAlarm('tlsa-unusable')],
  'dane-zone-unsigned': () => [daneAlarm('zone-unsigned')],
  'dane-mx-unsigned': () => [daneAlarm('mx-unsigned')],
  'dane-validation-lost': () => [daneAlarm('validation-lost')],
  'dane-validation-restored': nothing,
  'dane-memory-failed': () => [count('hermetic_dane_memory_failures_total')],

  'attempt-finished': ({ recipients, channel, verdict, cause, durationMs }) => [
    count('hermetic_delivery_attempts_total', {
      result: attemptResult(recipients),
      tls: channel.kind === 'clear' ? 'clear' : channel.level,
    }),
    observe('hermetic_delivery_attempt_seconds', durationMs),
    ...(recipients.delivered > 0 ? wouldHaveRefused(verdict) : []),
    ...(cause === undefined ? [] : [count('hermetic_delivery_causes_total', { cause: cause.kind })]),
  ],
  'session-failed': ({ problem }) => [
    count('hermetic_session_failures_total', { cause: problem.cause.kind }),
    ...policyRefusal(problem.cause),
  ],
  'host-passed-by': ({ problem }) => [count('hermetic_hosts_passed_by_total', { cause: problem.cause.kind })],
  'source-address-missing': ({ address }) => [count('hermetic_source_addresses_missing_total', { address })],
  'candidate-skipped': ({ sts, results, problem }) => [
    ...results.flatMap((result) => policySession(sts?.mode, result)),
    ...policyRefusal(problem.cause),
  ],
  'channel-judged': ({ sts, results }) => results.flatMap((result) => policySession(sts?.mode, result)),
  'would-have-refused': nothing,
  ...ROUTE_UPDATES,
  'connection-shared': () => [count('hermetic_shared_connections_total')],
  'tls-fallback': ({ to }) => [count('hermetic_tls_fallbacks_total', { to })],
  'next-hop-failed': ({ problem }) => [count('hermetic_next_hop_failures_total', { cause: problem.cause.kind })],
  'message-settled': ({ summary, ageMs, hold }) => [
    ...outcomes(summary),
    ...(summary.delivered > 0 && summary.deferred + summary.ambiguous === 0
      ? [observe('hermetic_message_age_seconds', ageMs)]
      : []),
    ...(hold === undefined ? [] : [count('hermetic_held_total')]),
  ],
  'settle-unusual': ({ outcome }) => [count('hermetic_settle_unusual_total', { outcome })],
  'claims-released': ({ messages }) => [count('hermetic_claims_released_total', {}, messages)],
  'lease-lost': ({ messages }) => [count('hermetic_leases_lost_total', {}, messages)],
  'delivery-store-failed': ({ step }) => [count('hermetic_store_failures_total', { step })],
  'suspect-tried': ({ end }) => [count('hermetic_suspects_tried_total', { end })],
  'delivery-defect': () => [count('hermetic_defects_total', { room: 'delivery' })],

  'dsn-queued': ({ action, dkim }) => [count('hermetic_dsns_total', { action }), ...signed(dkim)],
  'dsn-downgraded': () => [count('hermetic_dsns_downgraded_total')],
  'failure-not-reported': ({ recipients, reason }) => [
    count('hermetic_failures_not_reported_total', { reason }, recipients),
  ],

  ...LOCAL_POLICY_UPDATES,
  ...SIGNING_UPDATES,
  ...REPORT_COUNTING_UPDATES,
  ...REPORT_SENDING_UPDATES,
  ...SUBMISSION_UPDATES,
  ...SUPPRESSION_UPDATES,
  ...HOLD_UPDATES,
  ...API_UPDATES,
  ...SOCKETMAP_UPDATES,
  ...ENGINE_UPDATES,
  ...NODE_UPDATES,
  ...THREAD_UPDATES,

  'history-written': historyKept,
  'history-failing': ({ reason }) => [count('hermetic_history_failures_total', { reason })],
  'history-recovered': nothing,
  'history-dropped': ({ entries }) => [count('hermetic_history_dropped_total', {}, entries)],
}

export function metricUpdates(event: LogEvent): readonly MetricUpdate[] {
  // The table has one entry for each name, made for just that event; the compiler cannot follow a union through it.
  const updates = UPDATES[event.event] as (event: LogEvent) => readonly MetricUpdate[]
  return updates(event)
}

function daneAlarm(alarm: string): MetricUpdate {
  return count('hermetic_dane_alarms_total', { alarm })
}

function policySession(mode: EffectiveMode | undefined, session: SessionResult): readonly MetricUpdate[] {
  const counted = sessionCount(mode, session)
  return counted === undefined ? [] : [count(counted.name, counted.labels)]
}

function outcomes(summary: RecipientSummary): readonly MetricUpdate[] {
  return (['delivered', 'deferred', 'failed', 'ambiguous'] as const)
    .filter((outcome) => summary[outcome] > 0)
    .map((outcome) => count('hermetic_recipients_total', { outcome }, summary[outcome]))
}
