/**
 * The operations that change the store, each run inside its own savepoint of a group commit. What they do to
 * leases takes effect in `whenCommitted`, because a rolled-back settle must leave its lease as it was.
 */
import type { DatabaseSync } from 'node:sqlite'
import { assertNever } from '@hermetic/policy'
import type { LaneId } from '../../delivery/lane.ts'
import type { ClaimsJournal } from '../claims-journal.ts'
import { mergeLateSettle, orderDelivery, settleDelivery } from '../message-state.ts'
import type { QueueChange, SettleOutcome } from '../spool.ts'
import type { Gone } from '../store-protocol.ts'
import { type Leases, parseToken } from './sqlite-leases.ts'
import { mendSqliteSpool } from './sqlite-mend.ts'
import type { Answer, Ask, OperationName, Request } from './sqlite-protocol.ts'
import type { DeliveryRow, Records } from './sqlite-records.ts'

const MUTATING = [
  'accept',
  'settle',
  'change',
  'void',
  'probe',
  'enter',
  'take-out',
  'mend',
  'put-hold-rule',
  'drop-hold-rule',
] as const satisfies readonly OperationName[]
const NO_ROW = -1
type MutatingName = (typeof MUTATING)[number]
export type MutatingRequest = Extract<Request, { readonly op: MutatingName }>

export function isMutating(request: Request): request is MutatingRequest {
  return (MUTATING as readonly string[]).includes(request.op)
}

/** What an operation answers once the group is committed. */
export interface Applied<K extends MutatingName = MutatingName> {
  readonly answer: Answer<K>
  readonly whenCommitted?: () => void
}

export class Mutations {
  readonly #db: DatabaseSync
  readonly #records: Records
  readonly #leases: Leases
  readonly #claims: ClaimsJournal

  constructor(
    db: DatabaseSync,
    { records, leases, claims }: { readonly records: Records; readonly leases: Leases; readonly claims: ClaimsJournal },
  ) {
    this.#db = db
    this.#records = records
    this.#leases = leases
    this.#claims = claims
  }

