/**
 * Claims that go back before they are delivered: what the peers have answered is settled, the rest is due again at once,
 * as if nothing had been. What a transaction is carrying stays with it until it ends.
 */
import type { Claim } from '../spool/spool.ts'
import { ClaimProgress } from './claim-progress.ts'
import type { LaneId } from './lane.ts'
import type { Settler } from './settler.ts'

/** Settles it, unless it was given back. */
export type Done = (progress: ClaimProgress) => void

export interface GivingTurn {
  readonly id: LaneId
  readonly settler: Pick<Settler, 'settle' | 'release'>
}

export interface Batch {
  /** Neither settled nor given back. */
  readonly pending: Set<ClaimProgress>
  readonly done: Done
}

export function batchOf(claims: readonly Claim[], { settler }: GivingTurn): Batch {
  const pending = new Set(claims.map((claim) => new ClaimProgress(claim)))
  return {
    pending,
    done: (progress) => {
      if (pending.delete(progress)) settler.settle(progress)
    },
  }
}

/** The turn ends early, for these messages or for all. */
export async function giveBack(pending: Set<ClaimProgress>, done: Done, turn: GivingTurn): Promise<void> {
  const free = [...pending].filter((progress) => !progress.inTransaction)
  for (const progress of free) if (progress.dispositions.size > 0) done(progress)
  const left = free.filter((progress) => pending.has(progress))
  await release(left, pending, turn)
}

export async function release(
  progresses: readonly ClaimProgress[],
  pending: Set<ClaimProgress>,
  { settler, id }: GivingTurn,
): Promise<void> {
  for (const progress of progresses) pending.delete(progress)
  await settler.release(
    id,
    progresses.map(({ claim }) => claim.token),
  )
}
