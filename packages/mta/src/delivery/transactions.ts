/**
 * Messages over one proven session, one transaction after the other with the next one already on its way
 * (RFC 2920): what each transaction's result means for its recipients.
 *
 * Stops handing out messages when the session ends, when its share of transactions is used, when the facts of the
 * next hop are no longer fresh, or when the turn is stopped; what is left stays in the queue. Which host comes
 * next is decided by `attempt.ts`.
 */
import { assertNever, type MessageTls, type StsFacts, tlsOptionalOutcome } from '@hermetic/policy'
import type { SmtpLimits } from '../smtp/capabilities.ts'
import type { SmtpPhase } from '../smtp/phase.ts'
import { recipientGroup } from '../smtp/recipient-group.ts'
import type { SmtpReply } from '../smtp/reply.ts'
import type { NotSentReason, RecipientResult, TransactionResult } from '../smtp/transaction.ts'
import { type Content, ContentUnreadable, type Spool } from '../spool/spool.ts'
import type { ClaimProgress } from './claim-progress.ts'
import type { PooledSession } from './connection-pool.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import type { DeliveryProblem } from './outcome.ts'
import { causeOfSession, ofSmarthost, problemOf } from './problem.ts'

export interface TransactionsOptions {
  readonly spool: Pick<Spool, 'open'>
  readonly leases: Pick<LeaseKeeper, 'holds' | 'owns'>
  /** UTC milliseconds. */
  readonly now: () => number
  readonly transactionsMax: number
  /** Of the domain, for the record. */
  readonly policy: StsFacts | undefined
  /** What all these messages ask of this host; a notification may have to do without its own tag (RFC 8689 §5). */
  readonly message: MessageTls
  /** May another transaction ask for its place? */
  readonly goesOn: () => boolean
  /** What is known of the next hop still counts. */
  readonly fresh: () => boolean
  /** Waits for its place under the limits of the site, right before each of them; false: not now. */
  readonly begin: () => Promise<boolean>
  /** The turn is being stopped: what has not begun is given back. */
  readonly stopped: () => boolean
  /** Every recipient of this claim is settled, or it was set aside or lost. */
  readonly onDone: (progress: ClaimProgress) => void
  /** The host has taken it for some recipients, and others are still open. */
  readonly onTaken: (progress: ClaimProgress) => void
  readonly onTransaction: (record: TransactionRecord) => void
  /** The turn is being stopped, and one more message is not carried any more. */
  readonly onStopped: () => void
}

/** One transaction as it went, for the delivery record. */
export interface TransactionRecord {
  readonly progress: ClaimProgress
  readonly session: PooledSession
  readonly recipients: readonly number[]
  readonly result: TransactionResult
  readonly policy: StsFacts | undefined
  /** Transactions on the connection before this one. */
  readonly reused: number
  readonly startedAt: number
}

export interface TransactionsEnd {
  /** For the next host: this one answered 4yz, or cannot take them. */
  readonly refused: readonly ClaimProgress[]
  /** Messages of which the peer took at least one recipient. */
  readonly accepted: number
  /** The peer answered at least one transaction, kindly or not, or has said in its EHLO that it cannot take it. */
  readonly answered: boolean
  /** Why the session ended, when it did. */
  readonly broken?: DeliveryProblem
}

/** Two in flight keep the line busy; a third has its content at hand when the first is answered. */
const IN_FLIGHT = 3
/** A message whose sessions break this often at one host is left for the next host, so that the others go on. */
const BREAKS_MAX = 2

interface Run {
  readonly session: PooledSession
  readonly queue: ClaimProgress[]
  readonly options: TransactionsOptions
  readonly refused: ClaimProgress[]
  readonly begun: number
  taken: number
  accepted: number
  answered: boolean
  broken: DeliveryProblem | undefined
  failed: boolean
}

/** Takes from the front of `queue`; what could not be begun is put back there. */
export async function runTransactions(
  session: PooledSession,
  queue: ClaimProgress[],
  options: TransactionsOptions,
): Promise<TransactionsEnd> {
  const begun = session.connection.transactions
  const run: Run = {
    ...{ session, queue, options, refused: [], begun },
    ...{ taken: 0, accepted: 0, answered: false, broken: undefined, failed: false },
  }
  const lines = Math.min(IN_FLIGHT, queue.length)
  // All of them end before an error goes on: none may touch a message that the caller has taken back.
  const ends = await Promise.allSettled(Array.from({ length: lines }, () => line(run)))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  const { refused, accepted, answered, broken } = run
  return { refused, accepted, answered, ...(broken === undefined ? {} : { broken }) }
}

