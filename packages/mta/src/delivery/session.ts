/**
 * One address of a candidate becomes a session on which mail may flow, or a cause why not (RFC 3207, RFC 7435).
 *
 * The order is fixed: greeting, EHLO, STARTTLS, peer facts, verdict, EHLO again, AUTH; with implicit TLS (RFC 8314) peer
 * facts and verdict come before the first EHLO. Nothing of a message, and no credentials, leave before the verdict. Where nothing demands TLS, a broken handshake is tried once more with classic groups when it
 * ended without an alert, then on a new connection in clear; a certificate that nobody asked for never matters.
 */
import type { Socket } from 'node:net'
import {
  assertNever,
  type Channel,
  type ClearBecause,
  type DaneAuthentication,
  err,
  invariant,
  judge,
  ok,
  type PeerFacts,
  type Result,
  refusedBy,
  requireTlsFailure,
  type SessionResult,
  sessionResults,
  type Verdict,
  type VerdictReason,
} from '@hermetic/policy'
import type { SeenConnection } from '@hermetic/reporter'
import type { Credentials, LoginProblem } from '../smtp/auth.ts'
import { SmtpConnection, type TlsOptions } from '../smtp/client.ts'
import { replyClass } from '../smtp/reply.ts'
import type { SessionProblem } from '../smtp/session-problem.ts'
import type { SmtpTimeouts } from '../smtp/timeouts.ts'
import { tlsChannel } from './channel-record.ts'
import type { ChannelRecord } from './events.ts'
import type { DeliveryCause, TlsPolicyCause } from './outcome.ts'
import { causeOfSession, mechanismOf } from './problem.ts'
import { comparedWithTlsa, type SessionTarget, serverNameIndication } from './session-target.ts'
import { brokeWithoutAlert, type TlsBreak, tlsBreakOf } from './tls-break.ts'

export interface SessionOptions {
  /** Our name in EHLO. */
  readonly hostname: string
  readonly timeouts: SmtpTimeouts
  /** BDAT where it is offered (RFC 3030); true when absent. */
  readonly chunking?: boolean | undefined
  readonly ca: readonly string[]
  /** UTC milliseconds: certificates have dates. */
  readonly now: () => number
  readonly onFallback: (target: SessionTarget, failure: string, to: 'classic-groups' | 'clear') => void
  /** Each session once, when it is known what its channel proves. */
  readonly onJudged: (target: SessionTarget, results: readonly SessionResult[], judged: JudgedChannel) => void
  readonly onLoggedIn?: (target: SessionTarget) => void
  readonly onLoginFailed: (target: SessionTarget, credentials: Credentials, problem: LoginProblem) => void
}

/** What was judged, whole: for `explain`, which shows it, and for reports. */
export interface JudgedChannel {
  readonly channel: Channel
  readonly verdict: Verdict
  /** The connection that was judged; of one that broke before it was greeted only the address. */
  readonly seen: SeenConnection
}

/** A connection that has proven what its requirement demands. */
export interface ProvenSession {
  readonly connection: SmtpConnection
  readonly target: SessionTarget
  readonly verdict: Verdict & { readonly kind: 'proven' }
  readonly channel: ChannelRecord
  /** What the verdict is about, so that another requirement can be judged by it. */
  readonly judged: Channel
  /** What the session says about the TLS of the host, for reports (RFC 8460). */
  readonly results: readonly SessionResult[]
  /** Of the peer with the usable TLSA records; absent when there are none, or no TLS. */
  readonly dane?: DaneAuthentication | undefined
  /** Ends the connection's signal: transactions before their final dot end at once. */
  readonly abort: () => void
}

type Mode = 'default' | 'classic' | 'clear'

type Opening =
  | { readonly kind: 'open'; readonly session: ProvenSession }
  | { readonly kind: 'failed'; readonly cause: DeliveryCause }
  /** STARTTLS was accepted and then TLS broke. */
  | { readonly kind: 'tls-broken'; readonly broken: TlsBreak; readonly seen?: SeenConnection }

