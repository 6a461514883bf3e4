/**
 * Mail that waits because of us: nobody answers our questions, or a smarthost refuses our login. No message is charged
 * with an attempt, so that all of it flows as soon as the trouble is over, and not when its retry schedule comes round.
 * What is over its age is settled as ever, and so is what its sender is now to be told of.
 */
import type { NoticeSettings } from '../bounce/notice-plan.ts'
import { isDelayToTell } from '../bounce/notice-plan.ts'
import type { TurnEnd } from '../schedule/lane-scheduler.ts'
import type { DeliveryEvent } from './events.ts'
import { type Batch, type GivingTurn, giveBack } from './give-back.ts'
import type { DeliveryProblem } from './outcome.ts'

export interface KeepingTurn extends GivingTurn {
  readonly nextHop: string
  readonly notices: NoticeSettings
  readonly now: number
  readonly emit: (event: DeliveryEvent) => void
}

interface Trouble {
  readonly problem: DeliveryProblem
  /** UTC milliseconds. */
  readonly until: number
}

export async function keepBack(
  { pending, done }: Batch,
  turn: KeepingTurn,
  { problem, until }: Trouble,
): Promise<TurnEnd> {
  const { id, nextHop, notices, now, emit } = turn
  const messages = pending.size
  for (const progress of [...pending]) {
    const { claim } = progress
    if (claim.expiresAt > now && !isDelayToTell(claim, { now, settings: notices })) continue
    progress.conclude(problem)
    done(progress)
  }
  await giveBack(pending, done, turn)
  emit({ event: 'next-hop-failed', lane: id, nextHop, problem, messages, backoffUntil: until })
  return { kind: 'backoff', until }
}
