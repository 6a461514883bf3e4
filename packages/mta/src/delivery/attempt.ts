/**
 * A delivery attempt: one traversal of the candidates of one next hop for the messages of one claim (RFC 5321 §5.1).
 *
 * Host by host in order of preference: over an idle connection or a new one, address by address, until every
 * message has its answers or no host is left. What a host refuses for now goes on to the next; what it refuses for
 * good does not (SMTP-60). What the answers mean for the queue is decided by the caller.
 */
import {
  type MessageTls,
  type ProofRequirement,
  type StsAssessment,
  type Unreachable,
  unreachableResults,
} from '@hermetic/policy'
import type { SessionSeen } from '@hermetic/reporter'
import { type CandidateHost, warmFirst } from './candidates.ts'
import type { ClaimProgress } from './claim-progress.ts'
import type { ConnectionPool, PooledSession } from './connection-pool.ts'
import { policyField } from './delivery-record.ts'
import { dialOrder, firstFamily } from './dial-order.ts'
import type { DeliveryEvent, PolicyRecord } from './events.ts'
import type { NextHopFacts } from './facts.ts'
import { dialHost, type FailedAddress, type HostDialled, type HostDialOptions, learnOfSession } from './host-dial.ts'
import { type LaneId, laneOf } from './lane.ts'
import type { DeliveryCause, DeliveryProblem, RemoteHost } from './outcome.ts'
import { callsForNewPolicy, isRefusedLogin, ofSmarthost, problemOf } from './problem.ts'
import { failedFetch, failedLookup, policyText, skippedHost, type TlsReports } from './report-mapping.ts'
import { openSession, type SessionOptions } from './session.ts'
import type { SessionTarget } from './session-target.ts'
import type { WantedSession } from './shared-session.ts'
import type { TransactionRight } from './transaction-right.ts'
import { runTransactions, type TransactionsOptions } from './transactions.ts'
import { unreachableCause } from './unreachable-cause.ts'

export interface AttemptOptions {
  readonly lane: LaneId
  /** What the senders of all these messages want of TLS. */
  readonly message: MessageTls
  /** Of the turn: aborted when it has to end. */
  readonly signal: AbortSignal
  /** The connection in use, so that a stop with its grace over can destroy it. */
  readonly using: Set<PooledSession>
  /** To begin transactions with the site. */
  readonly right: Pick<TransactionRight, 'goesOn' | 'begin'>
  readonly pool: ConnectionPool
  readonly session: SessionOptions
  readonly dial: HostDialOptions
  readonly transactions: Omit<TransactionsOptions, 'goesOn' | 'fresh' | 'begin' | 'stopped' | 'policy' | 'message'>
  readonly emit: (event: DeliveryEvent) => void
  /** Absent: nobody reports. */
  readonly reports?: TlsReports | undefined
  readonly monotonic: () => number
  /** A host greeted us; called for each connection. */
  readonly onGreeted: () => void
  /** A host answered a transaction; called for each. */
  readonly onAnswer: () => void
  /** New connections per attempt: a long list of dead hosts must not hold a slot for an hour. */
  readonly connectionsMax: number
}

export type AttemptEnd =
  /** No host is left for these messages; what the hosts said is noted in each. */
  | {
      readonly kind: 'finished'
      readonly left: readonly ClaimProgress[]
      /** At least one transaction was answered. */
      readonly answered: boolean
      /** The last trouble with a host as a whole. */
      readonly problem?: DeliveryProblem
      /** A host was passed over because of the policy of the domain. */
      readonly policyFailed: boolean
    }
  /** The facts went stale or the turn is to end: these messages were not tried to the end. */
  | { readonly kind: 'interrupted'; readonly left: readonly ClaimProgress[] }

interface Walk {
  readonly options: AttemptOptions
  readonly facts: NextHopFacts
  queue: ClaimProgress[]
  connections: number
  accepted: number
  answered: boolean
  problem: DeliveryProblem | undefined
  policyFailed: boolean
}

