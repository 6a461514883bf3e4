/**
 * The one table from the cause of a delivery problem to its RFC 3463 status, permanence, fault and scope. Pure.
 *
 * "Permanent" of scope `host` means: this host will never take it; whether another would is for `traversal.ts`
 * to find out before anything is bounced (SMTP-02, EXT-02, EAI-03).
 */
import { assertNever, type Mechanism } from '@hermetic/policy'
import type { RetryPace } from '../schedule/retry-schedule.ts'
import { type LoginProblem, saidOf } from '../smtp/auth.ts'
import type { EnhancedStatus } from '../smtp/enhanced-status.ts'
import type { SmtpPhase } from '../smtp/phase.ts'
import { replyClass, type SmtpReply } from '../smtp/reply.ts'
import type { SessionProblem } from '../smtp/session-problem.ts'
import type { DeliveryCause, DeliveryProblem, RemoteHost, TlsPolicyCause } from './outcome.ts'

type Judgement = Pick<DeliveryProblem, 'status' | 'permanence' | 'fault' | 'scope'>

export function problemOf(
  cause: DeliveryCause,
  seen: { readonly at: number; readonly remote?: RemoteHost },
): DeliveryProblem {
  const { at, remote } = seen
  return { cause, ...judgement(cause), ...(remote === undefined ? {} : { remote }), at }
}

function judgement(cause: DeliveryCause): Judgement {
  switch (cause.kind) {
    case 'dns-failure': // SMTP-37
      return { status: '4.4.3', permanence: 'transient', fault: 'network', scope: 'next-hop' }
    case 'domain-not-found': // SMTP-36
      return { status: '5.1.2', permanence: 'permanent', fault: 'message', scope: 'next-hop' }
    case 'null-mx': // RFC 7505 §4.1
      return { status: '5.1.10', permanence: 'permanent', fault: 'destination', scope: 'next-hop' }
    case 'no-address': // SMTP-43
      return { status: '5.4.4', permanence: 'permanent', fault: 'destination', scope: 'next-hop' }
    case 'address-refused': // architecture, decision 8
      return { status: '5.4.4', permanence: 'permanent', fault: 'destination', scope: 'next-hop' }
    case 'mail-loop': // SMTP-44
      return { status: '5.4.6', permanence: 'permanent', fault: 'local-configuration', scope: 'next-hop' }
    case 'connect-failed':
      return { status: '4.4.1', permanence: 'transient', fault: connectFault(cause.code), scope: 'host' }
    case 'timeout':
      return { ...NO_CONVERSATION, status: isSilent(cause.phase) ? '4.4.1' : '4.4.2' }
    case 'connection-lost': // SMTP-15
      return { ...NO_CONVERSATION, status: '4.4.2' }
    case 'protocol-violation':
      return { status: '4.5.0', permanence: 'transient', fault: 'destination', scope: 'host' }
    case 'reply':
      return replyJudgement(cause.phase, cause.reply)
    case 'tls-policy': // SMTP-61, DSN-20
      return policyJudgement(cause)
    case 'policy-unavailable': // architecture, decision 2
      return { status: '4.7.5', permanence: 'transient', fault: 'local-configuration', scope: 'next-hop' }
    case 'login-failed':
      return loginJudgement(cause.problem)
    case 'suppressed':
      return { status: '5.7.1', permanence: 'permanent', fault: 'destination', scope: 'recipient' }
    case 'cancelled':
      return { status: '5.7.1', permanence: 'permanent', fault: 'local-configuration', scope: 'recipient' }
    case 'hosts-left': // SMTP-02: what some said is not the word of all
      return { status: '4.4.4', permanence: 'transient', fault: 'destination', scope: 'next-hop' }
    case 'not-tried':
      return { status: '4.4.5', permanence: 'transient', fault: 'local-configuration', scope: 'next-hop' }
    case 'route-changed':
      return { status: '4.3.5', permanence: 'transient', fault: 'local-configuration', scope: 'next-hop' }
    case 'extension-missing':
      return { status: EXTENSION_STATUS[cause.extension], permanence: 'permanent', fault: 'destination', scope: 'host' }
    case 'too-large': // EXT-02
      return { status: '5.3.4', permanence: 'permanent', fault: 'message', scope: 'host' }
    case 'expired':
      return expiredJudgement(cause.last)
    case 'content-unreadable':
    case 'internal':
      return { status: '4.3.0', permanence: 'transient', fault: 'local-configuration', scope: 'message' }
    case 'stopped':
      return { status: '4.3.2', permanence: 'transient', fault: 'local-configuration', scope: 'next-hop' }
    default:
      return assertNever(cause)
  }
}

