/**
 * The closed list of everything that can stand in the log: one entry for each event of each room, with its
 * level, one sentence, and what each field is. The compiler keeps it complete in both directions.
 *
 * `log-line.ts` renders by it, `docs/log-events.md` is written from it. Pure.
 */
import type { PolicyEvent } from '@hermetic/policy'
import type { ReportCountingEvent, ReportSendingEvent } from '@hermetic/reporter'
import type { ApiEvent } from '../api/events.ts'
import type { BounceEvent } from '../bounce/events.ts'
import type { DeliveryEvent } from '../delivery/events.ts'
import type { HistoryEvent } from '../history/events.ts'
import type { HoldEvent } from '../holds/events.ts'
import type { LimitsEvent } from '../limits/events.ts'
import type { LocalPolicyEvent } from '../local-policy/events.ts'
import type { NodeEvent } from '../nodes/events.ts'
import type { ReportKeyEvent } from '../reporting/events.ts'
import type { LaneWorkerEvent, ScheduleEvent } from '../schedule/events.ts'
import type { SigningEvent } from '../signing/events.ts'
import type { SpoolEvent } from '../spool/events.ts'
import type { SubmissionEvent } from '../submission/events.ts'
import type { SuppressionEvent } from '../suppression/events.ts'
import type { ThreadEvent } from '../threads/events.ts'
import { API_LOG_EVENTS } from './api-log-events.ts'
import { BOUNCE_LOG_EVENTS } from './bounce-log-events.ts'
import { LANE_WORKER_LOG_EVENTS, LIMITS_LOG_EVENTS } from './engine-log-events.ts'
import { HISTORY_LOG_EVENTS } from './history-log-events.ts'
import { HOLD_LOG_EVENTS } from './hold-log-events.ts'
import { LOCAL_POLICY_LOG_EVENTS } from './local-policy-log-events.ts'
import { NODE_LOG_EVENTS } from './node-log-events.ts'
import { POLICY_LOG_EVENTS } from './policy-log-events.ts'
import type { RelayEvent } from './relay-events.ts'
import { RELAY_LOG_EVENTS } from './relay-log-events.ts'
import { REPORT_COUNTING_LOG_EVENTS } from './report-counting-log-events.ts'
import { REPORT_SENDING_LOG_EVENTS } from './report-sending-log-events.ts'
import { SIGNING_LOG_EVENTS } from './signing-log-events.ts'
import { SPOOL_LOG_EVENTS } from './spool-log-events.ts'
import { SUBMISSION_LOG_EVENTS } from './submission-log-events.ts'
import { SUPPRESSION_LOG_EVENTS } from './suppression-log-events.ts'
import { THREAD_LOG_EVENTS } from './thread-log-events.ts'

export type LogEvent =
  | RelayEvent
  | SubmissionEvent
  | SigningEvent
  | SpoolEvent
  | ScheduleEvent
  | LaneWorkerEvent
  | LimitsEvent
  | PolicyEvent
  | DeliveryEvent
  | BounceEvent
  | SuppressionEvent
  | HoldEvent
  | ApiEvent
  | HistoryEvent
  | LocalPolicyEvent
  | ReportCountingEvent
  | ReportSendingEvent
  | ReportKeyEvent
  | NodeEvent
  | ThreadEvent

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** What a field holds, and so how it is written. */
export type FieldKind =
  /** A word, name or id of ours. */
  | 'word'
  | 'number'
  /** UTC milliseconds; written as ISO 8601. */
  | 'time'
  /** Text that somebody else chose: bounded, control characters replaced. */
  | 'peer'
  /** A mail address: written whole or as its domain, as the settings say. */
  | 'mailbox'
  /** Facts with fields of their own. */
  | 'facts'
  /** Kept in the delivery history; not written into the log. */
  | 'history'

type EventName = LogEvent['event']
export type EventNamed<N extends EventName> = Extract<LogEvent, { readonly event: N }>
type FieldNames<E> = E extends unknown ? Exclude<keyof E, 'event'> & string : never

export interface LogEventEntry<N extends EventName = EventName> {
  readonly level: LogLevel
  readonly sentence: string
  readonly fields: { readonly [F in FieldNames<EventNamed<N>>]: FieldKind }
}

const relay = RELAY_LOG_EVENTS satisfies { readonly [N in RelayEvent['event']]: LogEventEntry<N> }

const submission = SUBMISSION_LOG_EVENTS satisfies {
  readonly [N in SubmissionEvent['event']]: LogEventEntry<N>
}

const signing = SIGNING_LOG_EVENTS satisfies { readonly [N in SigningEvent['event']]: LogEventEntry<N> }

const spool = SPOOL_LOG_EVENTS satisfies { readonly [N in SpoolEvent['event']]: LogEventEntry<N> }