export async function attempt(
  batch: readonly ClaimProgress[],
  facts: NextHopFacts,
  options: AttemptOptions,
): Promise<AttemptEnd> {
  const walk: Walk = {
    options,
    facts,
    queue: [...batch],
    connections: 0,
    accepted: 0,
    answered: false,
    problem: undefined,
    policyFailed: false,
  }
  reportFailedFetch(walk)
  for (let index = 0; index < facts.levels && mayGoOn(walk); index += 1) {
    const level = await facts.level(index)
    for (const { cause, reported } of level.unusable) {
      note(walk, hostProblem(cause, walk))
      if (reported !== undefined) report(walk, failedLookup(facts.policyDomain, reported.results, reported.name))
    }
    for (const host of warmFirst(level.hosts, ({ mxHostname }) => options.pool.isWarm(options.lane, mxHostname))) {
      if (!mayGoOn(walk)) break
      await visit(host, walk)
    }
    if (level.last) break
  }
  noteUnasked(walk)
  const { queue: left, answered, problem, policyFailed } = walk
  if (left.length > 0 && isInterrupted(walk)) return { kind: 'interrupted', left }
  return { kind: 'finished', left, answered, policyFailed, ...(problem === undefined ? {} : { problem }) }
}

/** Where a sender asked that policies be ignored, nothing is said of them (RTLS-39), and so of no report mail (RPT-68). */
function report({ options: { message, reports } }: Walk, seen: SessionSeen | undefined): void {
  if (seen !== undefined && message !== 'tls-optional') reports?.session(seen)
}

function reportFailedFetch({ facts, options: { message, reports } }: Walk): void {
  const failure = message === 'tls-optional' ? undefined : facts.takeUncounted()
  if (failure !== undefined) reports?.failedFetch(failedFetch(failure))
}

function mayGoOn(walk: Walk): boolean {
  if (walk.problem !== undefined && isRefusedLogin(walk.problem)) return false
  return walk.queue.length > 0 && !isInterrupted(walk) && walk.connections < walk.options.connectionsMax
}

/**
 * Stale facts end the attempt only once it has moved something: else a list of slow hosts would never be walked
 * to its end.
 */
function isInterrupted({ options, facts, accepted }: Walk): boolean {
  return options.signal.aborted || !options.right.goesOn || (accepted > 0 && !facts.fresh())
}

/** Of a host as a whole. */
function hostProblem(cause: DeliveryCause, { options, facts }: Walk, remote?: RemoteHost): DeliveryProblem {
  const problem = problemOf(cause, { at: options.transactions.now(), ...(remote === undefined ? {} : { remote }) })
  return facts.access === undefined ? problem : ofSmarthost(problem)
}

function note(walk: Walk, problem: DeliveryProblem): void {
  walk.problem = problem
  walk.policyFailed ||= callsForNewPolicy(problem.cause)
  for (const progress of walk.queue) progress.noteAll(problem)
}

/** A refusal for good is believed when every host was asked; those beyond our own limit were not (SMTP-02). */
function noteUnasked(walk: Walk): void {
  const { connectionsMax, transactions } = walk.options
  if (walk.connections < connectionsMax && !walk.facts.hostsOmitted) return
  const problem = problemOf({ kind: 'hosts-left' }, { at: transactions.now() })
  for (const progress of walk.queue) {
    const { problems } = progress
    if (problems.length > 0 && problems.every(isPermanent)) progress.noteAll(problem)
  }
  if (walk.problem !== undefined && isPermanent(walk.problem)) walk.problem = problem
}

function isPermanent({ permanence }: DeliveryProblem): boolean {
  return permanence === 'permanent'
}