/** Without a local address, or without leave of the system, nobody was dialled. */
function connectFault(code: string): 'network' | 'local-configuration' {
  return LOCAL.has(code) ? 'local-configuration' : 'network'
}

const LOCAL: ReadonlySet<string> = new Set(['EACCES', 'EADDRNOTAVAIL', 'EMFILE', 'ENFILE', 'EPERM'])

const NO_CONVERSATION = { permanence: 'transient', fault: 'network', scope: 'host' } as const
const POLICY = { permanence: 'transient', fault: 'destination', scope: 'host' } as const

const EXTENSION_STATUS = {
  '8BITMIME': '5.6.3', // EXT-07
  SMTPUTF8: '5.6.7', // EAI-03
  REQUIRETLS: '5.7.30', // RFC 8689 §4.2.1
} as const

/** RFC 8689 §4.2.1: a host that can never prove what REQUIRETLS demands; whether all are so is seen at the end. */
function policyJudgement({ reason, requireTls }: TlsPolicyCause): Judgement {
  if (requireTls?.kind === 'definitive') return { ...POLICY, permanence: 'permanent', status: requireTls.status }
  return { ...POLICY, status: STARTTLS_MISSING.has(reason) ? '4.7.10' : '4.7.5' }
}

const STARTTLS_MISSING: ReadonlySet<string> = new Set(['starttls-not-offered', 'starttls-refused'])

/**
 * A published policy, or not knowing it, stands in the way: such mail is not given up before it was looked for again
 * (RFC 8461 §5.1; for DANE, architecture, decision 1).
 */
export function isPolicyFailure(cause: DeliveryCause): boolean {
  if (cause.kind === 'expired') return cause.last !== undefined && isPolicyFailure(cause.last)
  return cause.kind === 'policy-unavailable' || (cause.kind === 'tls-policy' && cause.mechanism !== undefined)
}

/** One that another MTA-STS policy could cure (architecture, decision 3). */
export function callsForNewPolicy(cause: DeliveryCause): boolean {
  return isPolicyFailure(cause) && !(cause.kind === 'tls-policy' && cause.mechanism === 'dane')
}

/** The field of a cause. */
export function mechanismOf(mechanisms: readonly Mechanism[]): Pick<TlsPolicyCause, 'mechanism'> {
  const [first, second] = mechanisms
  if (first === undefined) return {}
  return { mechanism: second === undefined ? first : 'dane+mta-sts' }
}

function isSilent(phase: SmtpPhase): boolean {
  return phase === 'connect' || phase === 'greeting'
}

function replyJudgement(phase: SmtpPhase, reply: SmtpReply): Judgement {
  const permanence = replyClass(reply) === 'permanent' ? 'permanent' : 'transient'
  const scope = phase === 'rcpt' ? 'recipient' : IN_TRANSACTION.has(phase) && reply.code !== 421 ? 'message' : 'host'
  return { status: replyStatus(reply), permanence, fault: 'destination', scope }
}

const IN_TRANSACTION: ReadonlySet<SmtpPhase> = new Set(['mail', 'rcpt', 'data', 'content', 'final-dot'])

/** EXT-17: the peer's enhanced status when its class agrees, else only the class. */
function replyStatus(reply: SmtpReply): EnhancedStatus {
  return reply.enhancedStatus ?? (replyClass(reply) === 'permanent' ? '5.0.0' : '4.0.0')
}

