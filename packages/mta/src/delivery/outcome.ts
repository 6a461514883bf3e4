/**
 * What became of one recipient in one delivery attempt, as values with a reason. Pure.
 *
 * The cause is set where the fact is known; everything else (log line, DSN, metric, `queue show`) renders it.
 * `problem.ts` has the one table from cause to RFC 3463 status, fault, scope and permanence.
 */

import type { Mechanism, RequireTlsFailure } from '@hermetic/policy'
import type { LoginProblem } from '../smtp/auth.ts'
import type { EnhancedStatus } from '../smtp/enhanced-status.ts'
import type { SmtpPhase } from '../smtp/phase.ts'
import type { SmtpReply } from '../smtp/reply.ts'
import type { LaneId } from './lane.ts'

export type RecipientOutcome =
  | {
      readonly kind: 'delivered'
      readonly index: number
      readonly reply: SmtpReply
      readonly remote: RemoteHost
      /** The sender wants to hear of success, and the host does not offer DSN (RFC 3461 §5.2.2). */
      readonly withoutDsn?: true
    }
  | {
      readonly kind: 'deferred'
      readonly index: number
      readonly problem: DeliveryProblem
      /** UTC milliseconds of the next attempt. */
      readonly dueAt: number
      /** Where it waits from now on, when the route changed. */
      readonly lane?: LaneId
    }
  | { readonly kind: 'failed'; readonly index: number; readonly problem: DeliveryProblem }
  /** The connection was lost after the final dot: the peer may or may not have the message (RFC 5321 §3.8). */
  | { readonly kind: 'ambiguous'; readonly index: number; readonly problem: DeliveryProblem; readonly dueAt: number }

/** The host that took part in an attempt, for Remote-MTA and records. */
export interface RemoteHost {
  readonly mxHostname: string
  readonly address: string
  readonly port: number
}

export interface DeliveryProblem {
  readonly cause: DeliveryCause
  readonly status: EnhancedStatus
  readonly permanence: 'transient' | 'permanent'
  /** Whose fault it is, as far as we can tell. */
  readonly fault: 'destination' | 'network' | 'local-configuration' | 'message'
  readonly scope: 'host' | 'next-hop' | 'message' | 'recipient'
  /** Absent when no remote host took part (DSN-12). */
  readonly remote?: RemoteHost
  /** UTC milliseconds. */
  readonly at: number
  /** Seen by an earlier attempt on whatever mail; nobody was dialled for this one. */
  readonly remembered?: true
}

/** TLS was demanded and not proven; `reason` is the verdict's. */
export interface TlsPolicyCause {
  readonly kind: 'tls-policy'
  readonly reason: string
  readonly policyDomain: string
  /** Which published policies refused it; absent: what the operator or the sender demands. */
  readonly mechanism?: Mechanism | 'dane+mta-sts'
  /** Of a REQUIRETLS message: whether this host will never do. */
  readonly requireTls?: RequireTlsFailure
  /** Of a host that was not contacted for this reason. */
  readonly mxHostname?: string
  readonly ours?: true
}

/** We could not ask DNS at all, or nobody validates: no attempt on the mail, and nothing that the destination did. */
export function isOurTroubleWithDns(cause: DeliveryCause): boolean {
  return (cause.kind === 'dns-failure' || cause.kind === 'tls-policy') && cause.ours === true
}

export type DeliveryCause =
  | {
      readonly kind: 'dns-failure'
      readonly lookup: 'mx' | 'address'
      readonly name: string
      readonly detail: string
      readonly ours?: true
    }
  | { readonly kind: 'domain-not-found'; readonly name: string }
  | { readonly kind: 'null-mx'; readonly name: string }
  | { readonly kind: 'no-address'; readonly names: readonly string[] }
  /** The address guard refused every address (architecture, decision 8). */
  | { readonly kind: 'address-refused'; readonly addresses: readonly string[] }
  /** The MX list leads back to ourselves (RFC 5321 §5.1). */
  | { readonly kind: 'mail-loop'; readonly name: string }
  | { readonly kind: 'connect-failed'; readonly code: string }
  | { readonly kind: 'timeout'; readonly phase: SmtpPhase }
  | { readonly kind: 'connection-lost'; readonly phase: SmtpPhase; readonly code: string }
  /** The peer did not speak SMTP: malformed replies, too long lines, unexpected codes. */
  | { readonly kind: 'protocol-violation'; readonly phase: SmtpPhase; readonly detail: string }
  | { readonly kind: 'reply'; readonly phase: SmtpPhase; readonly reply: SmtpReply }
  | TlsPolicyCause
  /** Whether the domain has a policy cannot be said now: delivering by a guess could break it. */
  | { readonly kind: 'policy-unavailable'; readonly policyDomain: string; readonly because: string }
  /** The smarthost does not take our credentials, or offers no way to show them (RFC 4954 §4). */
  | { readonly kind: 'login-failed'; readonly username: string; readonly problem: LoginProblem }
  /** The address is on our list of those that take no mail; `refusal`: what its server said. */
  | {
      readonly kind: 'suppressed'
      readonly by: 'bounces' | 'operator'
      /** UTC milliseconds. */
      readonly since: number
      readonly until: number
      readonly refusal?: EnhancedStatus
    }
  /** An operator took the message back, and its sender is to know. */
  | { readonly kind: 'cancelled' }
  /** Hosts are left that were not asked, because there are too many of them: one may still take it. */
  | { readonly kind: 'hosts-left' }
  /** Nobody could try it yet: its lane waits for something. */
  | { readonly kind: 'not-tried' }
  /** The configuration now sends this recipient's mail elsewhere. */
  | { readonly kind: 'route-changed' }
  | { readonly kind: 'extension-missing'; readonly extension: '8BITMIME' | 'SMTPUTF8' | 'REQUIRETLS' }
  | { readonly kind: 'too-large'; readonly size: number; readonly limit: number }
  /** Held in the queue longer than its maximum age; `last` is the last actual problem (DSN-13). */
  | { readonly kind: 'expired'; readonly last?: DeliveryCause }
  | { readonly kind: 'content-unreadable'; readonly detail: string }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'internal'; readonly detail: string }
