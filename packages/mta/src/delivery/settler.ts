/**
 * Commits what became of claims, and the notifications that follow from it in the same transaction (architecture §3).
 *
 * Nobody waits for a single commit; only so many may be under way at once, and a turn waits for all of its own
 * before it ends. A store that refuses is told to operators; the lease then ends by itself and the mail is due again.
 */

import type { BounceEvent } from '../bounce/events.ts'
import { NOTICE_LANE } from '../bounce/notice-lane.ts'
import { type NoticePlan, type NoticeSettings, planNotices } from '../bounce/notice-plan.ts'
import { type Notification, type NotifierOptions, notificationOf, sevenBitNotification } from '../bounce/notifier.ts'
import type { RetryOptions } from '../schedule/retry-schedule.ts'
import type {
  Claim,
  ClaimToken,
  DeliveryMarks,
  NoticeToCome,
  Settlement,
  SettleOutcome,
  Spool,
} from '../spool/spool.ts'
import type { ClaimProgress } from './claim-progress.ts'
import type { DeliveryEvent, RecipientSummary, SettledClaim } from './events.ts'
import type { LaneId } from './lane.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import type { DeliveryProblem, RecipientOutcome } from './outcome.ts'
import type { MailRouting } from './routing.ts'
import { type ClaimOutcomes, claimOutcomes, fallbacksUsed, isPlainDelivery, takenOutcomes } from './settlement.ts'

export interface SettlerOptions {
  readonly spool: Pick<Spool, 'settle' | 'release'>
  readonly leases: Pick<LeaseKeeper, 'drop'>
  readonly wake: (lane: LaneId, dueAt?: number) => void
  readonly routing: MailRouting
  readonly retry: RetryOptions
  readonly notices: NoticeSettings
  readonly notifier: NotifierOptions
  readonly now: () => number
  readonly random: () => number
  readonly emit: (event: DeliveryEvent | BounceEvent) => void
}

/** What goes into the settlement besides the outcomes, and what is told of it after the commit. */
interface Notice {
  readonly notification?: Notification
  readonly later: readonly NoticeToCome[]
  readonly marks: DeliveryMarks
  readonly events: readonly BounceEvent[]
}

interface NoticedOutcomes extends ClaimOutcomes {
  readonly notice: Notice
}

/** Recipients, by index, whose delivery is written down while the attempt goes on. */
interface Taken {
  readonly asked: Set<number>
  /** It is in the store: the end of the attempt need not say it again. */
  readonly written: Set<number>
}

/** Settles under way in one turn; the spool puts them into few commits. */
const WINDOW = 100

export class Settler {
  readonly #options: SettlerOptions
  readonly #underWay = new Set<Promise<void>>()
  readonly #taken = new Map<ClaimToken, Taken>()

  constructor(options: SettlerOptions) {
    this.#options = options
  }

