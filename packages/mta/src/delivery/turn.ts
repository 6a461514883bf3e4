/**
 * One turn of a lane: a permit for the site, then batch after batch until nothing is due or another lane waits.
 *
 * Every recipient of every claim gets one outcome or goes back untouched, whatever is thrown in between; a next hop
 * that cannot be reached costs one traversal for a whole batch, and the lane then backs off (SMTP-55).
 */
import type { TurnContext, TurnEnd } from '../schedule/lane-scheduler.ts'
import { type Claim, StoreUnavailable } from '../spool/spool.ts'
import { FIRST_BATCH, nextBatchSize } from './batch-size.ts'
import { type Batch, batchOf, giveBack } from './give-back.ts'
import { type LaneId, laneOf } from './lane.ts'
import { wishGroups } from './message-wish.ts'
import { problemOf } from './problem.ts'
import { Settler } from './settler.ts'
import { permitFor, TransactionRight } from './transaction-right.ts'
import { traverse } from './traversal.ts'
import { endingOf, handOverAtEnd, unlessEnded } from './turn-ending.ts'
import type { TurnState, TurnWorld } from './turn-state.ts'
import { PARKED_MS } from './waiting-lanes.ts'

/** While the store does not answer. */
const STORE_RETRY_MS = 5_000

export async function runTurn(id: LaneId, context: TurnContext, world: TurnWorld): Promise<TurnEnd> {
  const first = context.slot === 0
  const parkedMs = first ? world.waiting.remainingMs(id) : 0
  if (parkedMs > 0) return { kind: 'parked', retryAfterMs: parkedMs }
  const ending = endingOf(context)
  try {
    return await turnOf(id, { ...context, signal: ending.signal }, { world, stopping: context.signal })
  } finally {
    ending.forget()
  }
}

interface Around {
  readonly world: TurnWorld
  /** Of this node. The signal of the context also tells that others wait. */
  readonly stopping: AbortSignal
}

async function turnOf(id: LaneId, context: TurnContext, { world, stopping }: Around): Promise<TurnEnd> {
  const lane = laneOf(id)
  const destination = await unlessEnded(world.facts.get(lane), context.signal)
  if (destination === undefined) return { kind: 'more' }
  const wait = context.slot === 0
  const permit = await permitFor(destination, (site) => world.waiting.acquire(id, site, { wait }))
  if (permit === 'none') return { kind: 'parked', retryAfterMs: PARKED_MS }
  const settler = new Settler(world.settler)
  const state: TurnState = {
    ...{ world, id, lane, context, settler, using: new Set(), feedback: 'unused', answered: false },
    permit,
    among: world.turns.begin(id),
    right: new TransactionRight({ permit, context, onLater: (site, ms) => world.waiting.pause(id, site, ms) }),
    found: destination,
    batch: Math.min(FIRST_BATCH, world.batch),
    handOver: () => undefined,
  }
  const disarm = handOverAtEnd(state, stopping)
  try {
    return await batches(state)
  } finally {
    disarm()
    state.among.end()
    permit?.release(state.feedback)
    await settler.finished()
  }
}

async function batches(state: TurnState): Promise<TurnEnd> {
  const { world, context, settler } = state
  for (;;) {
    if (context.signal.aborted) return { kind: 'more' }
    await settler.room()
    state.among.asks()
    const claims = await claimBatch(state)
    if (claims === 'store-failed') return { kind: 'backoff', until: world.now() + STORE_RETRY_MS }
    const full = claims.length >= state.batch
    state.among.claimed(full)
    if (claims.length === 0) return { kind: 'idle' }
    world.leases.hold(claims)
    const startedAt = world.monotonic()
    const end = await deliverGroups(wishGroups(claims), state)
    if (state.answered) state.permit?.answered()
    if (end !== undefined) return end
    state.batch = nextBatchSize(state.batch, { tookMs: world.monotonic() - startedAt, max: world.batch })
    // What arrived since has woken the lane again.
    if (!full) return { kind: 'idle' }
    if (context.othersWaiting()) return { kind: 'more' }
  }
}

async function claimBatch({ world, id, batch }: TurnState): Promise<readonly Claim[] | 'store-failed'> {
  try {
    return await world.spool.claim(id, { limit: batch, leaseMs: world.leaseMs })
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error
    world.emit({ event: 'delivery-store-failed', step: 'claim', detail: error.message })
    return 'store-failed'
  }
}

/** One host may be out of reach for some of them only: the lane goes on as long as anybody answers. */
async function deliverGroups(groups: readonly (readonly Claim[])[], state: TurnState): Promise<TurnEnd | undefined> {
  const ends: (TurnEnd | undefined)[] = []
  state.answered = false
  const batches = groups.map((group) => batchOf(group, state))
  state.handOver = () => {
    for (const { pending, done } of batches) void giveBack(pending, done, state)
  }
  for (const batch of batches) ends.push(await deliverBatch(batch, state))
  if (ends.length === 1) return ends[0]
  const stopped = ends.find((end) => end?.kind === 'more' || end?.kind === 'parked')
  return stopped ?? (state.answered ? undefined : ends.find((end) => end !== undefined))
}

/** Whatever is thrown, each claim ends here: settled, or given back. */
async function deliverBatch({ pending, done }: Batch, state: TurnState): Promise<TurnEnd | undefined> {
  const { world, id } = state
  try {
    return await traverse(pending, done, state)
  } catch (error) {
    if (error instanceof StoreUnavailable) {
      world.emit({ event: 'delivery-store-failed', step: 'open', detail: error.message })
      await giveBack(pending, done, state)
      return { kind: 'backoff', until: world.now() + STORE_RETRY_MS }
    }
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
    world.emit({ event: 'delivery-defect', lane: id, detail, messages: pending.size })
    const problem = problemOf({ kind: 'internal', detail: String(error) }, { at: world.now() })
    for (const progress of [...pending]) {
      progress.conclude(problem)
      done(progress)
    }
    return { kind: 'backoff', until: world.now() + STORE_RETRY_MS }
  }
}
