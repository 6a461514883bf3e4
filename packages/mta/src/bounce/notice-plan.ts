/**
 * What a sender is told of one settlement: with it, later, or not at all. Pure.
 *
 * A message for several next hops is told of at moments of its own, so that a hundred of them that fail make one
 * notification or two and not a hundred (decision 0017). That mail is delayed is told once for each delivery, at the
 * time that the settings name, and only if it will still be waiting then.
 */
import type { ClaimOutcomes } from '../delivery/settlement.ts'
import type { Claim, NoticeToCome } from '../spool/spool.ts'
import { type DsnDecision, decideDsn, notifiedSender } from './dsn-decision.ts'
import { NOTICE_LANE } from './notice-lane.ts'
import { type NoticeMoments, noticeMoment } from './notice-moment.ts'
import type { Reported } from './reported.ts'

export interface NoticeSettings {
  /** Since arrival; undefined: nobody is told of delays. */
  readonly delayAfterMs: number | undefined
  readonly moments: NoticeMoments
}

const HOUR_MS = 3_600_000

/** DSN-06: after four hours, once. */
export const defaultNoticeSettings: NoticeSettings = {
  delayAfterMs: 4 * HOUR_MS,
  moments: { firstMs: 15_000, gapMaxMs: 900_000 },
}

export interface NoticePlan {
  readonly now: readonly Reported[]
  readonly later: readonly NoticeToCome[]
  /** UTC milliseconds: the mark of the delivery from now on. */
  readonly delayNoticeAt?: number
  readonly untold?: DsnDecision['untold']
}

export type NoticedClaim = Pick<Claim, 'envelope' | 'recipients' | 'receivedAt' | 'expiresAt' | 'marks'>

interface Moment {
  readonly now: number
  readonly settings: NoticeSettings
}

export function planNotices(claim: NoticedClaim, decided: ClaimOutcomes, moment: Moment): NoticePlan {
  const { envelope } = claim
  const { reported, untold } = decideDsn(claim, decided.outcomes)
  const ended = reported.filter(({ action }) => action !== 'delayed')
  const gathered = envelope.lanes !== undefined && ended.length > 0
  const delay = delayNotice(claim, { reported, decided }, moment)
  const later = [
    ...(gathered ? [{ lane: NOTICE_LANE, dueAt: gatheredAt(claim, moment), recipients: indexes(ended) }] : []),
    ...(delay === undefined ? [] : [delay]),
  ]
  return {
    now: gathered ? [] : ended,
    later,
    ...(delay === undefined ? {} : { delayNoticeAt: delay.dueAt }),
    ...(untold === undefined ? {} : { untold }),
  }
}

interface Decided {
  readonly reported: readonly Reported[]
  readonly decided: ClaimOutcomes
}

/** When the delay of this delivery is worth a word; undefined when nobody is told, or was already. */
function delayMark(claim: NoticedClaim, { delayAfterMs }: NoticeSettings): number | undefined {
  if (delayAfterMs === undefined || claim.marks.delayNoticeAt !== undefined) return undefined
  const markAt = claim.receivedAt + delayAfterMs
  // What ends before then is told when it ends.
  return markAt < claim.expiresAt && notifiedSender(claim.envelope) !== undefined ? markAt : undefined
}

/** The time has come, and nobody was told: what waits on is told of with the settlement that says so. */
export function isDelayToTell(claim: NoticedClaim, { now, settings }: Moment): boolean {
  const markAt = delayMark(claim, settings)
  return markAt !== undefined && markAt <= now
}

/** Of mail that nobody tries, when its time has come: whoever wants to hear of delays is told at the next moment. */
export function overdueNotice(
  claim: NoticedClaim,
  outcomes: ClaimOutcomes['outcomes'],
  moment: Moment,
): NoticeToCome | undefined {
  if (!isDelayToTell(claim, moment) || claim.expiresAt <= moment.now) return undefined
  const recipients = indexes(decideDsn(claim, outcomes).reported.filter(({ action }) => action === 'delayed'))
  return recipients.length === 0 ? undefined : { lane: NOTICE_LANE, dueAt: gatheredAt(claim, moment), recipients }
}

/** Of those that are certain to wait beyond the time at which a delay is worth a word. */
function delayNotice(claim: NoticedClaim, { reported, decided }: Decided, moment: Moment): NoticeToCome | undefined {
  const { now, settings } = moment
  const markAt = delayMark(claim, settings)
  // Over its age, it is tried a last time at once: that end is told.
  if (markAt === undefined || claim.expiresAt <= now) return undefined
  const wanted = new Set(indexes(reported.filter(({ action }) => action === 'delayed')))
  const waiting = decided.outcomes.filter((outcome) => {
    if (!wanted.has(outcome.index) || outcome.kind === 'delivered' || outcome.kind === 'failed') return false
    // On another way it is tried at once.
    if (outcome.kind === 'deferred' && outcome.lane !== undefined) return false
    // An operator decides when it goes on, and may take long.
    return (outcome.kind === 'ambiguous' && isHeld(decided)) || outcome.dueAt > Math.max(markAt, now)
  })
  if (waiting.length === 0) return undefined
  const dueAt = markAt > now ? markAt : gatheredAt(claim, moment)
  return { lane: NOTICE_LANE, dueAt: isHeld(decided) ? now : dueAt, recipients: waiting.map(({ index }) => index) }
}

/** Nothing will happen to it by itself: its sender is told at once. */
function isHeld({ hold }: ClaimOutcomes): boolean {
  return hold !== undefined
}

function gatheredAt({ envelope, receivedAt }: NoticedClaim, { now, settings }: Moment): number {
  return envelope.lanes === undefined ? now : noticeMoment({ receivedAt, now }, settings.moments)
}

function indexes(reported: readonly Reported[]): readonly number[] {
  return reported.map(({ recipient }) => recipient.index)
}
