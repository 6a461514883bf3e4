/**
 * Mail found by its age, whatever its lane does: parked, suspended, behind a limit, or due much later. What is over its
 * age is returned; senders of what nobody could try yet are told of the delay at its time. Mail that is out for delivery
 * is left to its attempt, and what is held to whoever holds it.
 *
 * Mail that a policy kept back is never given up before the policy was looked for again (RFC 8461 §5.1), and has a while
 * for one more attempt then; so has mail that was released, or waited while nothing ran, after its age was over.
 */

import { NOTICE_LANE } from '../bounce/notice-lane.ts'
import { type NoticeSettings, overdueNotice } from '../bounce/notice-plan.ts'
import type { LaneScheduler } from '../schedule/lane-scheduler.ts'
import { type Claim, type OpenRecipient, type Spool, StoreUnavailable } from '../spool/spool.ts'
import type { SpoolAges } from '../spool/spool-ages.ts'
import { ClaimProgress } from './claim-progress.ts'
import type { DeliveryEvent } from './events.ts'
import type { FactsSource } from './facts.ts'
import { laneOf } from './lane.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import type { RecipientOutcome } from './outcome.ts'
import { isPolicyFailure, problemOf } from './problem.ts'
import { expiredProblem } from './settlement.ts'
import { Settler, type SettlerOptions } from './settler.ts'

export interface AgeSweepOptions {
  readonly spool: Pick<Spool, 'settle' | 'release'> & { readonly ages: SpoolAges }
  readonly facts: Pick<FactsSource, 'getAfresh'>
  readonly leases: Pick<LeaseKeeper, 'hold' | 'drop'>
  readonly settler: SettlerOptions
  readonly notices: NoticeSettings
  readonly scheduler: Pick<LaneScheduler, 'wake'>
  readonly leaseMs: number
  /** UTC milliseconds. */
  readonly now: () => number
  readonly emit: (event: DeliveryEvent) => void
}

/** The last attempt begins when the time is over: this is for its lane to claim it. */
export const EXPIRY_GRACE_MS = 30_000
/** For one more attempt at mail that became due, or whose relay started, when its age was over already. */
export const LAST_CHANCE_MS = 900_000
const CLAIMS = 100

export class AgeSweep {
  readonly #options: AgeSweepOptions
  readonly #startedAt: number
  /** How far the walk over old mail has come. */
  #toldUpTo = ''

  constructor(options: AgeSweepOptions) {
    this.#options = options
    this.#startedAt = options.now()
  }

  /** One look at all that is over its age, and at what has become old. A store that fails ends it; the next begins anew. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#expire(signal)
      await this.#tell(signal)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      this.#options.emit({ event: 'delivery-store-failed', step: 'claim', detail: error.message })
    }
  }

  async #expire(signal: AbortSignal): Promise<void> {
    const { spool, leases, now, leaseMs } = this.#options
    while (!signal.aborted) {
      const at = now()
      // What was over its age before the start has waited for us: its lanes come first.
      const after = at < this.#startedAt + LAST_CHANCE_MS ? this.#startedAt : 0
      const bounds = { after, before: at - EXPIRY_GRACE_MS, dueBefore: at - LAST_CHANCE_MS }
      const claims = await spool.ages.claimExpired({ ...bounds, limit: CLAIMS, leaseMs })
      if (claims.length === 0) return
      leases.hold(claims)
      await this.#giveUp(claims)
    }
  }

  /** Those of one lane together, so that its policy is looked for once. */
  async #giveUp(claims: readonly Claim[]): Promise<void> {
    const { settler: options, facts, now } = this.#options
    const settler = new Settler(options)
    for (const [lane, some] of Map.groupBy(claims, (claim) => claim.lane)) {
      const kept = some.filter(({ recipients }) => recipients.some(isKeptByPolicy))
      const known = kept.length > 0 && (await facts.getAfresh(laneOf(lane))).kind === 'facts'
      for (const claim of some) {
        const hadChance = known && (claim.dueAt ?? 0) > claim.expiresAt
        if (kept.includes(claim) && !hadChance) await this.#lastChance(claim)
        else settler.settle(expired(claim, now()))
      }
    }
    await settler.finished()
  }

  /** Due now, and not given up for a while. */
  async #lastChance(claim: Claim): Promise<void> {
    const { spool, leases, scheduler, now } = this.#options
    const at = now()
    const settlement = { id: `${claim.token}/last-chance`, outcomes: [], enqueue: [], marks: claim.marks }
    await spool.settle(claim.token, { ...settlement, untried: { dueAt: at } })
    leases.drop(claim.token)
    scheduler.wake(claim.lane, at)
  }

  async #tell(signal: AbortSignal): Promise<void> {
    const { spool, leases, notices, now, leaseMs } = this.#options
    if (notices.delayAfterMs === undefined) return
    for (let ended = false; !ended && !signal.aborted; ) {
      const arrivedBefore = now() - notices.delayAfterMs
      const found = await spool.ages.claimUntold({ arrivedBefore, after: this.#toldUpTo, leaseMs })
      leases.hold(found.claims)
      for (const claim of found.claims) await this.#tellOf(claim)
      this.#toldUpTo = found.after
      ended = found.ended
    }
  }

  async #tellOf(claim: Claim): Promise<void> {
    const { spool, leases, scheduler, notices, now } = this.#options
    const outcomes = claim.recipients.map((recipient) => waits(recipient, claim, now()))
    const notice = overdueNotice(claim, outcomes, { now: now(), settings: notices })
    if (notice === undefined) await spool.release([claim.token])
    else {
      const told = { outcomes, notices: [notice], marks: { delayNoticeAt: notice.dueAt }, untried: {} }
      await spool.settle(claim.token, { id: `${claim.token}/untold`, enqueue: [], ...told })
      scheduler.wake(NOTICE_LANE, notice.dueAt)
    }
    leases.drop(claim.token)
    scheduler.wake(claim.lane)
  }
}

function isKeptByPolicy({ lastProblem }: OpenRecipient): boolean {
  return lastProblem !== undefined && isPolicyFailure(lastProblem.cause)
}

function expired(claim: Claim, now: number): ClaimProgress {
  const progress = new ClaimProgress(claim)
  const untried = problemOf({ kind: 'not-tried' }, { at: now })
  for (const { index, lastProblem = untried } of progress.open)
    progress.settle(index, { kind: 'failed', problem: expiredProblem(lastProblem, now) })
  return progress
}

function waits({ index, lastProblem }: OpenRecipient, { expiresAt }: Claim, now: number): RecipientOutcome {
  const problem = lastProblem ?? problemOf({ kind: 'not-tried' }, { at: now })
  return { kind: 'deferred', index, problem, dueAt: expiresAt }
}