  /** Starts the settle; never throws. */
  settle(progress: ClaimProgress): void {
    const { leases } = this.#options
    if (progress.abandoned) {
      leases.drop(progress.claim.token)
      return
    }
    this.#start(progress, async () => {
      try {
        await this.#settle(progress)
      } finally {
        leases.drop(progress.claim.token)
        this.#taken.delete(progress.claim.token)
      }
    })
  }

  /**
   * A host has taken some recipients and the attempt goes on with the others, for minutes perhaps: what is written now
   * is not sent again by whoever comes after a crash. Never throws.
   */
  settleTaken(progress: ClaimProgress): void {
    if (!progress.abandoned) this.#start(progress, () => this.#settleTaken(progress))
  }

  #start({ claim }: ClaimProgress, step: () => Promise<void>): void {
    const settled = step()
      .catch((error: unknown) => this.#rejected(claim, error))
      .finally(() => this.#underWay.delete(settled))
    this.#underWay.add(settled)
  }

  async #settleTaken(progress: ClaimProgress): Promise<void> {
    const { claim } = progress
    const taken = this.#taken.get(claim.token) ?? { asked: new Set(), written: new Set() }
    this.#taken.set(claim.token, taken)
    const outcomes = takenOutcomes(progress).filter(({ index }) => !taken.asked.has(index))
    if (outcomes.length === 0) return
    for (const { index } of outcomes) taken.asked.add(index)
    const id = `${claim.token}/${claim.attempts + 1}/${taken.asked.size}`
    const settlement: Settlement = { id, outcomes, enqueue: [], marks: {}, keepClaim: true }
    const result = await this.#options.spool.settle(claim.token, settlement)
    // Until the journal is replayed they are open in the store: the end of the attempt may come first.
    if (result.kind !== 'journalled') for (const { index } of outcomes) taken.written.add(index)
    this.#unusual(claim, result)
  }

  /** Waits until there is room for more. */
  async room(): Promise<void> {
    while (this.#underWay.size >= WINDOW) await Promise.race(this.#underWay)
  }

  async finished(): Promise<void> {
    await Promise.all(this.#underWay)
  }

  /** Gives claims back as if nothing had been. */
  async release(lane: LaneId, tokens: readonly ClaimToken[]): Promise<void> {
    const { spool, leases, emit } = this.#options
    if (tokens.length === 0) return
    try {
      await spool.release(tokens)
      emit({ event: 'claims-released', lane, messages: tokens.length })
    } catch (error) {
      emit({ event: 'delivery-store-failed', step: 'release', detail: detailOf(error) })
    }
    for (const token of tokens) leases.drop(token)
  }

  async #settle(progress: ClaimProgress): Promise<void> {
    const { spool, now, random, retry, routing, emit, wake } = this.#options
    const { claim } = progress
    const settledAt = now()
    const id = `${claim.token}/${claim.attempts + 1}`
    const decided = claimOutcomes(progress, { now: settledAt, chance: random(), retry, routing })
    const { outcomes, notice, ...waiting } = await this.#noticed(claim, decided, id)
    const { notification, later, marks } = notice
    const enqueue = notification === undefined ? [] : [notification.message]
    const notices = later.length === 0 ? {} : { notices: later }
    const written = this.#taken.get(claim.token)?.written
    const unwritten = written === undefined ? outcomes : outcomes.filter(({ index }) => !written.has(index))
    const settlement: Settlement = { id, outcomes: unwritten, enqueue, ...notices, marks, ...waiting }
    const result = await spool.settle(claim.token, settlement)
    const problem = shownProblem(outcomes)
    emit({
      event: 'message-settled',
      id: claim.id,
      lane: claim.lane,
      attempt: claim.attempts + 1,
      summary: summaryOf(outcomes),
      ageMs: settledAt - claim.receivedAt,
      ...(problem === undefined ? {} : { problem }),
      ...(waiting.hold === undefined ? {} : { hold: waiting.hold }),
      settled: {
        recipients: settledRecipients(claim, outcomes),
        met: progress.problems,
        ...(notification === undefined ? {} : { dsnId: notification.message.id }),
        ...(waiting.quarantine === undefined ? {} : { quarantine: waiting.quarantine }),
      },
    })
    this.#unusual(claim, result)
    for (const event of fallbacksUsed(claim, outcomes, routing)) emit(event)
    for (const event of notice.events) emit(event)
    for (const outcome of outcomes) {
      if (outcome.kind === 'deferred') wake(outcome.lane ?? claim.lane, outcome.dueAt)
      else if (outcome.kind === 'ambiguous') wake(claim.lane, outcome.dueAt)
    }
    for (const { deliveries } of enqueue) for (const { lane } of deliveries) wake(lane)
    for (const { dueAt } of later) wake(NOTICE_LANE, dueAt)
  }

  /**
   * A defect in a notification must not undo what peers have taken: unsettled, it would be delivered again and
   * again. What failed stays open without a notification, for an operator to look at.
   */
  async #noticed(claim: Claim, decided: ClaimOutcomes, settlementId: string): Promise<NoticedOutcomes> {
    try {
      return { ...decided, notice: await this.#notice(claim, decided, settlementId) }
    } catch (error) {
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#options.emit({ event: 'delivery-defect', lane: claim.lane, detail, messages: 1 })
      const outcomes = decided.outcomes.filter(({ kind }) => kind !== 'failed')
      const notice = { later: [], marks: claim.marks, events: [] }
      return { ...decided, outcomes, quarantine: 'the notification could not be made', notice }
    }
  }

  async #notice(claim: Claim, decided: ClaimOutcomes, settlementId: string): Promise<Notice> {
    const { now, notices, notifier } = this.#options
    if (decided.outcomes.every(isPlainDelivery)) return { later: [], marks: claim.marks, events: [] }
    const plan = planNotices(claim, decided, { now: now(), settings: notices })
    const marks = plan.delayNoticeAt === undefined ? claim.marks : { delayNoticeAt: plan.delayNoticeAt }
    const telling = { original: claim, reported: plan.now, settlementId, gathered: false }
    const told = await notificationOf(telling, notifier)
    const notification = told ?? (await sevenBitNotification(claim, { ...decided, settlementId }, notifier))
    const events = [
      ...(notification === undefined ? [] : [notification.event]),
      ...(notification?.event.event === 'dsn-downgraded' ? [] : untold(claim, plan)),
    ]
    return { ...(notification === undefined ? {} : { notification }), later: plan.later, marks, events }
  }

  #unusual({ id, lane }: Claim, result: SettleOutcome): void {
    if (result.kind === 'settled') return
    const detail = 'detail' in result ? result.detail : ''
    this.#options.emit({ event: 'settle-unusual', id, lane, outcome: result.kind, detail })
  }

  #rejected(claim: Claim, error: unknown): void {
    const detail = detailOf(error)
    this.#options.emit({ event: 'settle-unusual', id: claim.id, lane: claim.lane, outcome: 'rejected', detail })
  }
}

function untold({ id }: Claim, plan: NoticePlan): readonly BounceEvent[] {
  if (plan.untold === undefined) return []
  const { failed, reason } = plan.untold
  return [{ event: 'failure-not-reported', id, recipients: failed, reason }]
}

export function summaryOf(outcomes: readonly { readonly kind: keyof RecipientSummary }[]): RecipientSummary {
  const summary = { delivered: 0, deferred: 0, failed: 0, ambiguous: 0 }
  for (const { kind } of outcomes) summary[kind] += 1
  return summary
}

function settledRecipients({ recipients }: Claim, outcomes: readonly RecipientOutcome[]): SettledClaim['recipients'] {
  const addresses = new Map(recipients.map(({ index, address }) => [index, address]))
  return outcomes.flatMap((outcome) => {
    const address = addresses.get(outcome.index)
    return address === undefined ? [] : [{ address, outcome }]
  })
}

function shownProblem(outcomes: readonly RecipientOutcome[]): DeliveryProblem | undefined {
  const troubled = outcomes.filter((outcome) => outcome.kind !== 'delivered')
  return (troubled.find(({ kind }) => kind === 'failed') ?? troubled[0])?.problem
}

function detailOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