const schedule = {
  'turn-failed': {
    level: 'error',
    sentence: 'A turn of a lane ended by a defect of ours; the lane stays due.',
    fields: { lane: 'word', detail: 'peer', retryInMs: 'number' },
  },
  'schedule-refill-failed': {
    level: 'error',
    sentence: 'The store could not say which lanes are due; it is asked again shortly.',
    fields: { detail: 'peer', retryInMs: 'number' },
  },
  'turns-abandoned': {
    level: 'warn',
    sentence: 'Stopping did not wait any longer for these turns.',
    fields: { count: 'number' },
  },
  ...LANE_WORKER_LOG_EVENTS,
} as const satisfies { readonly [N in (ScheduleEvent | LaneWorkerEvent)['event']]: LogEventEntry<N> }

const limits = LIMITS_LOG_EVENTS satisfies { readonly [N in LimitsEvent['event']]: LogEventEntry<N> }

const policy = POLICY_LOG_EVENTS satisfies { readonly [N in PolicyEvent['event']]: LogEventEntry<N> }

const delivery = {
  'attempt-finished': {
    level: 'info',
    sentence: 'The delivery record: one for every transaction, with all that decided its end.',
    fields: {
      id: 'word',
      lane: 'word',
      nextHop: 'word',
      attempt: 'number',
      remote: 'facts',
      channel: 'facts',
      requirement: 'facts',
      policy: 'facts',
      dane: 'facts',
      verdict: 'facts',
      results: 'facts',
      reused: 'number',
      size: 'number',
      priority: 'number',
      recipients: 'facts',
      reply: 'facts',
      cause: 'facts',
      durationMs: 'number',
    },
  },
  'session-failed': {
    level: 'info',
    sentence: 'No session with this address; the next candidate is tried.',
    fields: {
      lane: 'word',
      nextHop: 'word',
      remote: 'facts',
      sts: 'facts',
      policy: 'facts',
      problem: 'facts',
      durationMs: 'number',
    },
  },
  'host-passed-by': {
    level: 'info',
    sentence: 'An address that did not answer a moment ago was not dialled; the next candidate is tried.',
    fields: { lane: 'word', nextHop: 'word', remote: 'facts', sts: 'facts', policy: 'facts', problem: 'facts' },
  },
  'source-address-missing': {
    level: 'error',
    sentence:
      'An address of a source pool is not on this machine: the others of the pool go on without it for a minute.',
    fields: { address: 'word' },
  },
  'candidate-skipped': {
    level: 'info',
    sentence: 'A policy of the domain or of the host forbids it: it was not contacted, the next one is tried.',
    fields: {
      lane: 'word',
      nextHop: 'word',
      mxHostname: 'word',
      sts: 'facts',
      policy: 'facts',
      problem: 'facts',
      results: 'facts',
    },
  },
  'channel-judged': {
    level: 'debug',
    sentence: 'What a session says about the TLS of its host, as a report would count it.',
    fields: {
      lane: 'word',
      nextHop: 'word',
      remote: 'facts',
      sts: 'facts',
      dane: 'facts',
      results: 'facts',
      channel: 'facts',
      requirement: 'facts',
      verdict: 'facts',
    },
  },
  'connection-shared': {
    level: 'debug',
    sentence: 'An idle connection of another lane proves what this one demands and carries its mail.',
    fields: { lane: 'word', nextHop: 'word', remote: 'facts', from: 'word' },
  },
  'would-have-refused': {
    level: 'warn',
    sentence:
      'Policies are only observed here: mail may go over a session that they would have refused, had they been enforced.',
    fields: { lane: 'word', nextHop: 'word', remote: 'facts', mechanisms: 'word', reasons: 'word' },
  },
  'smarthost-login-failed': {
    level: 'error',
    sentence: 'A smarthost does not take the credentials of its route: everything for it waits until they are mended.',
    fields: { lane: 'word', remote: 'facts', username: 'peer', reason: 'word', said: 'peer' },
  },
  'access-token-obtained': {
    level: 'info',
    sentence: 'A token endpoint gave a new access token for a login at a smarthost, for so long.',
    fields: { endpoint: 'word', lifetimeMs: 'number' },
  },
  'route-suspended': {
    level: 'error',
    sentence: 'The login of a route is refused: it is not shown again until then, and the mail of the route waits.',
    fields: { route: 'word', refusals: 'number', until: 'time', said: 'peer', suspended: 'number' },
  },
  'route-reopened': {
    level: 'warn',
    sentence: 'The login of a route was taken again, or is to be tried again: its mail flows.',
    fields: { route: 'word', by: 'word', afterMs: 'number', suspended: 'number' },
  },
  'fallback-used': {
    level: 'warn',
    sentence: 'The destination could not be reached: the mail goes to its fallback relay.',
    fields: { id: 'word', lane: 'word', fallback: 'word', recipients: 'number', problem: 'facts' },
  },
  'chosen-route-gone': {
    level: 'warn',
    sentence:
      'An operator chose a route for this mail that the configuration does not have any more: it goes the usual way.',
    fields: { id: 'word', lane: 'word', route: 'word', recipients: 'number' },
  },
  'tls-fallback': {
    level: 'info',
    sentence: 'TLS broke and nothing demanded it: the same address is tried again.',
    fields: { lane: 'word', nextHop: 'word', remote: 'facts', failure: 'peer', to: 'word' },
  },
  'next-hop-failed': {
    level: 'warn',
    sentence: 'No host of the next hop could be used; its messages wait.',
    fields: { lane: 'word', nextHop: 'word', problem: 'facts', messages: 'number', backoffUntil: 'time' },
  },
  'message-settled': {
    level: 'debug',
    sentence: 'What became of the recipients of one message on one lane is durably stored.',
    fields: {
      id: 'word',
      lane: 'word',
      attempt: 'number',
      summary: 'facts',
      problem: 'facts',
      ageMs: 'number',
      hold: 'word',
      settled: 'history',
    },
  },
  'settle-unusual': {
    level: 'warn',
    sentence: 'The outcome of a delivery was stored in another way than usual.',
    fields: { id: 'word', lane: 'word', outcome: 'word', detail: 'peer' },
  },
  'claims-released': {
    level: 'info',
    sentence: 'Messages were given back untouched.',
    fields: { lane: 'word', messages: 'number' },
  },
  'lease-lost': {
    level: 'warn',
    sentence: 'The right to deliver these messages ended before they were sent.',
    fields: { messages: 'number' },
  },
  'delivery-store-failed': {
    level: 'error',
    sentence: 'The store did not answer delivery.',
    fields: { step: 'word', detail: 'peer' },
  },
  'suspect-tried': {
    level: 'info',
    sentence: 'A message that was in flight when the relay died was delivered alone in a child process.',
    fields: { id: 'word', lane: 'word', end: 'word' },
  },
  'delivery-defect': {
    level: 'error',
    sentence: 'A defect of ours was contained; the messages concerned are deferred.',
    fields: { lane: 'word', detail: 'peer', messages: 'number' },
  },
} as const satisfies { readonly [N in DeliveryEvent['event']]: LogEventEntry<N> }

