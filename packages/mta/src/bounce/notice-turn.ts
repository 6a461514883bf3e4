/**
 * One turn of the lane of notices: what is due of one message is told in one notification, whichever lanes it came from
 * (decision 0017). It is committed with the first of the deliveries that it tells of, so that a crash in between tells of
 * the others once more, and never of none.
 */
import { invariant } from '@hermetic/policy'
import type { DeliveryEvent } from '../delivery/events.ts'
import type { LaneId } from '../delivery/lane.ts'
import type { LeaseKeeper } from '../delivery/lease-keeper.ts'
import type { TurnContext, TurnEnd } from '../schedule/lane-scheduler.ts'
import { type Claim, type QueueEntry, type RecipientToReport, type Spool, StoreUnavailable } from '../spool/spool.ts'
import type { BounceEvent } from './events.ts'
import { NOTICE_LANE } from './notice-lane.ts'
import { type Notification, type NotifierOptions, notificationOf } from './notifier.ts'
import { isWanted, type Reported, reportOf } from './reported.ts'

export interface NoticeWorld {
  readonly spool: Pick<Spool, 'claim' | 'settle' | 'release'>
  /** The message as it is now; what is delayed may have arrived. */
  readonly show: Spool['admin']['show']
  readonly leases: Pick<LeaseKeeper, 'hold' | 'drop'>
  readonly notifier: NotifierOptions
  readonly leaseMs: number
  /** UTC milliseconds. */
  readonly now: () => number
  readonly wake: (lane: LaneId) => void
  readonly emit: (event: DeliveryEvent | BounceEvent) => void
}

/** More than one message has lanes, as a rule; a message that has more is told of in two notifications. */
const CLAIMS = 500
/** While the store does not answer. */
const STORE_RETRY_MS = 5_000

export async function runNoticeTurn(context: TurnContext, world: NoticeWorld): Promise<TurnEnd> {
  while (!context.signal.aborted) {
    const claims = await claimBatch(world)
    if (claims === 'store-failed') return { kind: 'backoff', until: world.now() + STORE_RETRY_MS }
    world.leases.hold(claims)
    const full = claims.length >= CLAIMS
    const ended = await tellAll(groups(claims), { world, context, full })
    if (ended === 'store-failed') return { kind: 'backoff', until: world.now() + STORE_RETRY_MS }
    if (!full) return { kind: 'idle' }
    if (context.othersWaiting()) return { kind: 'more' }
  }
  return { kind: 'more' }
}

async function claimBatch({ spool, leaseMs, emit }: NoticeWorld): Promise<readonly Claim[] | 'store-failed'> {
  try {
    return await spool.claim(NOTICE_LANE, { limit: CLAIMS, leaseMs })
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error
    emit({ event: 'delivery-store-failed', step: 'claim', detail: error.message })
    return 'store-failed'
  }
}

type Group = readonly [Claim, ...Claim[]]

/** By message; in the order in which they were due, so the last may be cut off by the end of the batch. */
function groups(claims: readonly Claim[]): readonly Group[] {
  return [...Map.groupBy(claims, ({ id }) => id).values()].map(([first, ...more]) => {
    invariant(first !== undefined, 'a group has a member')
    return [first, ...more]
  })
}

interface Batch {
  readonly world: NoticeWorld
  readonly context: TurnContext
  /** There may be more of the last message. */
  readonly full: boolean
}

async function tellAll(all: readonly Group[], { world, context, full }: Batch): Promise<'done' | 'store-failed'> {
  const whole = full && all.length > 1 ? all.slice(0, -1) : all
  const later = all.slice(whole.length)
  let told = 0
  try {
    for (const group of whole) {
      if (context.signal.aborted) break
      await tell(group, world)
      told += 1
      context.progressed()
    }
    return 'done'
  } catch (error) {
    world.emit({ event: 'delivery-store-failed', step: 'open', detail: String(error) })
    return 'store-failed'
  } finally {
    await giveBack([...whole.slice(told), ...later].flat(), world)
  }
}

