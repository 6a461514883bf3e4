/**
 * One address of a candidate becomes a session on which mail may flow, or a cause why not (RFC 3207, RFC 7435).
 *
 * The order is fixed: greeting, EHLO, STARTTLS, peer facts, verdict, EHLO again. Nothing of a message leaves
 * before the verdict. Where nothing demands TLS, a broken handshake is tried once more with classic groups when it
 * ended without an alert, then on a new connection in clear; a certificate that nobody asked for never matters.
 */
import {
  assertNever,
  type Channel,
  type ClearBecause,
  type DomainName,
  endedWithoutAlert,
  err,
  judge,
  ok,
  type Requirement,
  type Result,
  type TlsFailure,
  type Verdict,
  type VerdictReason,
} from '@hermetic/policy'
import { SmtpConnection } from '../smtp/client.ts'
import { replyClass } from '../smtp/reply.ts'
import type { SessionProblem } from '../smtp/session-problem.ts'
import type { SmtpTimeouts } from '../smtp/timeouts.ts'
import type { ChannelRecord } from './events.ts'
import type { LaneId } from './lane.ts'
import type { DeliveryCause, RemoteHost } from './outcome.ts'
import { causeOfSession } from './problem.ts'

export interface SessionTarget {
  readonly lane: LaneId
  readonly remote: RemoteHost
  /** SNI and name to compare; absent for address literals (RFC 6066 §3). */
  readonly servername: DomainName | undefined
  readonly policyDomain: string
  readonly requirement: Requirement
}

export interface SessionOptions {
  /** Our name in EHLO. */
  readonly hostname: string
  readonly timeouts: SmtpTimeouts
  readonly ca: readonly string[]
  readonly localAddress?: string
  readonly onFallback: (target: SessionTarget, failure: string, to: 'classic-groups' | 'clear') => void
}

/** A connection that has proven what its requirement demands. */
export interface ProvenSession {
  readonly connection: SmtpConnection
  readonly target: SessionTarget
  readonly verdict: Verdict & { readonly kind: 'proven' }
  readonly channel: ChannelRecord
  /** Ends the connection's signal: transactions before their final dot end at once. */
  readonly abort: () => void
}

type Mode = 'default' | 'classic' | 'clear'

type Opening =
  | { readonly kind: 'open'; readonly session: ProvenSession }
  | { readonly kind: 'failed'; readonly cause: DeliveryCause }
  /** STARTTLS was accepted and then TLS broke. */
  | { readonly kind: 'tls-broken'; readonly failure: string; readonly withoutAlert: boolean }

export async function openSession(
  target: SessionTarget,
  options: SessionOptions,
  signal: AbortSignal,
): Promise<Result<ProvenSession, DeliveryCause>> {
  let opening = await open(target, options, { mode: 'default', signal })
  if (opening.kind === 'tls-broken' && opening.withoutAlert && !signal.aborted) {
    options.onFallback(target, opening.failure, 'classic-groups')
    opening = await open(target, options, { mode: 'classic', signal })
  }
  if (opening.kind === 'tls-broken' && target.requirement.floor === 'opportunistic' && !signal.aborted) {
    options.onFallback(target, opening.failure, 'clear')
    opening = await open(target, options, { mode: 'clear', signal })
  }
  switch (opening.kind) {
    case 'open':
      return ok(opening.session)
    case 'failed':
      return err(opening.cause)
    case 'tls-broken':
      return err(
        signal.aborted
          ? { kind: 'stopped' }
          : { kind: 'tls-policy', reason: `handshake-failed (${opening.failure})`, policyDomain: target.policyDomain },
      )
    default:
      return assertNever(opening)
  }
}

interface Try {
  readonly mode: Mode
  readonly signal: AbortSignal
}