const bounce = BOUNCE_LOG_EVENTS satisfies { readonly [N in BounceEvent['event']]: LogEventEntry<N> }

const api = API_LOG_EVENTS satisfies { readonly [N in ApiEvent['event']]: LogEventEntry<N> }

const suppression = SUPPRESSION_LOG_EVENTS satisfies {
  readonly [N in SuppressionEvent['event']]: LogEventEntry<N>
}

const holds = HOLD_LOG_EVENTS satisfies { readonly [N in HoldEvent['event']]: LogEventEntry<N> }

const history = HISTORY_LOG_EVENTS satisfies { readonly [N in HistoryEvent['event']]: LogEventEntry<N> }

const localPolicy = LOCAL_POLICY_LOG_EVENTS satisfies {
  readonly [N in LocalPolicyEvent['event']]: LogEventEntry<N>
}

const nodes = NODE_LOG_EVENTS satisfies { readonly [N in NodeEvent['event']]: LogEventEntry<N> }

const threads = THREAD_LOG_EVENTS satisfies { readonly [N in ThreadEvent['event']]: LogEventEntry<N> }

const countingSessions = REPORT_COUNTING_LOG_EVENTS satisfies {
  readonly [N in ReportCountingEvent['event']]: LogEventEntry<N>
}

const sendingReports = REPORT_SENDING_LOG_EVENTS satisfies {
  readonly [N in (ReportSendingEvent | ReportKeyEvent)['event']]: LogEventEntry<N>
}

/** By room, in the order in which a message meets them. */
export const LOG_EVENT_ROOMS = {
  ...{ relay, submission, signing, spool, schedule, limits, policy },
  'local policy': localPolicy,
  ...{ delivery, bounce, suppression, holds, history, nodes, threads, api },
  'counting sessions': countingSessions,
  'sending reports': sendingReports,
} as const

export const LOG_EVENTS: { readonly [N in EventName]: LogEventEntry<N> } = {
  ...relay,
  ...submission,
  ...signing,
  ...spool,
  ...schedule,
  ...limits,
  ...policy,
  ...localPolicy,
  ...delivery,
  ...bounce,
  ...suppression,
  ...holds,
  ...api,
  ...history,
  ...nodes,
  ...threads,
  ...countingSessions,
  ...sendingReports,
}
