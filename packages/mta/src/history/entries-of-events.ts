/**
 * What the relay tells about a message, as entries of the history. No I/O; remembers, for as long as a problem is
 * known to anybody, which session or host it came from, so that each message that met it can tell.
 */

import type { BounceEvent } from '../bounce/events.ts'
import type { DeliveryEvent } from '../delivery/events.ts'
import type { DeliveryProblem, RecipientOutcome, RemoteHost } from '../delivery/outcome.ts'
import { attemptWords, causeWords, policyWords, sessionWords } from '../observability/delivery-record.ts'
import { formatAddress, formatReversePath } from '../smtp/mail-address.ts'
import { formatReply } from '../smtp/reply.ts'
import type { SpoolEvent } from '../spool/events.ts'
import type { NewMessage, QueueAction, QueueChange } from '../spool/spool.ts'
import {
  type AcceptedEntry,
  type AttemptEntry,
  cutText,
  type HistoryEntry,
  type HostTrouble,
  MESSAGE_ID_MAX,
  type OrderedEntry,
  type SettledEntry,
  type SettledRecipient,
} from './entry.ts'

type Named<N extends DeliveryEvent['event']> = Extract<DeliveryEvent, { readonly event: N }>
type HostFailed = Named<'session-failed' | 'host-passed-by' | 'candidate-skipped'>

/** Of all events these say something about one message, or about a host that a message will have met. */
export type TellingEvent =
  | Named<
      | 'attempt-finished'
      | 'message-settled'
      | 'fallback-used'
      | 'chosen-route-gone'
      | 'settle-unusual'
      | 'channel-judged'
    >
  | HostFailed
  | Extract<BounceEvent, { readonly event: 'dsn-queued' | 'dsn-downgraded' }>
  | Extract<SpoolEvent, { readonly event: 'spool-message-quarantined' | 'spool-content-unreadable' }>

/** Hosts of one attempt that are worth a line. */
const MET_MAX = 20

export class EntriesOfEvents {
  // By identity: a problem is made once and shared by all messages that wait because of it.
  readonly #failures = new WeakMap<DeliveryProblem, HostFailed>()
  readonly #judged = new WeakMap<RemoteHost, Named<'channel-judged'>>()
  readonly #troubles = new WeakMap<DeliveryProblem, HostTrouble>()

  /** Undefined when the event is only remembered for others. */
  entryOf(event: TellingEvent, at: number): HistoryEntry | undefined {
    switch (event.event) {
      case 'attempt-finished':
        return attemptEntry(event, at)
      case 'message-settled':
        return this.#settled(event, at)
      case 'settle-unusual':
        return { kind: 'noted', id: event.id, at, note: cutText(`settle ${event.outcome}: ${event.detail}`) }
      case 'fallback-used': {
        const { id, fallback, problem } = event
        const note = `handed to the fallback ${fallback}: ${causeWords(problem.cause)}`
        return { kind: 'noted', id, at, note: cutText(note) }
      }
      case 'chosen-route-gone': {
        const { id, route, lane } = event
        return {
          kind: 'noted',
          id,
          at,
          note: cutText(`${route} was chosen, and is no route any more: goes to ${lane}`),
        }
      }
      case 'dsn-queued':
        return { kind: 'noted', id: event.id, at, note: `the sender is told by ${event.dsnId} (${event.action})` }
      case 'dsn-downgraded':
        return {
          kind: 'noted',
          id: event.id,
          at,
          note: `no ${event.missing}: sent once more in seven bits as ${event.dsnId}`,
        }
      case 'spool-message-quarantined':
        return { kind: 'noted', id: event.id, at, note: cutText(`set aside: ${event.reason}`) }
      case 'spool-content-unreadable':
        return { kind: 'noted', id: event.id, at, note: cutText(`content unreadable: ${event.detail}`) }
      case 'channel-judged':
        this.#judged.set(event.remote, event)
        return undefined
      case 'session-failed':
      case 'host-passed-by':
      case 'candidate-skipped':
        this.#failures.set(event.problem, event)
        return undefined
    }
  }