export interface SessionStart {
  readonly signal: AbortSignal
  /** Connected to the address of the target already; for the first connection, fallbacks make their own. */
  readonly socket?: Socket
  /** The host has greeted us. */
  readonly onGreeted?: () => void
}

export async function openSession(
  target: SessionTarget,
  options: SessionOptions,
  { signal, socket, onGreeted }: SessionStart,
): Promise<Result<ProvenSession, DeliveryCause>> {
  let opening = await open(target, options, { mode: 'default', signal, socket, onGreeted })
  if (opening.kind === 'tls-broken' && brokeWithoutAlert(opening.broken) && !signal.aborted) {
    options.onFallback(target, opening.broken.failure, 'classic-groups')
    opening = await open(target, options, { mode: 'classic', signal })
  }
  if (opening.kind === 'tls-broken' && target.requirement.floor === 'opportunistic' && !signal.aborted) {
    options.onFallback(target, opening.broken.failure, 'clear')
    opening = await open(target, options, { mode: 'clear', signal, broken: opening.broken })
  }
  switch (opening.kind) {
    case 'open':
      return ok(opening.session)
    case 'failed':
      return err(opening.cause)
    case 'tls-broken':
      if (signal.aborted) return err({ kind: 'stopped' })
      return err(handshakeCause(target, options, opening))
    default:
      return assertNever(opening)
  }
}

interface Try {
  readonly mode: Mode
  readonly signal: AbortSignal
  readonly socket?: Socket | undefined
  readonly onGreeted?: (() => void) | undefined
  /** How the handshake before this connection failed. */
  readonly broken?: TlsBreak
}