  apply(request: MutatingRequest, now: number): Applied {
    switch (request.op) {
      case 'accept':
        return this.#accept(request.ask)
      case 'settle':
        return this.#settle(request.ask)
      case 'change':
        return this.#change(request.ask, now)
      case 'void':
        return this.#void(request.ask, now)
      case 'probe':
        this.#records.probe(now)
        return { answer: null }
      case 'enter':
        return this.#enter(request.ask, now)
      case 'take-out':
        return this.#takeOut(request.ask)
      case 'mend':
        return { answer: mendSqliteSpool(this.#db, request.ask.fix) }
      case 'put-hold-rule':
        this.#records.putHoldRule(request.ask.id, request.ask.rule)
        return { answer: null }
      case 'drop-hold-rule':
        this.#records.dropHoldRule(request.ask.id)
        return { answer: null }
      default:
        return assertNever(request)
    }
  }

  #accept({ message }: Ask<'accept'>): Applied<'accept'> {
    if (this.#records.isVoid(message.id)) return { answer: 'void' }
    if (!this.#records.insertMessage(message)) return { answer: 'already-done' }
    return {
      answer: 'accepted',
      whenCommitted: () => {
        for (const { lane, dueAt } of message.deliveries) this.#leases.lower(lane, dueAt)
        if (message.content.kind === 'file') this.#records.fileBytes += message.size
      },
    }
  }

  #settle(ask: Ask<'settle'>): Applied<'settle'> {
    const named = parseToken(ask.token)
    const row = named === undefined ? undefined : this.#records.delivery(named.message, named.row)
    // A delivery that is gone was settled: nothing else removes one.
    if (row === undefined || row.settlements.includes(ask.settlement.id)) return settled({ kind: 'already-done' })
    const lease = this.#leases.holder(row.row)
    const holds = lease === undefined ? ask.replay && row.delivery.state === 'queued' : lease.token === ask.token
    if (holds && ask.settlement.keepClaim !== true) return this.#settleHeld(row, ask)
    return this.#settleCertain(row, ask, holds)
  }

  #settleHeld(row: DeliveryRow, ask: Ask<'settle'>): Applied<'settle'> {
    const { deliveries } = settleDelivery(row.delivery, { ...ask.settlement, enqueue: [] })
    const [kept, ...split] = deliveries
    const entered = this.#enqueue(ask)
    const gone: Gone[] = []
    if (kept.state === 'settled' && split.length === 0 && !this.#records.hasUnsettledBesides(row.message, row.row)) {
      gone.push(this.#records.removeMessage(row.message))
    } else {
      this.#records.updateDelivery(row, kept, ask.settlement.id)
      for (const delivery of split) this.#records.insertDelivery(row.message, delivery)
    }
    return {
      answer: { outcome: { kind: 'settled' }, gone },
      whenCommitted: () => {
        this.#endLease(row)
        for (const { lane, dueAt } of deliveries) this.#leases.lower(lane, dueAt)
        this.#committed(gone, entered)
      },
    }
  }

  /** An attempt goes on, by the holder or by whoever took over: only what is certain counts. */
  #settleCertain(row: DeliveryRow, ask: Ask<'settle'>, holds: boolean): Applied<'settle'> {
    const { deliveries, closed, ignored } = mergeLateSettle(row.delivery, ask.settlement)
    const [next, ...split] = deliveries
    // Notices that tell of ignored outcomes would be untrue; those that only tell of deliveries are kept.
    const entered = closed > 0 && ignored === 0 ? this.#enqueue(ask) : []
    const gone: Gone[] = []
    if (next.state === 'settled' && split.length === 0 && !this.#records.hasUnsettledBesides(row.message, row.row)) {
      gone.push(this.#records.removeMessage(row.message))
    } else {
      this.#records.updateDelivery(row, next, ask.settlement.id)
      for (const delivery of split) this.#records.insertDelivery(row.message, delivery)
    }
    return {
      answer: { outcome: holds ? { kind: 'settled' } : { kind: 'merged', closed, ignored }, gone },
      whenCommitted: () => {
        if (next.state === 'settled') this.#endLease(row)
        for (const { lane, dueAt } of split) this.#leases.lower(lane, dueAt)
        this.#committed(gone, entered)
      },
    }
  }

  #enqueue(ask: Ask<'settle'>): readonly { lane: LaneId; dueAt: number }[] {
    const entered: { lane: LaneId; dueAt: number }[] = []
    for (const message of ask.enqueue) {
      // Its id is derived from what it reports, so that a repetition finds it there.
      if (!this.#records.isVoid(message.id) && this.#records.insertMessage(message)) entered.push(...message.deliveries)
    }
    return entered
  }

  #change({ ids, action, breakLeases }: Ask<'change'>, now: number): Applied<'change'> {
    const changes: QueueChange[] = []
    const gone: Gone[] = []
    const effects: (() => void)[] = []
    for (const id of ids) {
      const rows = this.#records.deliveries(id)
      let held = false
      let done = false
      for (const row of rows) {
        if (!breakLeases && this.#leases.isHeld(row.row)) {
          held ||= row.delivery.state !== 'settled'
          continue
        }
        const next = orderDelivery(row.delivery, action, now)
        if (next === undefined) continue
        done = true
        this.#records.updateDelivery(row, next)
        effects.push(() => {
          this.#endLease(row)
          this.#leases.lower(next.lane, next.dueAt)
        })
      }
      const [any] = rows
      if (
        done &&
        action.kind === 'cancel' &&
        any !== undefined &&
        !this.#records.hasUnsettledBesides(any.message, NO_ROW)
      ) {
        gone.push(this.#records.removeMessage(any.message))
      }
      changes.push({ id, result: changeResult(rows.length > 0, done, held) })
    }
    return {
      answer: { changes, gone },
      whenCommitted: () => {
        for (const effect of effects) effect()
        this.#committed(gone, [])
      },
    }
  }

  #void({ ids }: Ask<'void'>, now: number): Applied<'void'> {
    const gone: Gone[] = []
    for (const id of ids) {
      this.#records.voidId(id, now)
      const seq = this.#records.seqOf(id)
      if (seq !== undefined) gone.push(this.#records.removeMessage({ seq, id }))
    }
    return { answer: gone, whenCommitted: () => this.#committed(gone, []) }
  }

  /** Also an id that was refused here: that it is in a file says that another spool has accepted it. */
  #enter({ messages, file, from, upTo }: Ask<'enter'>, now: number): Applied<'enter'> {
    if (this.#records.enteredUpTo(file) !== from) return { answer: 'overtaken' }
    const entered = messages.filter((message) => this.#records.insertWhole(message))
    this.#records.enterUpTo(file, upTo, now)
    return {
      answer: messages.map((message) => (entered.includes(message) ? 'entered' : 'already-there')),
      whenCommitted: () => {
        for (const { deliveries, content, size } of entered) {
          for (const { lane, dueAt } of deliveries) this.#leases.lower(lane, dueAt)
          if (content.kind === 'file') this.#records.fileBytes += size
        }
      },
    }
  }

  #takeOut({ ids }: Ask<'take-out'>): Applied<'take-out'> {
    const gone: Gone[] = []
    for (const id of ids) {
      const rows = this.#records.deliveries(id)
      const [any] = rows
      const stays = rows.some(({ row, delivery }) => delivery.state === 'queued' || this.#leases.isHeld(row))
      if (any !== undefined && !stays) gone.push(this.#records.removeMessage(any.message))
    }
    return { answer: gone, whenCommitted: () => this.#committed(gone, []) }
  }

  #endLease(row: DeliveryRow): void {
    if (this.#leases.drop(row.row) !== undefined) this.#claims.ended(row.message.id)
  }

  #committed(gone: readonly Gone[], entered: readonly { lane: LaneId; dueAt: number }[]): void {
    for (const { inFile, size } of gone) if (inFile) this.#records.fileBytes -= size
    for (const { lane, dueAt } of entered) this.#leases.lower(lane, dueAt)
  }
}

function settled(outcome: SettleOutcome): Applied<'settle'> {
  return { answer: { outcome, gone: [] } }
}

function changeResult(found: boolean, done: boolean, held: boolean): QueueChange['result'] {
  if (!found) return 'not-found'
  if (done) return 'done'
  return held ? 'in-delivery' : 'nothing-to-do'
}