async function tell(group: Group, world: NoticeWorld): Promise<void> {
  const [carrier, ...others] = group
  const notification = await composed(group, world)
  if (notification === 'defect') return setAside(group, world)
  const settled = await settle(carrier, world, notification)
  for (const claim of others) await settle(claim, world, undefined)
  if (notification === undefined || settled === 'merged') return
  world.emit(notification.event)
  for (const { lane } of notification.message.deliveries) world.wake(lane)
}

async function composed(group: Group, world: NoticeWorld): Promise<Notification | undefined | 'defect'> {
  const [original] = group
  const waiting = group.flatMap(({ toReport = [] }) => toReport)
  const entry = waiting.some(({ lastOutcome }) => isDelay(lastOutcome)) ? await world.show(original.id) : undefined
  try {
    const reported = waiting.flatMap((one) => stillTrue(one, entry))
    return await notificationOf(
      { original, reported, settlementId: settlementId(original), gathered: true },
      world.notifier,
    )
  } catch (error) {
    if (error instanceof StoreUnavailable) throw error
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
    world.emit({ event: 'delivery-defect', lane: NOTICE_LANE, detail, messages: 1 })
    return 'defect'
  }
}

/** What has failed or was passed on stays so; whoever has the mail by now, or was told that it failed, is not told that it waits. */
function stillTrue(
  { lastOutcome, ...recipient }: RecipientToReport,
  entry: QueueEntry | undefined,
): readonly Reported[] {
  const outcome = isDelay(lastOutcome) ? presentDelay(recipient.index, entry) : lastOutcome
  const report = outcome === undefined ? undefined : reportOf(recipient, outcome)
  return report !== undefined && isWanted(report) ? [report] : []
}

function presentDelay(index: number, entry: QueueEntry | undefined): RecipientToReport['lastOutcome'] | undefined {
  const found = entry?.deliveries
    .flatMap(({ recipients }) => recipients)
    .find((one) => one.index === index && one.state === 'open')
  return found?.lastOutcome !== undefined && isDelay(found.lastOutcome) ? found.lastOutcome : undefined
}

function isDelay({ kind }: RecipientToReport['lastOutcome']): boolean {
  return kind === 'deferred' || kind === 'ambiguous'
}

async function settle(
  claim: Claim,
  { spool, leases, emit }: NoticeWorld,
  notification: Notification | undefined,
): Promise<'settled' | 'merged'> {
  const enqueue = notification === undefined ? [] : [notification.message]
  const settlement = { id: settlementId(claim), outcomes: [], enqueue, marks: claim.marks }
  const result = await spool.settle(claim.token, settlement)
  leases.drop(claim.token)
  if (result.kind === 'settled') return 'settled'
  const detail = 'detail' in result ? result.detail : ''
  emit({ event: 'settle-unusual', id: claim.id, lane: NOTICE_LANE, outcome: result.kind, detail })
  return result.kind === 'merged' ? 'merged' : 'settled'
}

/** A defect of ours: an operator looks at it; the same message would fail again and again. */
async function setAside(group: Group, { spool, leases }: NoticeWorld): Promise<void> {
  for (const claim of group) {
    const quarantine = 'the notification could not be made'
    await spool.settle(claim.token, {
      id: settlementId(claim),
      outcomes: [],
      enqueue: [],
      marks: claim.marks,
      quarantine,
    })
    leases.drop(claim.token)
  }
}

async function giveBack(claims: readonly Claim[], { spool, leases, emit }: NoticeWorld): Promise<void> {
  const tokens = claims.map(({ token }) => token)
  if (tokens.length === 0) return
  try {
    await spool.release(tokens)
  } catch (error) {
    emit({ event: 'delivery-store-failed', step: 'release', detail: String(error) })
  }
  for (const token of tokens) leases.drop(token)
}

function settlementId({ token }: Claim): string {
  return `${token}/told`
}