/** All addresses of one host, as long as there are messages for it: whichever answers first, then the others. */
async function visit(host: CandidateHost, walk: Walk): Promise<void> {
  const requirement = walk.facts.requirement(host, walk.options.message)
  if (requirement.kind === 'unreachable') {
    skip(host, requirement, walk)
    return
  }
  const attempts = Math.max(...walk.queue.map(({ claim }) => claim.attempts))
  for (const progress of walk.queue) progress.beginHost()
  const left = [...dialOrder(host.addresses, firstFamily(attempts))]
  const visit: Visit = { host, requirement, refused: [], left, fruitless: new Map() }
  // What came back once may have come back because of the address: not over the connection that happens to be there.
  let mayBeWarm = attempts === 0
  while (left.length > 0 && mayGoOn(walk)) {
    const warm = mayBeWarm ? walk.options.pool.take(wantedSession(visit, walk)) : undefined
    mayBeWarm = true
    const session = warm ?? (await connect(visit, walk))
    if (session !== undefined) await use(session, { visit, walk, wasWarm: warm !== undefined })
  }
  // Those that were not begun come first: the others have had their answer from this host.
  walk.queue.push(...visit.refused)
}

interface Visit {
  readonly host: CandidateHost
  readonly requirement: ProofRequirement
  readonly refused: ClaimProgress[]
  /** Addresses that may still be dialled, the next one first. */
  readonly left: string[]
  /** Sessions that broke before the peer had taken anything, by address. */
  readonly fruitless: Map<string, number>
}

/** RFC 8461 §8.4: as if it did not answer, in its place among the others. */
function skip(host: CandidateHost, unreachable: Unreachable, walk: Walk): void {
  const { options, facts } = walk
  const { mxHostname } = host
  const { policyDomain } = facts
  const cause = unreachableCause(unreachable, { policyDomain, mxHostname })
  const sts = unreachable.reasons.find((one) => one.kind === 'sts-mx-mismatch')
  const problem = problemOf(cause, { at: options.transactions.now() })
  note(walk, problem)
  const what = {
    lane: options.lane,
    nextHop: policyDomain,
    mxHostname,
    ...(sts === undefined ? {} : { sts: sts.sts }),
    ...policyOf(walk, sts?.sts),
    problem,
  }
  const results = unreachableResults(unreachable)
  options.emit({ event: 'candidate-skipped', ...what, results })
  report(walk, skippedHost(host, results, facts))
}

interface Use {
  readonly visit: Visit
  readonly walk: Walk
  readonly wasWarm: boolean
}

async function use(session: PooledSession, { visit, walk, wasWarm }: Use): Promise<void> {
  const { address } = session.target.remote
  const end = await converse(session, walk)
  visit.refused.push(...end.refused)
  walk.accepted += end.accepted
  // A peer that takes some messages of each connection may have as many connections as it wants.
  if (end.accepted > 0) walk.connections = 0
  if (end.answered) {
    walk.answered = true
    walk.options.onAnswer()
  }
  // Peers end sessions after some messages, and idle ones at any time: the next connection may do better.
  if (end.broken === undefined || end.accepted > 0 || (wasWarm && !end.answered)) return
  const fruitless = (visit.fruitless.get(address) ?? 0) + 1
  visit.fruitless.set(address, fruitless)
  // A connection that was just lost may be the doing of one message, and another one now stands in front.
  const another = end.answered || (end.broken.cause.kind === 'connection-lost' && walk.queue.length > 1)
  if (another && fruitless < FRUITLESS_MAX) return
  note(walk, end.broken)
  leave(visit, address)
}

function leave({ left }: Visit, address: string): void {
  const at = left.indexOf(address)
  if (at !== -1) left.splice(at, 1)
}

/** Sessions at one address that broke before the peer had taken anything. */
const FRUITLESS_MAX = 2

async function converse(session: PooledSession, walk: Walk): ReturnType<typeof runTransactions> {
  const { options, queue } = walk
  const { signal, using, pool, right } = options
  const abort = () => session.abort()
  signal.addEventListener('abort', abort)
  using.add(session)
  if (signal.aborted) abort()
  let acceptedNow = false
  try {
    return await runTransactions(session, queue, {
      ...options.transactions,
      onTransaction: (record) => {
        if (record.result.kind === 'answered') {
          acceptedNow = true
          options.onAnswer()
        }
        options.transactions.onTransaction(record)
      },
      goesOn: () => right.goesOn,
      fresh: () => walk.facts.fresh() || (walk.accepted === 0 && !acceptedNow),
      begin: () => right.begin(),
      stopped: () => signal.aborted,
      policy: walk.facts.policy,
      message: options.message,
    })
  } finally {
    using.delete(session)
    signal.removeEventListener('abort', abort)
    pool.give(session)
  }
}