async function line(run: Run): Promise<void> {
  try {
    await oneAfterTheOther(run)
  } catch (error) {
    run.failed = true
    throw error
  }
}

async function oneAfterTheOther(run: Run): Promise<void> {
  for (let next = take(run); next !== undefined; next = take(run)) {
    const content = await contentOf(next, run)
    if (content === undefined) continue
    // Who has a place uses it, although the next one got none meanwhile.
    if (!mayBegin(run) || !(await run.options.begin()) || !carries(run)) {
      run.queue.unshift(next)
      run.taken -= 1
      return
    }
    await transact(next, content, run)
  }
}

function take(run: Run): ClaimProgress | undefined {
  const { mailMax = Number.POSITIVE_INFINITY } = limitsOf(run)
  if (!mayBegin(run) || run.begun + run.taken >= Math.min(run.options.transactionsMax, mailMax)) return undefined
  const next = run.queue.shift()
  if (next !== undefined) run.taken += 1
  return next
}

/** RFC 9422: what the peer said in the EHLO in force. */
function limitsOf({ session }: Run): SmtpLimits {
  return session.connection.capabilities?.limits ?? NO_LIMITS
}

const NO_LIMITS: SmtpLimits = {}

function mayBegin(run: Run): boolean {
  return carries(run) && run.options.goesOn()
}

/** The session can carry one more transaction. */
function carries({ session, options, broken, failed }: Run): boolean {
  return !failed && broken === undefined && session.connection.usable && options.fresh()
}

async function contentOf(progress: ClaimProgress, { options }: Run): Promise<Content | undefined> {
  try {
    return await options.spool.open(progress.claim.id)
  } catch (error) {
    if (!(error instanceof ContentUnreadable)) throw error
    setAside(progress, error.message, options)
    options.onDone(progress)
    return undefined
  }
}

function setAside(progress: ClaimProgress, detail: string, { now }: TransactionsOptions): void {
  const problem = problemOf({ kind: 'content-unreadable', detail }, { at: now() })
  for (const { index } of progress.open) progress.settle(index, { kind: 'deferred', problem })
  progress.setAside(`content-unreadable: ${detail}`)
}

async function transact(progress: ClaimProgress, content: Content, run: Run): Promise<void> {
  const { session, options } = run
  const { claim } = progress
  const recipients = recipientGroup(progress.unasked, limitsOf(run))
  const startedAt = options.now()
  const reused = session.connection.transactions
  progress.inTransaction = true
  const transacted = session.connection.transact({
    envelope: { ...claim.envelope, requireTls: options.message === 'requiretls' },
    recipients,
    content,
    beforeFinalDot: () => options.leases.holds(claim.token),
  })
  const result = await transacted.finally(() => {
    progress.inTransaction = false
  })
  const counts = apply(progress, result, run)
  if (options.stopped()) options.onStopped()
  const indexes = recipients.map(({ index }) => index)
  if (counts) {
    const { policy } = options
    options.onTransaction({ progress, session, recipients: indexes, result, policy, reused, startedAt })
  }
}

/** False when the message goes back into the queue as if nothing had been. */
function apply(progress: ClaimProgress, result: TransactionResult, run: Run): boolean {
  switch (result.kind) {
    case 'answered':
      run.answered = true
      applyRecipients(progress, result.recipients, run)
      return true
    case 'broken':
      return applyBroken(progress, result, run)
    case 'not-sent':
      run.answered = true
      applyNotSent(progress, result.because, run)
      return true
    default:
      return assertNever(result)
  }
}

function applyRecipients(progress: ClaimProgress, results: readonly RecipientResult[], run: Run): void {
  settleAnswered(progress, results, run)
  const accepted = results.some(({ kind }) => kind === 'accepted')
  const tooMany = results.some(({ kind }) => kind === 'too-many-recipients')
  for (const { kind, index } of results) if (kind !== 'too-many-recipients') progress.asked(index)
  if (accepted) run.accepted += 1
  if (accepted && !progress.isDone) run.options.onTaken(progress)
  if (progress.isDone) run.options.onDone(progress)
  // SMTP-29: the rest goes into a further transaction now, as long as each takes some; RFC 9422: so do those beyond a limit.
  else if (progress.unasked.length > 0 && (accepted || !tooMany)) run.queue.unshift(progress)
  else run.refused.push(progress)
}