async function open(target: SessionTarget, options: SessionOptions, how: Try): Promise<Opening> {
  const { mode, signal, socket, broken } = how
  const { remote, requirement } = target
  // The connection outlives the turn that opened it, so it gets a signal of its own.
  const life = new AbortController()
  const abort = () => life.abort()
  signal.addEventListener('abort', abort)
  if (signal.aborted) abort()
  try {
    const connected = await SmtpConnection.connect({
      address: remote.address,
      port: remote.port,
      socket,
      timeouts: options.timeouts,
      chunking: options.chunking,
      signal: life.signal,
      localAddress: target.source?.address,
      ...(target.access?.tls === 'implicit' ? { tls: tlsOptions(target, options, mode) } : {}),
    })
    if (!connected.ok) return notConnected(connected.error)
    how.onGreeted?.()
    const connection = connected.value
    const { peerFacts } = connection
    if (peerFacts !== undefined) return await secured({ connection, target, abort, options }, peerFacts)
    const allowHelo = requirement.floor === 'opportunistic'
    const greeted = await connection.ehlo(ownName(target, options), { allowHelo })
    if (!greeted.ok) return greetingFailed({ connection, target, abort, options }, greeted.error, allowHelo)
    const seed = { connection, target, abort, options }
    if (mode === 'clear') return inClear(seed, channelInClear('handshake-failed', broken))
    if (!greeted.value.startTls) return inClear(seed, channelInClear('starttls-not-offered'))
    return await secure(seed, mode)
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** RFC 5321 §4.1.4: the name belongs to the address that the peer sees. */
function ownName({ source }: SessionTarget, { hostname }: SessionOptions): string {
  return source?.hostname ?? hostname
}

/** A failed handshake of implicit TLS is one like any other. */
function notConnected(problem: SessionProblem): Opening {
  return problem.kind === 'tls' ? tlsBroken(problem) : { kind: 'failed', cause: causeOfSession(problem, 'greeting') }
}

/** STS-108: the server is judged by the name in the MX record, whatever it is asked for. */
function tlsOptions(target: SessionTarget, { ca }: SessionOptions, mode: Mode): TlsOptions {
  const groups = mode === 'classic' ? 'classic' : 'default'
  return { groups, ca, servername: serverNameIndication(target), certificateName: target.servername }
}

/** SMTP-04: a host that knows only HELO has no STARTTLS; where TLS is demanded, that is what is wrong with it. */
function greetingFailed(seed: Seed, problem: SessionProblem, allowHelo: boolean): Opening {
  const withoutEhlo = problem.kind === 'reply' && replyClass(problem.reply) === 'permanent'
  if (allowHelo || !withoutEhlo) return giveUp(seed.connection, causeOfSession(problem, 'ehlo'))
  return inClear(seed, channelInClear('starttls-not-offered'))
}

interface Seed {
  readonly connection: SmtpConnection
  readonly target: SessionTarget
  readonly abort: () => void
  readonly options: SessionOptions
}

async function secure(seed: Seed, mode: Mode): Promise<Opening> {
  const { connection, target, options } = seed
  const started = await connection.startTls(tlsOptions(target, options, mode))
  switch (started.kind) {
    case 'declined': // TLS-09
      return inClear(seed, channelInClear('starttls-refused', { reply: started.reply.code }))
    case 'failed':
      return tlsBroken(started.problem, seenOf(connection))
    case 'secured':
      return secured(seed, started.facts)
    default:
      return assertNever(started)
  }
}

async function secured(seed: Seed, facts: PeerFacts): Promise<Opening> {
  const { connection, target, abort, options } = seed
  const dane = comparedWithTlsa(target.requirement, facts, options.now())
  const shown: Channel = { kind: 'tls', facts, ...(dane === undefined ? {} : { dane }) }
  const judged = judgeOr(seed, shown)
  if (judged.kind === 'failed') return judged
  const again = await connection.ehlo(ownName(target, options), { allowHelo: false })
  // An alert of TLS 1.3 may come only now: what was proven by then is not told as a success.
  if (!again.ok && again.error.kind !== 'reply') return tlsBroken(again.error, seenOf(connection))
  judged.tell()
  if (!again.ok) return giveUp(connection, causeOfSession(again.error, 'ehlo'))
  const { verdict, results } = judged
  const refused = await logIn(seed, verdict)
  if (refused !== undefined) return refused
  const channel = { ...tlsChannel(facts), level: verdict.level }
  return { kind: 'open', session: { connection, target, abort, verdict, results, channel, judged: shown, dane } }
}

/** RFC 4954 §14, TLS-22: only to a peer that has proven to be the one that the configuration names. */
async function logIn(
  { connection, target, options }: Seed,
  { level }: Verdict & { readonly kind: 'proven' },
): Promise<Opening | undefined> {
  const credentials = target.access?.credentials
  if (credentials === undefined) return undefined
  invariant(level !== 'clear' && level !== 'encrypted', 'credentials are for a proven peer')
  const { mxHostname: host, port } = target.remote
  const outcome = await connection.logIn(credentials, { host, port })
  switch (outcome.kind) {
    case 'accepted':
      options.onLoggedIn?.(target)
      return undefined
    case 'not-offered':
    case 'refused':
    case 'no-token':
    case 'grant-refused':
      options.onLoginFailed(target, credentials, outcome)
      return giveUp(connection, { kind: 'login-failed', username: credentials.username, problem: outcome })
    case 'failed':
      return giveUp(connection, causeOfSession(outcome.problem, 'auth'))
    default:
      return assertNever(outcome)
  }
}

function inClear(seed: Seed, channel: Channel & { readonly kind: 'clear' }): Opening {
  const judged = judgeOr(seed, channel)
  if (judged.kind === 'failed') return judged
  judged.tell()
  const { connection, target, abort } = seed
  invariant(target.access?.credentials === undefined, 'no session in clear where credentials are used')
  const { verdict, results } = judged
  const record = { kind: 'clear', because: channel.because } as const
  return { kind: 'open', session: { connection, target, abort, verdict, results, channel: record, judged: channel } }
}

function channelInClear(
  because: ClearBecause,
  { tls, reply }: Omit<TlsBreak, 'failure'> = {},
): Channel & { readonly kind: 'clear' } {
  return {
    ...{ kind: 'clear', because },
    ...(tls === undefined ? {} : { failure: tls }),
    ...(reply === undefined ? {} : { reply }),
  }
}

type Judged =
  | {
      readonly kind: 'proven'
      readonly verdict: Verdict & { readonly kind: 'proven' }
      readonly results: readonly SessionResult[]
      /** To be called once it is sure that nothing takes the proof back. */
      readonly tell: () => void
    }
  | { readonly kind: 'failed'; readonly cause: DeliveryCause }

/** TLS-07: a channel that does not prove what it must gets a QUIT and nothing else. */
function judgeOr({ connection, target, options }: Seed, channel: Channel): Judged {
  const { verdict, results, tell } = judgement({ target, options, seen: seenOf(connection) }, channel)
  if (verdict.kind === 'proven') return { kind: 'proven', verdict, results, tell }
  tell()
  return giveUp(connection, policyCause(target, channel, verdict.reasons))
}

interface Judging {
  readonly target: SessionTarget
  readonly options: SessionOptions
  readonly seen: SeenConnection
}

function judgement({ target, options, seen }: Judging, channel: Channel) {
  const verdict = judge(target.requirement, channel)
  const results = sessionResults(target.requirement, channel)
  return { verdict, results, tell: () => options.onJudged(target, results, { channel, verdict, seen }) }
}

/** Of a session, for reports. */
export function seenOf({ address, localAddress, greeting }: SmtpConnection): SeenConnection {
  return { remoteAddress: address, localAddress, helo: greeting.lines[0]?.split(' ', 1)[0] }
}

function handshakeCause(
  target: SessionTarget,
  options: SessionOptions,
  { broken, seen = { remoteAddress: target.remote.address } }: Opening & { readonly kind: 'tls-broken' },
): DeliveryCause {
  const channel = channelInClear('handshake-failed', broken)
  const { verdict, tell } = judgement({ target, options, seen }, channel)
  tell()
  invariant(verdict.kind === 'failed', 'what is opportunistic was tried in clear')
  return { ...policyCause(target, channel, verdict.reasons), reason: `handshake-failed (${broken.failure})` }
}

function policyCause(
  { policyDomain, requirement }: SessionTarget,
  channel: Channel,
  reasons: readonly VerdictReason[],
): TlsPolicyCause {
  const tagged = requirement.message === 'requiretls'
  return {
    kind: 'tls-policy',
    reason: reasons.map(reasonText).join(', '),
    policyDomain,
    ...mechanismOf(refusedBy(requirement, reasons)),
    ...(tagged ? { requireTls: requireTlsFailure({ kind: 'failed', requirement, channel, reasons }) } : {}),
  }
}

function giveUp(
  connection: SmtpConnection,
  cause: DeliveryCause,
): { readonly kind: 'failed'; readonly cause: DeliveryCause } {
  void connection.quit()
  return { kind: 'failed', cause }
}

function tlsBroken(problem: SessionProblem, seen?: SeenConnection): Opening {
  const broken = tlsBreakOf(problem)
  if (broken === undefined) return { kind: 'failed', cause: { kind: 'stopped' } }
  return { kind: 'tls-broken', broken, ...(seen === undefined ? {} : { seen }) }
}

function reasonText(reason: VerdictReason): string {
  switch (reason.kind) {
    case 'not-encrypted':
      return reason.because
    case 'certificate-untrusted':
      return `${reason.kind} (${reason.code})`
    case 'certificate-name-mismatch':
      return reason.name === undefined ? reason.kind : `${reason.kind} (${reason.name})`
    case 'tlsa-mismatch':
      return `${reason.kind} (${reason.reason.kind})`
    default:
      return assertNever(reason)
  }
}
