/**
 * What an outcome, a late outcome or an operator's order does to a recipient and to a delivery: the transition
 * tables of the spool. Pure; storage is in `adapters/`, retry times and notices are decided by others.
 *
 * Recipients: open → delivered | failed | cancelled, and never back. Deliveries: queued, held, quarantined,
 * settled; being in delivery is a lease in memory, not a state, so that no crash can leave it behind. A delivery whose
 * recipients are to be reported waits like any other, keeps its message, and is settled by a settlement without outcomes.
 */
import { NOTICE_LANE } from '../bounce/notice-lane.ts'
import type { LaneId } from '../delivery/lane.ts'
import type { DeliveryProblem, RecipientOutcome } from '../delivery/outcome.ts'
import { problemOf } from '../delivery/problem.ts'
import type { Recipient } from '../smtp/envelope.ts'
import type {
  ChosenWay,
  NoticeToCome,
  OpenRecipient,
  QueueAction,
  RecipientState,
  RecipientToReport,
  Settlement,
} from './spool.ts'

export type DeliveryState = 'queued' | 'held' | 'quarantined' | 'settled'

/** One recipient as the spool keeps it. */
export interface SpooledRecipient extends Recipient, ChosenWay {
  readonly state: RecipientState
  readonly ambiguousCount: number
  readonly lastOutcome?: RecipientOutcome
}

/** One delivery as the spool keeps it, without the name of its message. */
export interface SpooledDelivery {
  readonly lane: LaneId
  readonly state: DeliveryState
  readonly reason?: string
  /** The rule that holds it; absent: an operator does, or the relay itself. */
  readonly rule?: string
  /** UTC milliseconds. */
  readonly dueAt: number
  readonly attempts: number
  readonly delayNoticeAt?: number
  readonly recipients: readonly SpooledRecipient[]
}

/** Who settles: the holder of the lease, or one whose lease was taken over (architecture §3: merged, not dropped). */
export type Settler = 'holder' | 'late'

type OutcomeKind = RecipientOutcome['kind']

const TERMINAL = { delivered: 'same', deferred: 'same', failed: 'same', ambiguous: 'same' } as const

/** The state of a recipient after an outcome; `same` leaves it and counts the outcome as ignored. */
export const RECIPIENT_TRANSITIONS = {
  holder: {
    open: { delivered: 'delivered', deferred: 'open', failed: 'failed', ambiguous: 'open' },
    delivered: TERMINAL,
    failed: TERMINAL,
    cancelled: TERMINAL,
    'to-report': TERMINAL,
  },
  // A late `failed` must not bounce what the new holder is delivering; a late `delivered` is a fact either way.
  late: {
    open: { delivered: 'delivered', deferred: 'same', failed: 'same', ambiguous: 'same' },
    delivered: TERMINAL,
    failed: TERMINAL,
    cancelled: TERMINAL,
    'to-report': TERMINAL,
  },
} as const satisfies Record<Settler, Record<RecipientState, Record<OutcomeKind, RecipientState | 'same'>>>

/** The state of a delivery after an operator's order; `same` is "nothing to do". */
export const DELIVERY_TRANSITIONS = {
  queued: {
    retry: 'queued',
    hold: 'held',
    release: 'same',
    cancel: 'settled',
    quarantine: 'quarantined',
    reroute: 'queued',
  },
  held: {
    retry: 'same',
    hold: 'same',
    release: 'queued',
    cancel: 'settled',
    quarantine: 'quarantined',
    reroute: 'held',
  },
  quarantined: {
    retry: 'same',
    hold: 'same',
    release: 'queued',
    cancel: 'settled',
    quarantine: 'same',
    reroute: 'quarantined',
  },
  settled: { retry: 'same', hold: 'same', release: 'same', cancel: 'same', quarantine: 'same', reroute: 'same' },
} as const satisfies Record<DeliveryState, Record<QueueAction['kind'], DeliveryState | 'same'>>

export interface SettledDelivery {
  /** The first replaces the delivery; more follow when its open recipients no longer wait for the same thing. */
  readonly deliveries: readonly [SpooledDelivery, ...SpooledDelivery[]]
  /** Recipients that this settlement closed. */
  readonly closed: number
  /** Outcomes without effect: recipients no longer open, or said too late. */
  readonly ignored: number
}

