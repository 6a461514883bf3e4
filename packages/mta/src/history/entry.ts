/**
 * What the delivery history keeps of a message: one entry for each thing that happened to it, in words that are
 * still true when the message, its connections and its policies are gone. Plain data.
 *
 * Texts of peers are kept as they came, cut in length; whoever shows them makes them harmless.
 */
import type { AttemptWords, PolicyWords, SessionWords } from '../observability/delivery-record.ts'
import type { QueueId } from '../spool/queue-id.ts'

export type HistoryEntry = AcceptedEntry | AttemptEntry | SettledEntry | OrderedEntry | NotedEntry

/** We answered 250, or made it ourselves. */
export interface AcceptedEntry {
  readonly kind: 'accepted'
  readonly id: QueueId
  /** UTC milliseconds. */
  readonly at: number
  /** As in the header, cut at `MESSAGE_ID_MAX`. */
  readonly messageId?: string
  /** Empty: the null reverse-path. */
  readonly sender: string
  readonly size: number
  readonly origin: EntryOrigin
  readonly recipients: readonly { readonly address: string; readonly lane: string }[]
}

export type EntryOrigin =
  | { readonly kind: 'credential'; readonly username: string; readonly address: string }
  | { readonly kind: 'network'; readonly address: string }
  | { readonly kind: 'local'; readonly purpose: string }

/** One transaction: the delivery record. */
export interface AttemptEntry {
  readonly kind: 'attempt'
  readonly id: QueueId
  /** When it ended. */
  readonly at: number
  readonly record: AttemptWords
  readonly session: SessionWords
}

/** What became of the recipients of one claim, and what stood in the way before any transaction. */
export interface SettledEntry {
  readonly kind: 'settled'
  readonly id: QueueId
  readonly at: number
  readonly lane: string
  readonly attempt: number
  readonly recipients: readonly SettledRecipient[]
  /** Hosts that got no transaction, in the order of the attempt. */
  readonly met: readonly HostTrouble[]
  /** The notification to the sender. */
  readonly dsnId?: QueueId
  /** Why it waits for an operator. */
  readonly hold?: string
  readonly quarantine?: string
}

export interface SettledRecipient {
  readonly address: string
  readonly end: 'delivered' | 'deferred' | 'failed' | 'expired' | 'ambiguous'
  /** RFC 3463; absent after a delivery. */
  readonly status?: string
  /** The reply after a delivery, else the cause. */
  readonly text: string
  readonly mxHostname?: string
  /** UTC milliseconds of the next attempt. */
  readonly dueAt?: number
  /** Where it waits from now on, when the route changed. */
  readonly lane?: string
}

/** A host that could not be used, or the next hop as a whole when no host is named. */
export interface HostTrouble {
  readonly at: number
  readonly mxHostname?: string
  readonly address?: string
  readonly port?: number
  readonly status: string
  readonly cause: string
  readonly policy?: PolicyWords
  readonly stsMatched?: string
  /** When a channel was judged: what was demanded, and what it showed. */
  readonly session?: SessionWords
  readonly durationMs?: number
}

/** An operator's order. */
export interface OrderedEntry {
  readonly kind: 'ordered'
  readonly id: QueueId
  readonly at: number
  readonly action: 'retry' | 'hold' | 'release' | 'quarantine' | 'cancel' | 'reroute'
  readonly reason?: string
}

/** Anything else that an operator should see beside it. */
export interface NotedEntry {
  readonly kind: 'noted'
  readonly id: QueueId
  readonly at: number
  readonly note: string
}

/** RFC 5322 §2.1.1: a line; longer ones are nobody's identifier. */
export const MESSAGE_ID_MAX = 998
/** As in the log: enough for a reply with a link in it. */
export const TEXT_MAX = 512

export function cutText(text: string, max = TEXT_MAX): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`
}