  #settled({ id, lane, attempt, settled, hold }: Named<'message-settled'>, at: number): SettledEntry {
    const { dsnId, quarantine } = settled
    return {
      ...{ kind: 'settled', id, at, lane, attempt },
      recipients: settled.recipients.map(({ address, outcome }) => settledRecipient(formatAddress(address), outcome)),
      met: settled.met.length === 0 ? NOTHING_MET : this.#met(settled.met),
      ...(dsnId === undefined ? {} : { dsnId }),
      ...(hold === undefined ? {} : { hold: cutText(hold) }),
      ...(quarantine === undefined ? {} : { quarantine: cutText(quarantine) }),
    }
  }

  /** What a host said in a transaction stands in the record of that transaction. */
  #met(problems: readonly DeliveryProblem[]): readonly HostTrouble[] {
    const untold = problems.filter((problem) => this.#failures.has(problem) || problem.remote === undefined)
    return untold.slice(0, MET_MAX).map((problem) => this.#trouble(problem))
  }

  #trouble(problem: DeliveryProblem): HostTrouble {
    const known = this.#troubles.get(problem)
    if (known !== undefined) return known
    const trouble = this.#madeOf(problem)
    this.#troubles.set(problem, trouble)
    return trouble
  }

  #madeOf(problem: DeliveryProblem): HostTrouble {
    const { at, status, cause, remote } = problem
    const failure = this.#failures.get(problem)
    const judged = remote && this.#judged.get(remote)
    const words = { at, status, cause: cutText(causeWords(cause)), ...remote }
    if (failure === undefined) return words
    return {
      ...words,
      ...(failure.event === 'candidate-skipped' ? { mxHostname: failure.mxHostname } : {}),
      ...(failure.event === 'session-failed' ? { durationMs: failure.durationMs } : {}),
      ...(failure.policy === undefined ? {} : { policy: policyWords(failure.policy) }),
      ...(failure.sts === undefined ? {} : { stsMatched: failure.sts.matched ?? 'none' }),
      ...(judged === undefined ? {} : { session: sessionWords(judged) }),
    }
  }
}

const NOTHING_MET: readonly HostTrouble[] = []

function attemptEntry(event: Named<'attempt-finished'>, at: number): AttemptEntry {
  const { reply, cause, ...words } = attemptWords(event)
  return {
    ...{ kind: 'attempt', id: event.id, at },
    record: {
      ...words,
      ...(reply === undefined ? {} : { reply: cutText(reply) }),
      ...(cause === undefined ? {} : { cause: cutText(cause) }),
    },
    session: sessionWords(event),
  }
}

function settledRecipient(address: string, outcome: RecipientOutcome): SettledRecipient {
  if (outcome.kind === 'delivered') {
    const { reply, remote } = outcome
    return { address, end: 'delivered', text: cutText(formatReply(reply)), mxHostname: remote.mxHostname }
  }
  const { cause, status, remote } = outcome.problem
  const end = outcome.kind === 'failed' && cause.kind === 'expired' ? 'expired' : outcome.kind
  return {
    ...{ address, end, status, text: cutText(causeWords(cause)) },
    ...(remote === undefined ? {} : { mxHostname: remote.mxHostname }),
    ...('dueAt' in outcome ? { dueAt: outcome.dueAt } : {}),
    ...(outcome.kind === 'deferred' && outcome.lane !== undefined ? { lane: outcome.lane } : {}),
  }
}

export function acceptedEntry({
  id,
  envelope,
  recipients,
  deliveries,
  receivedAt,
  messageIdHeader,
}: NewMessage): AcceptedEntry {
  const { reversePath, size, origin } = envelope
  const lanes = new Map(deliveries.flatMap(({ lane, recipients: indexes }) => indexes.map((index) => [index, lane])))
  return {
    ...{ kind: 'accepted', id, at: receivedAt, sender: formatReversePath(reversePath), size, origin },
    ...(messageIdHeader === undefined ? {} : { messageId: cutText(messageIdHeader, MESSAGE_ID_MAX) }),
    recipients: recipients.map(({ index, address }) => ({
      address: formatAddress(address),
      lane: lanes.get(index) ?? '',
    })),
  }
}

/** What an operator's order changed. */
export function orderedEntries(
  changes: readonly QueueChange[],
  action: QueueAction,
  at: number,
): readonly OrderedEntry[] {
  const reason = 'reason' in action ? { reason: cutText(action.reason) } : {}
  const done = changes.filter(({ result }) => result === 'done')
  return done.map(({ id }) => ({ kind: 'ordered', id, at, action: action.kind, ...reason }))
}
