/**
 * What delivery tells operators. A closed list; wording and metrics are made in `observability/`.
 * `attempt-finished` is the delivery record: one for every transaction, with all that decided its end.
 */
import type {
  ChannelLevel,
  ClearBecause,
  EffectiveMode,
  PolicyOrigin,
  ProofRequirement,
  SessionResult,
  StsAssessment,
  Verdict,
} from '@hermetic/policy'
import type { LoginProblem } from '../smtp/auth.ts'
import type { MailAddress } from '../smtp/mail-address.ts'
import type { SmtpReply } from '../smtp/reply.ts'
import type { QueueId } from '../spool/queue-id.ts'
import type { JudgedChannelRecord, TlsChannel } from './channel-record.ts'
import type { DaneRecord } from './dane-record.ts'
import type { LaneId } from './lane.ts'
import type { DeliveryCause, DeliveryProblem, RecipientOutcome, RemoteHost } from './outcome.ts'

export type DeliveryEvent =
  | AttemptFinished
  /** No session with this address: the next candidate is tried. */
  | {
      readonly event: 'session-failed'
      readonly lane: LaneId
      readonly nextHop: string
      readonly remote: RemoteHost
      /** The MTA-STS policy of the domain, as far as it is about this host. */
      readonly sts?: StsAssessment
      /** Of the domain, for the record. */
      readonly policy?: PolicyRecord
      readonly problem: DeliveryProblem
      readonly durationMs: number
    }
  /** An address that did not answer a moment ago: it was not dialled, and the next candidate is tried. */
  | {
      readonly event: 'host-passed-by'
      readonly lane: LaneId
      readonly nextHop: string
      readonly remote: RemoteHost
      readonly sts?: StsAssessment
      readonly policy?: PolicyRecord
      /** What was seen of it, and when. */
      readonly problem: DeliveryProblem
    }
  /** An address of a source pool is not on this machine: the others of the pool go on without it for a while. */
  | { readonly event: 'source-address-missing'; readonly address: string }
  /** A policy forbids this host: it was not contacted, and the next candidate is tried. */
  | {
      readonly event: 'candidate-skipped'
      readonly lane: LaneId
      readonly nextHop: string
      readonly mxHostname: string
      readonly sts?: StsAssessment
      readonly policy?: PolicyRecord
      readonly problem: DeliveryProblem
      readonly results: readonly SessionResult[]
    }
  /** What a session says about the TLS of its host; each session once, and once for each lane that shares it. */
  | {
      readonly event: 'channel-judged'
      readonly lane: LaneId
      readonly nextHop: string
      readonly remote: RemoteHost
      readonly sts?: StsAssessment
      readonly results: readonly SessionResult[]
      readonly channel: JudgedChannelRecord
      readonly requirement: ProofRequirement
      readonly dane?: DaneRecord
      readonly verdict: Verdict
    }
  /** An idle connection of lane `from` proves what this one demands and carries its mail; once for each lane. */
  | {
      readonly event: 'connection-shared'
      readonly lane: LaneId
      readonly nextHop: string
      readonly remote: RemoteHost
      readonly from: LaneId
    }
  /** What policies that are only observed would have refused; each session once. */
  | {
      readonly event: 'would-have-refused'
      readonly lane: LaneId
      readonly nextHop: string
      readonly remote: RemoteHost
      /** Whose policies, and why, in words of closed lists. */
      readonly mechanisms: string
      readonly reasons: string
    }
  /** A smarthost does not take the credentials of its route; the whole lane waits. */
  | {
      readonly event: 'smarthost-login-failed'
      readonly lane: LaneId
      readonly remote: RemoteHost
      readonly username: string
      readonly reason: LoginProblem['kind']
      /** The reply, or the mechanisms that the peer offers in place of PLAIN. */
      readonly said: string
    }
  /** A token endpoint gave an access token for a login. */
  | { readonly event: 'access-token-obtained'; readonly endpoint: string; readonly lifetimeMs: number }
  /** Nobody logs in there until then; one attempt at a time follows. `suspended`: how many routes are, now. */
  | {
      readonly event: 'route-suspended'
      /** The lane of the login, without a source pool. */
      readonly route: LaneId
      /** In a row. */
      readonly refusals: number
      /** UTC milliseconds. */
      readonly until: number
      readonly said: string
      readonly suspended: number
    }
  | {
      readonly event: 'route-reopened'
      readonly route: LaneId
      /** The login was taken; or it is to be tried because of an order or another configuration. */
      readonly by: 'login' | 'order'
      readonly afterMs: number
      readonly suspended: number
    }
  /** A destination could not be reached: recipients of this message are due at its fallback, now. */
  | {
      readonly event: 'fallback-used'
      readonly id: QueueId
      readonly lane: LaneId
      readonly fallback: LaneId
      readonly recipients: number
      readonly problem: DeliveryProblem
    }
  /** An operator chose a route for this mail that the configuration does not have any more: it goes the usual way. */
  | {
      readonly event: 'chosen-route-gone'
      readonly id: QueueId
      /** Where it goes. */
      readonly lane: LaneId
      readonly route: LaneId
      readonly recipients: number
    }
  /** TLS broke and nothing demanded it: the same address is tried again (TLS-11). */
  | {
      readonly event: 'tls-fallback'
      readonly lane: LaneId
      readonly nextHop: string
      readonly remote: RemoteHost
      readonly failure: string
      readonly to: 'classic-groups' | 'clear'
    }
  /** No host of the next hop could be used: all claimed messages wait, and so does the lane. */
  | {
      readonly event: 'next-hop-failed'
      readonly lane: LaneId
      readonly nextHop: string
      readonly problem: DeliveryProblem
      readonly messages: number
      /** UTC milliseconds; absent when the failure is permanent. */
      readonly backoffUntil?: number
    }
  /** A message was settled: what became of the recipients of one claim. */
  | {
      readonly event: 'message-settled'
      readonly id: QueueId
      readonly lane: LaneId
      readonly attempt: number
      readonly summary: RecipientSummary
      /** Of the first recipient that failed, else of the first that waits. */
      readonly problem?: DeliveryProblem
      /** From arrival to this settle. */
      readonly ageMs: number
      readonly hold?: string
      readonly settled: SettledClaim
    }
  /** Beyond the usual `settled`: the lease was lost, or the outcome waits in the journal. */
  | {
      readonly event: 'settle-unusual'
      readonly id: QueueId
      readonly lane: LaneId
      readonly outcome: 'already-done' | 'merged' | 'journalled' | 'rejected'
      readonly detail: string
    }
  | { readonly event: 'claims-released'; readonly lane: LaneId; readonly messages: number }
  | { readonly event: 'lease-lost'; readonly messages: number }
  /** The store did not answer a claim, a renewal or a release. */
  | {
      readonly event: 'delivery-store-failed'
      readonly step: 'claim' | 'renew' | 'release' | 'open'
      readonly detail: string
    }
  /** A message that was in flight when the relay died was delivered alone in a child process. */
  | { readonly event: 'suspect-tried'; readonly id: QueueId; readonly lane: LaneId; readonly end: SuspectEnd }
  /** A defect of ours that was contained: the messages concerned are deferred. */
  | { readonly event: 'delivery-defect'; readonly lane: LaneId; readonly detail: string; readonly messages: number }