/** What the outcomes of one attempt make of its delivery. */
export function settleDelivery(delivery: SpooledDelivery, settlement: Settlement): SettledDelivery {
  if (isNotice(delivery)) return settleNotice(delivery, settlement)
  if (settlement.heldByRules !== undefined) return holdByRules(delivery, settlement.heldByRules)
  const { recipients, closed, ignored } = applyOutcomes(delivery.recipients, settlement.outcomes, 'holder')
  const toReport = noticesOf(recipients, settlement.notices)
  const tried = settlement.outcomes.length > 0 && settlement.untried === undefined
  const attempts = delivery.attempts + (tried ? 1 : 0)
  const delayNoticeAt = settlement.marks.delayNoticeAt ?? delivery.delayNoticeAt
  const base = { attempts, ...(delayNoticeAt === undefined ? {} : { delayNoticeAt }) }

  const done = recipients.filter((recipient) => recipient.state !== 'open')
  const [first, ...rest] = waitingGroups(delivery, recipients, settlement)
  if (first === undefined) {
    const { lane, dueAt } = delivery
    return { deliveries: [{ ...base, lane, dueAt, state: 'settled', recipients: done }, ...toReport], closed, ignored }
  }
  const kept: SpooledDelivery = { ...base, ...first, recipients: [...done, ...first.recipients].sort(byIndex) }
  return { deliveries: [kept, ...rest.map((group) => ({ ...base, ...group })), ...toReport], closed, ignored }
}

/** Nothing was tried: each rule's recipients become a delivery of their own, and whoever no rule means waits on. */
function holdByRules(delivery: SpooledDelivery, rules: NonNullable<Settlement['heldByRules']>): SettledDelivery {
  const ruleOf = new Map(rules.flatMap((held) => held.recipients.map((index) => [index, held] as const)))
  const open = delivery.recipients.filter(({ state }) => state === 'open')
  const groups = Map.groupBy(open, ({ index }) => ruleOf.get(index))
  const deliveries = [...groups].map(([held, recipients]): SpooledDelivery => {
    if (held === undefined) return { ...delivery, recipients }
    return { ...delivery, state: 'held', reason: held.reason, rule: held.rule, recipients }
  })
  const [first = delivery, ...split] = deliveries
  const done = delivery.recipients.filter(({ state }) => state !== 'open')
  const kept = {
    ...first,
    recipients: [...done, ...first.recipients.filter(({ state }) => state === 'open')].sort(byIndex),
  }
  return { deliveries: [kept, ...split], closed: 0, ignored: 0 }
}

function isNotice({ recipients }: SpooledDelivery): boolean {
  return recipients.some(({ state }) => state === 'to-report')
}

/** The sender is told, or the notice could not be made. */
function settleNotice(delivery: SpooledDelivery, { quarantine }: Settlement): SettledDelivery {
  const next = stateAfter(undefined, quarantine)
  const settled = quarantine === undefined ? ({ state: 'settled' } as const) : next
  return { deliveries: [{ ...delivery, ...settled }], closed: 0, ignored: 0 }
}

/** Copies of the recipients as they are after the outcomes. */
function noticesOf(
  recipients: readonly SpooledRecipient[],
  notices: readonly NoticeToCome[] = [],
): readonly SpooledDelivery[] {
  return notices.map(({ lane, dueAt, recipients: indexes }) => ({
    lane,
    dueAt,
    state: 'queued',
    attempts: 0,
    recipients: recipients
      .filter(({ index, lastOutcome }) => lastOutcome !== undefined && indexes.includes(index))
      .map((recipient) => ({ ...recipient, state: 'to-report' })),
  }))
}

/** What outcomes said after the lease was taken over change: only `delivered` counts. */
export function mergeLateSettle(
  delivery: SpooledDelivery,
  { outcomes, notices }: Pick<Settlement, 'outcomes' | 'notices'>,
): SettledDelivery {
  // Whoever has taken over tells.
  if (isNotice(delivery)) return { deliveries: [delivery], closed: 0, ignored: outcomes.length }
  const { recipients, closed, ignored } = applyOutcomes(delivery.recipients, outcomes, 'late')
  const state = recipients.some((recipient) => recipient.state === 'open') ? delivery.state : 'settled'
  // Notices that tell of ignored outcomes would be untrue; those that only tell of deliveries are kept.
  const toReport = closed > 0 && ignored === 0 ? noticesOf(recipients, notices) : []
  return { deliveries: [{ ...delivery, state, recipients }, ...toReport], closed, ignored }
}