/** Undefined: not with these addresses; what is wrong with them is noted, and they are not left any more. */
async function connect(visit: Visit, walk: Walk): Promise<PooledSession | undefined> {
  const { options, facts } = walk
  const { connected, failed } = await dialled(visit, walk)
  for (const failure of failed) {
    leave(visit, failure.address)
    const remote = { mxHostname: visit.host.mxHostname, address: failure.address, port: facts.port }
    addressFailed({ ...failure, remote }, visit, walk)
  }
  if (connected === undefined) {
    if (failed.length === 0) visit.left.length = 0
    return undefined
  }
  const { address, socket, source } = connected
  leave(visit, address)
  const startedAt = options.monotonic()
  const { mxHostname, port, addresses: _, ...wanted } = wantedSession(visit, walk)
  const remote = { mxHostname, address, port }
  const target: SessionTarget = { ...wanted, remote, source }
  const { lane, signal } = options
  const opened = await openSession(target, options.session, { signal, socket, onGreeted: options.onGreeted })
  learnOfSession({ ...remote, pool: laneOf(lane).pool }, opened.ok ? undefined : opened.error, options.dial)
  if (opened.ok) {
    visit.left.unshift(address)
    const session = { ...opened.value, openedAt: options.monotonic(), byLane: new Map() }
    session.byLane.set(lane, session)
    return session
  }
  if (opened.error.kind === 'stopped') return undefined
  const durationMs = options.monotonic() - startedAt
  addressFailed({ remote, cause: opened.error, at: options.dial.now(), durationMs, remembered: false }, visit, walk)
  return undefined
}

function wantedSession({ host, requirement }: Visit, { options, facts }: Walk): WantedSession {
  const { mxHostname, servername, dane, addresses } = host
  const { port, policyDomain, access } = facts
  const sts = policyText(facts.policy)
  return { lane: options.lane, mxHostname, port, addresses, servername, policyDomain, sts, requirement, dane, access }
}

async function dialled({ left }: Visit, walk: Walk): Promise<HostDialled> {
  const { options, facts, queue } = walk
  const now = options.dial.now()
  const dialledMax = options.connectionsMax - walk.connections
  const evenDead = queue.some(({ claim }) => claim.expiresAt <= now)
  const { pool } = laneOf(options.lane)
  const { port } = facts
  const request = { addresses: left, dialledMax, port, pool, evenDead, signal: options.signal }
  const end = await dialHost(request, options.dial)
  walk.connections += end.failed.filter(({ remembered }) => !remembered).length
  if (end.connected !== undefined) walk.connections += 1
  return end
}

/** `remote` is the one that the session was judged by: records find each other by it. */
type FailedHost = Omit<FailedAddress, 'address'> & { readonly remote: RemoteHost }

function addressFailed(failure: FailedHost, { requirement }: Visit, walk: Walk): void {
  const { options, facts } = walk
  const { remote, cause, at, durationMs, remembered } = failure
  const problem = { ...hostProblem(cause, walk, remote), at, ...(remembered ? { remembered } : {}) }
  note(walk, problem)
  const what = {
    lane: options.lane,
    nextHop: facts.policyDomain,
    remote,
    ...(requirement.sts === undefined ? {} : { sts: requirement.sts }),
    ...policyOf(walk, requirement.sts),
    problem,
  }
  options.emit(remembered ? { event: 'host-passed-by', ...what } : { event: 'session-failed', ...what, durationMs })
}

/** For the record of a host that got no mail. */
function policyOf({ facts, options }: Walk, sts: StsAssessment | undefined): { readonly policy?: PolicyRecord } {
  return policyField(facts.policy, { sts, now: options.transactions.now() })
}