type Broken = TransactionResult & { readonly kind: 'broken' }

function applyBroken(progress: ClaimProgress, { recipients, failure }: Broken, run: Run): boolean {
  const { options } = run
  const { remote } = run.session.target
  const problem = problemOf(causeOfSession(failure.problem, failure.phase), { at: options.now(), remote })
  // What ended on our side says nothing about the peer.
  const ours = failure.problem.kind === 'stopped' || failure.problem.kind === 'content-unreadable'
  if (!ours) run.broken ??= problem
  settleAnswered(progress, recipients, run)
  if (failure.afterFinalDot) {
    // RFC 5321 §3.8: those whose RCPT was accepted may have the message.
    for (const result of recipients) {
      if (result.kind === 'unsettled') progress.settle(result.index, { kind: 'ambiguous', problem })
    }
    progress.conclude(problem)
  } else if (failure.problem.kind === 'stopped') {
    if (options.stopped() || options.leases.owns(progress.claim.token)) return goesBack(progress, run)
    progress.abandon()
  } else {
    progress.breaks += 1
    if (failure.phase === 'mail' && progress.breaks < BREAKS_MAX) return goesBack(progress, run)
    if (failure.problem.kind === 'content-unreadable') setAside(progress, failure.problem.detail, options)
    else progress.noteAll(problem)
  }
  if (progress.isDone) options.onDone(progress)
  else run.refused.push(progress)
  return true
}

function goesBack(progress: ClaimProgress, { queue }: Run): false {
  queue.unshift(progress)
  return false
}

const WITHOUT_DSN = { withoutDsn: true } as const

/** What the peer answered for a recipient stays true whatever became of the session. */
function settleAnswered(progress: ClaimProgress, results: readonly RecipientResult[], run: Run): void {
  const { target, connection } = run.session
  const { remote } = target
  const withoutDsn = connection.capabilities?.dsn === true ? {} : WITHOUT_DSN
  for (const result of results) {
    switch (result.kind) {
      case 'accepted':
        progress.settle(result.index, { kind: 'delivered', reply: result.reply, remote, ...withoutDsn })
        break
      case 'refused':
      case 'too-many-recipients': {
        const phase = result.kind === 'refused' ? result.phase : 'rcpt'
        const problem = replyProblem(phase, result.reply, run)
        // SMTP-60: a 5yz is final, a 4yz is worth another host. SMTP-29: 552 for too many counts as 452.
        if (result.kind === 'refused' && problem.permanence === 'permanent')
          progress.settle(result.index, { kind: 'failed', problem })
        else progress.note(result.index, problem)
        break
      }
      case 'unsettled':
        break
      default:
        assertNever(result)
    }
  }
}

/** RFC 4954 §6: authentication required. */
const LOGIN_WANTED = 530

/** A smarthost that wants a login says something about our configuration, not about the message. */
function replyProblem(phase: SmtpPhase, reply: SmtpReply, { session, options }: Run): DeliveryProblem {
  const { remote, access } = session.target
  const problem = problemOf({ kind: 'reply', phase, reply }, { at: options.now(), remote })
  const { kind } = session.channel
  // RFC 8689 §4.2.2: TLS was tried, and this server takes nothing without it.
  const optional = access === undefined && options.message === 'tls-optional'
  if (optional && tlsOptionalOutcome(kind, reply.code).kind === 'bounce') return { ...problem, status: '5.7.10' }
  return access !== undefined && reply.code === LOGIN_WANTED ? ofSmarthost(problem) : problem
}

function applyNotSent(progress: ClaimProgress, because: NotSentReason, run: Run): void {
  if (because.kind === 'content-unreadable') {
    setAside(progress, because.detail, run.options)
    run.options.onDone(progress)
    return
  }
  progress.noteAll(problemOf(because, { at: run.options.now(), remote: run.session.target.remote }))
  run.refused.push(progress)
}