/** The delivery after an operator's order; undefined when there is nothing to do. */
export function orderDelivery(
  delivery: SpooledDelivery,
  action: QueueAction,
  now: number,
): SpooledDelivery | undefined {
  const state: DeliveryState | 'same' = DELIVERY_TRANSITIONS[delivery.state][action.kind]
  if (isTakenOver(delivery, action)) return held(delivery, action)
  if (action.kind === 'reroute') return state === 'same' ? undefined : rerouted(delivery, action, now)
  if (state === 'same' || isUnmoved(delivery, action) || !isReleasedBy(delivery, action)) return undefined
  const { reason: _, rule: __, ...rest } = delivery
  switch (state) {
    case 'queued':
      return { ...rest, state, dueAt: Math.min(now, delivery.state === 'queued' ? delivery.dueAt : now) }
    case 'settled':
      if (action.kind === 'cancel' && action.notify === true && hasOpen(delivery)) return returned(delivery, now)
      return { ...rest, state, recipients: delivery.recipients.map(cancelled) }
    case 'held':
    case 'quarantined':
      return { ...rest, state, ...('reason' in action ? { reason: action.reason } : {}) }
  }
}

/** An operator who holds what a rule holds wants it to stay when the rule ends. */
function isTakenOver(
  { rule }: SpooledDelivery,
  action: QueueAction,
): action is QueueAction & { readonly kind: 'hold' } {
  return rule !== undefined && action.kind === 'hold'
}

function held({ rule: _, ...delivery }: SpooledDelivery, { reason }: { readonly reason: string }): SpooledDelivery {
  return { ...delivery, reason }
}

/** Undefined: it is in none of these lanes, or tells a sender something, or is there already. */
function rerouted(
  delivery: SpooledDelivery,
  { lanes, via }: QueueAction & { readonly kind: 'reroute' },
  now: number,
): SpooledDelivery | undefined {
  const lane = Object.hasOwn(lanes, delivery.lane) ? lanes[delivery.lane] : undefined
  if (lane === undefined || isNotice(delivery) || !hasOpen(delivery)) return undefined
  const recipients = via === undefined ? delivery.recipients : delivery.recipients.map((one) => sentVia(one, via))
  return {
    ...delivery,
    lane,
    recipients,
    dueAt: delivery.state === 'queued' ? Math.min(now, delivery.dueAt) : delivery.dueAt,
  }
}

function sentVia(recipient: SpooledRecipient, way: LaneId | 'usual'): SpooledRecipient {
  if (recipient.state !== 'open') return recipient
  const { via: _, ...rest } = recipient
  return way === 'usual' ? rest : { ...rest, via: way }
}

/** What a rule holds is released with it, and what an operator holds never is. */
function isReleasedBy({ rule }: SpooledDelivery, action: QueueAction): boolean {
  return action.kind !== 'release' || action.rule === rule
}

/**
 * That mail has failed or was passed on stays to be told, also of a message that is held or taken back. That it is
 * delayed is of no interest then, and not told because it is tried once more.
 */
function isUnmoved({ state, recipients }: SpooledDelivery, action: QueueAction): boolean {
  if (action.kind === 'hold' && action.withNotices === true) return false
  const { kind } = action
  const told = recipients.filter((one) => one.state === 'to-report')
  if (state !== 'queued' || told.length === 0) return false
  if (told.every(isWaiting)) return kind === 'retry'
  return kind === 'hold' || kind === 'cancel'
}

function isWaiting({ lastOutcome }: SpooledRecipient): boolean {
  return lastOutcome?.kind === 'deferred' || lastOutcome?.kind === 'ambiguous'
}

/** What a sender is to be told of. */
export function toReport(recipients: readonly SpooledRecipient[]): readonly RecipientToReport[] {
  return recipients.flatMap(({ state, lastOutcome, ambiguousCount: _, via: __, ...recipient }) =>
    state === 'to-report' && lastOutcome !== undefined ? [{ ...recipient, lastOutcome }] : [],
  )
}

/** A recipient as the delivery side sees it. */
export function openRecipient(recipient: SpooledRecipient): OpenRecipient {
  const { state: _, lastOutcome, ...rest } = recipient
  const lastProblem = lastOutcome === undefined ? undefined : problemIn(lastOutcome)
  return { ...rest, ...(lastProblem === undefined ? {} : { lastProblem }) }
}

interface Waiting {
  readonly lane: LaneId
  readonly state: DeliveryState
  readonly reason?: string
  readonly dueAt: number
  readonly recipients: readonly SpooledRecipient[]
}