export interface AttemptFinished {
  readonly event: 'attempt-finished'
  readonly id: QueueId
  readonly lane: LaneId
  readonly nextHop: string
  /** 1 for the first attempt of this delivery. */
  readonly attempt: number
  readonly remote: RemoteHost
  readonly channel: ChannelRecord
  readonly requirement: ProofRequirement
  /** Of the domain; absent when MTA-STS was not looked at. */
  readonly policy?: PolicyRecord
  /** Of the host; absent when DANE was not looked at. */
  readonly dane?: DaneRecord
  readonly verdict: Verdict
  readonly results: readonly SessionResult[]
  /** Transactions on this connection before this one. */
  readonly reused: number
  readonly size: number
  /** Of the message (RFC 6710). */
  readonly priority?: number
  readonly recipients: RecipientSummary
  /** The answer that decided: to the final dot, or the refusal; absent when there was none. */
  readonly reply?: SmtpReply
  /** Why not everybody has the message. */
  readonly cause?: DeliveryCause
  readonly durationMs: number
}

/** What is told of the MTA-STS policy under which a transaction was made; the match is in the requirement. */
export type PolicyRecord =
  | {
      readonly kind: 'sts'
      readonly mode: EffectiveMode
      readonly id: string
      readonly from: PolicyOrigin
      readonly ageMs: number
    }
  /** Of the operator's list, where the domain's own could not be had. */
  | { readonly kind: 'preload'; readonly mode: EffectiveMode }
  | { readonly kind: 'none'; readonly because: string }

/** A channel on which mail may flow. */
export type ChannelRecord =
  | { readonly kind: 'clear'; readonly because: ClearBecause }
  | (TlsChannel & { readonly level: ChannelLevel })

/** One claim as it was settled, recipient by recipient: for the delivery history, which outlives the message. */
export interface SettledClaim {
  readonly recipients: readonly { readonly address: MailAddress; readonly outcome: RecipientOutcome }[]
  /** What stood in the way at each host, in order; shared by all messages that met it. */
  readonly met: readonly DeliveryProblem[]
  /** The notification that was queued with it. */
  readonly dsnId?: QueueId
  readonly quarantine?: string
}

export interface RecipientSummary {
  readonly delivered: number
  readonly deferred: number
  readonly failed: number
  readonly ambiguous: number
}

/** `inconclusive`: the child was stopped, or could not be started; that says nothing about the message. */
export type SuspectEnd = 'ended' | 'died' | 'inconclusive'