async function open(target: SessionTarget, options: SessionOptions, { mode, signal }: Try): Promise<Opening> {
  const { remote, requirement } = target
  // The connection outlives the turn that opened it, so it gets a signal of its own.
  const life = new AbortController()
  const abort = () => life.abort()
  signal.addEventListener('abort', abort)
  try {
    const connected = await SmtpConnection.connect({
      address: remote.address,
      port: remote.port,
      timeouts: options.timeouts,
      signal: life.signal,
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    })
    if (!connected.ok) return { kind: 'failed', cause: causeOfSession(connected.error, 'greeting') }
    const connection = connected.value
    const allowHelo = requirement.floor === 'opportunistic'
    const greeted = await connection.ehlo(options.hostname, { allowHelo })
    if (!greeted.ok) return giveUp(connection, greetingCause(greeted.error, { allowHelo, target }))
    const seed = { connection, target, abort }
    if (mode === 'clear') return inClear(seed, 'handshake-failed')
    if (!greeted.value.startTls) return inClear(seed, 'starttls-not-offered')
    return await secure(seed, options, mode)
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** SMTP-04: a host that knows only HELO has no STARTTLS; where TLS is demanded, that is what is wrong with it. */
function greetingCause(
  problem: SessionProblem,
  { allowHelo, target }: { readonly allowHelo: boolean; readonly target: SessionTarget },
): DeliveryCause {
  const withoutEhlo = problem.kind === 'reply' && replyClass(problem.reply) === 'permanent'
  if (allowHelo || !withoutEhlo) return causeOfSession(problem, 'ehlo')
  return { kind: 'tls-policy', reason: 'starttls-not-offered', policyDomain: target.policyDomain }
}

interface Seed {
  readonly connection: SmtpConnection
  readonly target: SessionTarget
  readonly abort: () => void
}

async function secure(seed: Seed, options: SessionOptions, groups: 'default' | 'classic'): Promise<Opening> {
  const { connection, target } = seed
  const started = await connection.startTls({
    groups,
    ca: options.ca,
    ...(target.servername === undefined ? {} : { servername: target.servername }),
  })
  switch (started.kind) {
    case 'declined': // TLS-09
      return inClear(seed, 'starttls-refused')
    case 'failed':
      return tlsBroken(started.problem)
    case 'secured':
      break
    default:
      return assertNever(started)
  }
  const { facts } = started
  const judged = judgeOr(seed, { kind: 'tls', facts })
  if (judged.kind === 'failed') return judged
  const again = await connection.ehlo(options.hostname, { allowHelo: false })
  if (!again.ok) {
    if (again.error.kind !== 'reply') return tlsBroken(again.error)
    return giveUp(connection, causeOfSession(again.error, 'ehlo'))
  }
  const { protocol, cipher } = facts
  const channel = { kind: 'tls', protocol, cipher, level: judged.verdict.level } as const
  return { kind: 'open', session: { ...seed, verdict: judged.verdict, channel } }
}

function inClear(seed: Seed, because: ClearBecause): Opening {
  const judged = judgeOr(seed, { kind: 'clear', because })
  if (judged.kind === 'failed') return judged
  return { kind: 'open', session: { ...seed, verdict: judged.verdict, channel: { kind: 'clear', because } } }
}

type Judged =
  | { readonly kind: 'proven'; readonly verdict: Verdict & { readonly kind: 'proven' } }
  | { readonly kind: 'failed'; readonly cause: DeliveryCause }

/** TLS-07: a channel that does not prove what it must gets a QUIT and nothing else. */
function judgeOr({ connection, target }: Seed, channel: Channel): Judged {
  const verdict = judge(target.requirement, channel)
  if (verdict.kind === 'proven') return { kind: 'proven', verdict }
  const reason = verdict.reasons.map(reasonText).join(', ')
  return giveUp(connection, { kind: 'tls-policy', reason, policyDomain: target.policyDomain })
}

function giveUp(
  connection: SmtpConnection,
  cause: DeliveryCause,
): { readonly kind: 'failed'; readonly cause: DeliveryCause } {
  void connection.quit()
  return { kind: 'failed', cause }
}

function tlsBroken(problem: SessionProblem): Opening {
  if (problem.kind === 'stopped') return { kind: 'failed', cause: problem }
  if (problem.kind !== 'tls') return { kind: 'tls-broken', failure: problem.kind, withoutAlert: false }
  const { failure } = problem
  if (failure.kind === 'aborted') return { kind: 'failed', cause: { kind: 'stopped' } }
  return { kind: 'tls-broken', failure: failureText(failure), withoutAlert: endedWithoutAlert(failure) }
}

function failureText(failure: TlsFailure): string {
  if (failure.kind === 'alert') return `alert ${failure.alert}`
  return failure.kind === 'reset' || failure.kind === 'other' ? `${failure.kind} ${failure.code}` : failure.kind
}

function reasonText(reason: VerdictReason): string {
  switch (reason.kind) {
    case 'not-encrypted':
      return reason.because
    case 'certificate-untrusted':
      return `${reason.kind} (${reason.code})`
    case 'certificate-name-mismatch':
      return reason.name === undefined ? reason.kind : `${reason.kind} (${reason.name})`
    default:
      return assertNever(reason)
  }
}