/**
 * Wrong credentials are ours to mend: mail waits, whatever class the reply has. A refusal for now is one of this host, a
 * refusal for good would be repeated by the next one, and may lock the account (scope `next-hop`).
 */
function loginJudgement(problem: LoginProblem): Judgement {
  const ours = { permanence: 'transient', fault: 'local-configuration' } as const
  if (problem.kind === 'not-offered') return { ...ours, status: '4.7.4', scope: 'host' }
  if (problem.kind === 'no-token') return { ...ours, status: '4.7.0', scope: 'host' }
  if (problem.kind === 'grant-refused') return { ...ours, status: '4.7.8', scope: 'next-hop' }
  const { reply, stale } = problem
  // With another token the same login may be taken.
  if (stale) return { ...ours, status: '4.7.8', scope: 'host' }
  if (replyClass(reply) === 'transient') return { ...ours, status: reply.enhancedStatus ?? '4.7.0', scope: 'host' }
  return { ...ours, status: inClass4(reply.enhancedStatus ?? '5.7.8'), scope: 'next-hop' }
}

/** No smarthost of ours will take this login for now: asking the next address would only be one more failure. */
export function isRefusedLogin({ cause, scope }: DeliveryProblem): boolean {
  return cause.kind === 'login-failed' && scope === 'next-hop'
}

/** What the smarthost said of our login; empty when that is not what is wrong. */
export function loginAnswer({ cause }: DeliveryProblem): string {
  return cause.kind === 'login-failed' ? saidOf(cause.problem) : ''
}

/**
 * What keeps us from a smarthost is between it and us, and says nothing about the mail: an address that is gone from DNS
 * or a greeting that refuses us is for the operator to mend, and returns no message before its time.
 */
export function ofSmarthost(problem: DeliveryProblem): DeliveryProblem {
  if (problem.permanence === 'transient') return problem
  const status = inClass4(problem.status)
  return { ...problem, status, permanence: 'transient', fault: 'local-configuration' }
}

function inClass4(status: EnhancedStatus): EnhancedStatus {
  return status.startsWith('5') ? (`4${status.slice(1)}` as EnhancedStatus) : status
}

/** DSN-13: the status names the last actual problem, in class 4. */
function expiredJudgement(last: DeliveryCause | undefined): Judgement {
  if (last === undefined) return { status: '4.4.7', permanence: 'permanent', fault: 'network', scope: 'message' }
  const { status, fault, scope } = judgement(last)
  return { status: inClass4(status), permanence: 'permanent', fault, scope }
}

/** How soon another attempt makes sense: troubles of the network and of a session often pass quickly. */
export function retryPace(problem: DeliveryProblem): RetryPace {
  const { cause, scope } = problem
  if (cause.kind === 'reply' && scope === 'host') return 'quick'
  if (cause.kind === 'reply') return isGreylisting(cause) ? 'greylisted' : 'steady'
  return cause.kind === 'content-unreadable' ? 'steady' : 'quick'
}

/**
 * By codes alone, because no word of a peer decides: "not yet" about a recipient or a message, for a reason of policy, or in
 * the form of the oldest of those programs. Whoever means something else by it sees two attempts that come early.
 */
function isGreylisting({ reply }: Extract<DeliveryCause, { kind: 'reply' }>): boolean {
  return (reply.code === 450 || reply.code === 451) && GREYLISTING.has(reply.enhancedStatus ?? '')
}

const GREYLISTING: ReadonlySet<string> = new Set(['4.2.0', '4.7.0', '4.7.1'])

/** A session's problem as the cause of a delivery problem; `phase` is the step in which it came. */
export function causeOfSession(problem: SessionProblem, phase: SmtpPhase): DeliveryCause {
  if (problem.kind !== 'tls') return problem
  // An alert or an error inside an established channel: to the message a lost connection.
  const { failure } = problem
  const code =
    'alert' in failure
      ? `TLS-ALERT-${failure.alert.toUpperCase()}`
      : 'code' in failure
        ? failure.code
        : failure.kind.toUpperCase()
  return { kind: 'connection-lost', phase, code }
}
