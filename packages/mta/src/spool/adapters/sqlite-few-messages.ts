/**
 * Messages that an index leads to when a filter of the queue names what few have: a lane, a domain, a state, a rule, a sender, a tag. With more
 * of them the walk over the queue soon meets a page of matches; with few it would look at everything for one.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { QueueFilter } from '../spool.ts'
import { QUEUED, seqOfRow, stateCode } from './sqlite-records.ts'

/** Looked up and put in order at once: some ten milliseconds. */
const FEW = 5000

export class FewMessages {
  readonly #stopped: StatementSync
  readonly #ofState: StatementSync
  readonly #lanesOfDomain: StatementSync
  readonly #inLane: StatementSync
  readonly #ofSender: StatementSync
  readonly #ofTag: StatementSync
  readonly #ofRule: StatementSync

  constructor(db: DatabaseSync) {
    const stopped = 'SELECT row FROM delivery INDEXED BY delivery_stopped WHERE state IN (1, 2)'
    this.#stopped = db.prepare(`${stopped} LIMIT ${FEW + 1}`)
    this.#ofState = db.prepare(`${stopped} AND state = ? LIMIT ${FEW + 1}`)
    // Lanes of other domains are no use, but where mail goes by a route, and what senders are told, is of any domain.
    this.#lanesOfDomain = db.prepare(
      `SELECT id FROM lane WHERE instr(id, ?) > 0 OR substr(id, 1, 3) <> 'mx:' LIMIT ${FEW + 1}`,
    )
    this.#inLane = db.prepare(
      `SELECT row FROM delivery INDEXED BY delivery_due WHERE state = ${QUEUED} AND lane = ? LIMIT ?`,
    )
    this.#ofSender = db.prepare(`SELECT seq FROM message INDEXED BY message_sender WHERE sender = ? LIMIT ${FEW + 1}`)
    this.#ofTag = db.prepare(`
      SELECT seq FROM message INDEXED BY message_tag
      WHERE envelope ->> '$.tag' = ? AND envelope ->> '$.tag' IS NOT NULL LIMIT ${FEW + 1}`)
    this.#ofRule = db.prepare(`${stopped} AND state = ${stateCode('held')} AND rule = ? LIMIT ${FEW + 1}`)
  }

  /** Numbers of all messages that may match, or undefined: too many. */
  of(filter: QueueFilter): readonly number[] | undefined {
    const { sender, tag } = filter
    return this.#named(this.#ofSender, sender) ?? this.#named(this.#ofTag, tag) ?? this.#byDelivery(filter)
  }

  #named(index: StatementSync, value: string | undefined): readonly number[] | undefined {
    if (value === undefined) return undefined
    const rows = index.all(value) as unknown as readonly { seq: number }[]
    return rows.length > FEW ? undefined : rows.map(({ seq }) => seq)
  }

  #byDelivery({ state, lane, domain, rule }: QueueFilter): readonly number[] | undefined {
    if (rule !== undefined) return messagesOf(this.#ofRule.all(rule))
    if (state === 'held' || state === 'quarantined') return messagesOf(this.#ofState.all(stateCode(state)))
    if (lane === undefined && domain === undefined) return undefined
    const rows = state === 'queued' ? [] : this.#stopped.all()
    const lanes = lane === undefined ? this.#lanes(domain ?? '') : [lane]
    if (lanes.length > FEW) return undefined
    for (const one of lanes) {
      if (rows.length > FEW) return undefined
      rows.push(...this.#inLane.all(one, FEW + 1 - rows.length))
    }
    return messagesOf(rows)
  }

  #lanes(domain: string): readonly string[] {
    const rows = this.#lanesOfDomain.all(`:${domain.toLowerCase()}:`) as unknown as readonly { id: string }[]
    return rows.map(({ id }) => id)
  }
}

function messagesOf(rows: readonly unknown[]): readonly number[] | undefined {
  if (rows.length > FEW) return undefined
  return [...new Set(rows.map((row) => seqOfRow((row as { row: number }).row)))]
}