/**
 * Open recipients by what they wait for. Deferred recipients of one lane share the earliest of their times, so
 * that they can share a transaction again; ambiguous ones stand apart, because they must not be tried early.
 */
function waitingGroups(
  delivery: SpooledDelivery,
  recipients: readonly SpooledRecipient[],
  settlement: Settlement,
): readonly Waiting[] {
  const outcomes = new Map(settlement.outcomes.map((outcome) => [outcome.index, outcome]))
  const ambiguous = settlement.outcomes.some((outcome) => outcome.kind === 'ambiguous')
  const groups = new Map<string, Waiting>()
  for (const recipient of recipients) {
    if (recipient.state !== 'open') continue
    const outcome = outcomes.get(recipient.index)
    const { lane, dueAt } =
      settlement.untried === undefined ? nextTime(delivery, outcome) : { ...delivery, ...settlement.untried }
    const kind = outcome?.kind ?? 'untouched'
    const key = `${kind} ${lane}`
    const group = groups.get(key)
    // A hold after an ambiguous end concerns the ambiguous recipients; the deferred ones go on.
    const hold = ambiguous && kind !== 'ambiguous' ? undefined : settlement.hold
    groups.set(key, {
      lane,
      ...stateAfter(hold, settlement.quarantine),
      dueAt: Math.min(dueAt, group?.dueAt ?? dueAt),
      recipients: [...(group?.recipients ?? []), recipient],
    })
  }
  return [...groups.values()]
}

function nextTime(delivery: SpooledDelivery, outcome: RecipientOutcome | undefined): { lane: LaneId; dueAt: number } {
  switch (outcome?.kind) {
    case 'deferred':
      return { lane: outcome.lane ?? delivery.lane, dueAt: outcome.dueAt }
    case 'ambiguous':
      return { lane: delivery.lane, dueAt: outcome.dueAt }
    default:
      return { lane: delivery.lane, dueAt: delivery.dueAt }
  }
}

function stateAfter(hold: string | undefined, quarantine: string | undefined): Pick<Waiting, 'state' | 'reason'> {
  if (quarantine !== undefined) return { state: 'quarantined', reason: quarantine }
  return hold === undefined ? { state: 'queued' } : { state: 'held', reason: hold }
}

function applyOutcomes(
  recipients: readonly SpooledRecipient[],
  outcomes: readonly RecipientOutcome[],
  settler: Settler,
): { recipients: readonly SpooledRecipient[]; closed: number; ignored: number } {
  const next = new Map(recipients.map((recipient) => [recipient.index, recipient]))
  let closed = 0
  let ignored = 0
  for (const outcome of outcomes) {
    const recipient = next.get(outcome.index)
    const state: RecipientState | 'same' =
      recipient === undefined ? 'same' : RECIPIENT_TRANSITIONS[settler][recipient.state][outcome.kind]
    if (recipient === undefined || state === 'same') {
      ignored += 1
      continue
    }
    if (state !== 'open') closed += 1
    const ambiguousCount = recipient.ambiguousCount + (outcome.kind === 'ambiguous' ? 1 : 0)
    next.set(outcome.index, { ...recipient, state, ambiguousCount, lastOutcome: outcome })
  }
  return { recipients: [...next.values()], closed, ignored }
}

function hasOpen({ recipients }: SpooledDelivery): boolean {
  return recipients.some(({ state }) => state === 'open')
}

/** Of a message that is taken back nothing is left but what its sender is to be told. */
function returned({ recipients }: SpooledDelivery, now: number): SpooledDelivery {
  const problem = problemOf({ kind: 'cancelled' }, { at: now })
  return {
    lane: NOTICE_LANE,
    state: 'queued',
    dueAt: now,
    attempts: 0,
    recipients: recipients.map((recipient) =>
      recipient.state === 'open'
        ? { ...recipient, state: 'to-report', lastOutcome: { kind: 'failed', index: recipient.index, problem } }
        : recipient,
    ),
  }
}

function cancelled(recipient: SpooledRecipient): SpooledRecipient {
  return recipient.state === 'open' ? { ...recipient, state: 'cancelled' } : recipient
}

function problemIn(outcome: RecipientOutcome): DeliveryProblem | undefined {
  return outcome.kind === 'delivered' ? undefined : outcome.problem
}

function byIndex(a: Recipient, b: Recipient): number {
  return a.index - b.index
}
