/**
 * The rows of `spool.db` and the statements on them, each prepared once. Knows columns, not rules: what an
 * outcome does is `message-state.ts`.
 */
import { hash } from 'node:crypto'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { invariant } from '@hermetic/policy'
import type { LaneId } from '../../delivery/lane.ts'
import { classInEnvelope, MAIL_CLASSES } from '../mail-class.ts'
import type { DeliveryState, SpooledDelivery, SpooledRecipient } from '../message-state.ts'
import type { QueueId } from '../queue-id.ts'
import { domainsOf } from '../store-message.ts'
import type { Gone, MessageRecord, NewDeliveryRecord, ReadReply, WholeRecord } from '../store-protocol.ts'

const STATES: readonly DeliveryState[] = ['queued', 'held', 'quarantined', 'settled']
export const QUEUED = 0
export const SETTLED = 3
/** Deliveries of one message stand next to each other: row = seq × 65536 + place. */
export const ROWS_PER_MESSAGE = 65_536
/** A repetition follows its original closely; the ids of older attempts cannot come any more. */
const SETTLEMENT_IDS_MAX = 32
/** Queue files remembered, so that repeating an old one doubles nothing. */
const ENTERED_FILES_MAX = 1000
const VOID_KEPT_MS = 7 * 24 * 60 * 60 * 1000

/** The message that a delivery belongs to. */
export interface MessageKey {
  readonly seq: number
  readonly id: QueueId
}

export interface DeliveryRow {
  readonly row: number
  readonly message: MessageKey
  readonly delivery: SpooledDelivery
  readonly settlements: readonly string[]
}

interface StoredDelivery {
  readonly row: number
  readonly id: QueueId
  readonly lane: LaneId
  readonly state: number
  readonly reason: string | null
  readonly rule: string | null
  readonly due_at: number
  readonly attempts: number
  readonly delay_notice_at: number | null
  readonly recipients: string
  readonly settlements: string
}

export class Records {
  readonly #db: DatabaseSync
  readonly #statements: ReturnType<typeof prepare>
  #nextSeq: number
  /** Bytes in content files, which the store's own pages do not show. */
  fileBytes: number

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#statements = prepare(db)
    this.#nextSeq = numberOf(db, 'SELECT coalesce(max(seq), 0) + 1 FROM message')
    this.fileBytes = numberOf(db, 'SELECT coalesce(sum(size), 0) FROM message WHERE in_file = 1')
  }

  begin(): void {
    this.#statements.begin.run()
  }

  commit(): void {
    this.#statements.commit.run()
  }

  rollback(): void {
    if (this.#db.isTransaction) this.#statements.rollback.run()
  }

  /** One operation of a group commit: undone alone when it fails. */
  savepoint<T>(operation: () => T): T {
    this.#statements.savepoint.run()
    try {
      const result = operation()
      this.#statements.releaseSavepoint.run()
      return result
    } catch (error) {
      // SQLite ends the whole transaction by itself on some errors; then there is no savepoint to return to.
      if (this.#db.isTransaction) {
        this.#statements.rollbackSavepoint.run()
        this.#statements.releaseSavepoint.run()
      }
      throw error
    }
  }

  /** False when the id is there already. */
  insertMessage(message: MessageRecord): boolean {
    const ofClass = classNumber(message)
    return this.#insert(message, (row, delivery) => this.#insertNew(row, delivery, { ...message, ofClass }))
  }

  /** A message that another spool kept, as it was there; false when the id is there already. */
  insertWhole(message: WholeRecord): boolean {
    const ofClass = classNumber(message)
    return this.#insert(message, (row, delivery) => {
      const { receivedAt, expiresAt } = message
      this.#statements.insertKept.run(row, ...columnsOf(delivery), receivedAt, expiresAt, ofClass)
      if (delivery.state === 'queued') this.lowerLane(delivery.lane, delivery.dueAt)
    })
  }

  #insert<D>(
    message: Omit<MessageRecord, 'deliveries'> & { readonly deliveries: readonly D[] },
    insertDelivery: (row: number, delivery: D) => void,
  ): boolean {
    invariant(message.deliveries.length < ROWS_PER_MESSAGE, 'a message has room for its deliveries')
    const { content } = message
    const inline = content.kind === 'inline'
    const seq = this.#nextSeq
    const { changes } = this.#statements.insertMessage.run(
      seq,
      message.id,
      message.envelope,
      message.sender,
      message.messageIdHeader ?? null,
      message.receivedAt,
      message.expiresAt,
      message.size,
      inline ? hash('sha256', content.bytes, 'buffer') : content.sha256,
      inline ? 0 : 1,
      inline ? content.bytes : null,
    )
    if (changes === 0) return false
    this.#nextSeq += 1
    for (const [n, delivery] of message.deliveries.entries()) insertDelivery(seq * ROWS_PER_MESSAGE + n, delivery)
    return true
  }

  hasMessage(id: QueueId): boolean {
    return this.seqOf(id) !== undefined
  }

  seqOf(id: QueueId): number | undefined {
    return (this.#statements.seqOf.get(id) as { seq: number } | undefined)?.seq
  }

  /** Removes the message with everything that belongs to it, except a content file. */
  removeMessage({ seq, id }: MessageKey): Gone {
    const row = this.#statements.sizeOf.get(seq) as { in_file: number; size: number } | undefined
    invariant(row !== undefined, `message ${id} is there to be removed`)
    this.#statements.removeMessage.run(seq)
    this.#statements.removeDeliveries.run(...rowsOf(seq))
    return { id, inFile: row.in_file === 1, size: row.size }
  }

  readContent(id: QueueId): ReadReply {
    const row = this.#statements.readContent.get(id) as
      | { in_file: number; size: number; sha256: Uint8Array; content: Uint8Array | null }
      | undefined
    if (row === undefined) return { kind: 'missing' }
    if (row.in_file === 1) return { kind: 'file', size: row.size, sha256: row.sha256 }
    if (row.content === null || !hash('sha256', row.content, 'buffer').equals(row.sha256)) return { kind: 'damaged' }
    return { kind: 'inline', bytes: row.content }
  }

  /** Undefined as well when the row belongs to another message by now. */
  delivery(message: QueueId, row: number): DeliveryRow | undefined {
    const stored = this.#statements.delivery.get(row) as StoredDelivery | undefined
    return stored === undefined || stored.id !== message ? undefined : deliveryRow(stored)
  }

  deliveries(message: QueueId): readonly DeliveryRow[] {
    const seq = this.seqOf(message)
    if (seq === undefined) return []
    return (this.#statements.deliveries.all(...rowsOf(seq)) as unknown as StoredDelivery[]).map(deliveryRow)
  }

  updateDelivery({ row, settlements }: DeliveryRow, next: SpooledDelivery, settlement?: string): void {
    const ids = settlement === undefined ? settlements : [...settlements, settlement]
    const remembered = JSON.stringify(ids.slice(-SETTLEMENT_IDS_MAX))
    this.#statements.updateDelivery.run(...columnsOf(next), remembered, row)
    if (next.state === 'queued') this.lowerLane(next.lane, next.dueAt)
  }

  /** A delivery that split off another of the same message. */
  insertDelivery({ seq }: MessageKey, next: SpooledDelivery): void {
    const [first, last] = rowsOf(seq)
    this.#statements.insertSplit.run(first, last, ...columnsOf(next), seq, seq, first, last)
    if (next.state === 'queued') this.lowerLane(next.lane, next.dueAt)
  }

  /** Whether a delivery other than this one still waits for something. */
  hasUnsettledBesides({ seq }: MessageKey, row: number): boolean {
    return this.#statements.unsettledBesides.get(...rowsOf(seq), row) !== undefined
  }

  lowerLane(lane: LaneId, dueAt: number): void {
    this.#statements.lowerLane.run(lane, dueAt)
  }

  isVoid(id: QueueId): boolean {
    return this.#statements.isVoid.get(id) !== undefined
  }

  /** A refused id never comes again by design; after a week it is forgotten. */
  voidId(id: QueueId, now: number): void {
    this.#statements.forgetVoid.run(now - VOID_KEPT_MS)
    this.#statements.voidId.run(id, now)
  }

  /** The last `upTo` of a queue file; 0: none. */
  enteredUpTo(file: string): number {
    return (this.#statements.enteredUpTo.get(file) as { up_to: number } | undefined)?.up_to ?? 0
  }

  enterUpTo(file: string, upTo: number, now: number): void {
    this.#statements.enterUpTo.run(file, upTo, now)
    this.#statements.forgetEntered.run(ENTERED_FILES_MAX)
  }

  probe(now: number): void {
    this.#statements.probe.run(now)
  }

  /** Each as text. */
  holdRules(): readonly string[] {
    return (this.#statements.holdRules.all() as { rule: string }[]).map(({ rule }) => rule)
  }

  putHoldRule(id: string, rule: string): void {
    this.#statements.putHoldRule.run(id, rule)
  }

  dropHoldRule(id: string): void {
    this.#statements.dropHoldRule.run(id)
  }

  #insertNew(
    row: number,
    delivery: NewDeliveryRecord,
    { receivedAt, expiresAt, ofClass }: MessageRecord & { readonly ofClass: number },
  ): void {
    const { lane, dueAt, held, recipients, open, domains } = delivery
    const state = stateCode(held === undefined ? 'queued' : 'held')
    const [reason, rule] = [held?.reason ?? null, held?.rule ?? null]
    const times = [receivedAt, expiresAt, ofClass] as const
    this.#statements.insertDelivery.run(row, lane, state, reason, rule, dueAt, recipients, open, domains, ...times)
    if (held === undefined) this.lowerLane(lane, dueAt)
  }
}

function classNumber({ envelope }: Pick<MessageRecord, 'envelope'>): number {
  return MAIL_CLASSES.indexOf(classInEnvelope(envelope))
}

/** The first and the last row that a message's deliveries can have. */
export function rowsOf(seq: number): readonly [number, number] {
  return [seq * ROWS_PER_MESSAGE, (seq + 1) * ROWS_PER_MESSAGE - 1]
}

export function seqOfRow(row: number): number {
  return Math.floor(row / ROWS_PER_MESSAGE)
}

function columnsOf(next: SpooledDelivery) {
  return [
    next.lane,
    STATES.indexOf(next.state),
    next.reason ?? null,
    next.rule ?? null,
    next.dueAt,
    next.attempts,
    next.delayNoticeAt ?? null,
    JSON.stringify(next.recipients),
    next.recipients.filter((recipient) => recipient.state === 'open').length,
    domainsOf(next.recipients),
  ] as const
}

function deliveryRow(stored: StoredDelivery): DeliveryRow {
  const state = STATES[stored.state]
  invariant(state !== undefined, `delivery state ${stored.state}`)
  return {
    row: stored.row,
    message: { seq: seqOfRow(stored.row), id: stored.id },
    settlements: JSON.parse(stored.settlements) as readonly string[],
    delivery: {
      lane: stored.lane,
      state,
      dueAt: stored.due_at,
      attempts: stored.attempts,
      recipients: JSON.parse(stored.recipients) as readonly SpooledRecipient[],
      ...(stored.reason === null ? {} : { reason: stored.reason }),
      ...(stored.rule === null ? {} : { rule: stored.rule }),
      ...(stored.delay_notice_at === null ? {} : { delayNoticeAt: stored.delay_notice_at }),
    },
  }
}

export function stateCode(state: DeliveryState): number {
  return STATES.indexOf(state)
}

export function numberOf(db: DatabaseSync, sql: string): number {
  return Number(Object.values(db.prepare(sql).get() ?? {})[0])
}

function prepare(db: DatabaseSync) {
  const delivery = `
    SELECT d.row, m.id, d.lane, d.state, d.reason, d.rule, d.due_at, d.attempts, d.delay_notice_at, d.recipients, d.settlements
    FROM delivery d CROSS JOIN message m ON m.seq = d.row / ${ROWS_PER_MESSAGE}`
  const columns = 'lane, state, reason, rule, due_at, attempts, delay_notice_at, recipients, open, domains'
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
    savepoint: db.prepare('SAVEPOINT operation'),
    releaseSavepoint: db.prepare('RELEASE operation'),
    rollbackSavepoint: db.prepare('ROLLBACK TO operation'),
    insertMessage: db.prepare(`
      INSERT INTO message (seq, id, envelope, sender, message_id_header, received_at, expires_at, size, sha256, in_file, content)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`),
    insertDelivery: db.prepare(`
      INSERT INTO delivery
        (row, lane, state, reason, rule, due_at, attempts, recipients, open, domains, received_at, expires_at, class, settlements)
      VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, '[]')`),
    insertSplit: db.prepare(`
      INSERT INTO delivery (row, ${columns}, received_at, expires_at, class, settlements)
      VALUES ((SELECT max(row) + 1 FROM delivery WHERE row BETWEEN ? AND ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
        (SELECT received_at FROM message WHERE seq = ?), (SELECT expires_at FROM message WHERE seq = ?),
        (SELECT min(class) FROM delivery WHERE row BETWEEN ? AND ?), '[]')`),
    insertKept: db.prepare(
      `INSERT INTO delivery (row, ${columns}, received_at, expires_at, class, settlements)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '[]')`,
    ),
    updateDelivery: db.prepare(`
      UPDATE delivery SET lane = ?, state = ?, reason = ?, rule = ?, due_at = ?, attempts = ?, delay_notice_at = ?,
        recipients = ?, open = ?, domains = ?, settlements = ? WHERE row = ?`),
    seqOf: db.prepare('SELECT seq FROM message WHERE id = ?'),
    sizeOf: db.prepare('SELECT in_file, size FROM message WHERE seq = ?'),
    removeMessage: db.prepare('DELETE FROM message WHERE seq = ?'),
    removeDeliveries: db.prepare('DELETE FROM delivery WHERE row BETWEEN ? AND ?'),
    readContent: db.prepare('SELECT in_file, size, sha256, content FROM message WHERE id = ?'),
    delivery: db.prepare(`${delivery} WHERE d.row = ?`),
    deliveries: db.prepare(`${delivery} WHERE d.row BETWEEN ? AND ? ORDER BY d.row`),
    unsettledBesides: db.prepare(
      `SELECT 1 FROM delivery WHERE row BETWEEN ? AND ? AND row <> ? AND state <> ${SETTLED} LIMIT 1`,
    ),
    lowerLane: db.prepare(`
      INSERT INTO lane (id, due_at) VALUES (?, ?)
      ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at WHERE excluded.due_at < lane.due_at`),
    isVoid: db.prepare('SELECT 1 FROM tombstone WHERE id = ?'),
    forgetVoid: db.prepare('DELETE FROM tombstone WHERE at < ?'),
    voidId: db.prepare('INSERT INTO tombstone (id, at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING'),
    enteredUpTo: db.prepare('SELECT up_to FROM entered WHERE file = ?'),
    enterUpTo: db.prepare(`
      INSERT INTO entered (file, up_to, at) VALUES (?, ?, ?)
      ON CONFLICT (file) DO UPDATE SET up_to = excluded.up_to, at = excluded.at`),
    forgetEntered: db.prepare(
      'DELETE FROM entered WHERE file NOT IN (SELECT file FROM entered ORDER BY at DESC LIMIT ?)',
    ),
    holdRules: db.prepare('SELECT rule FROM hold_rule ORDER BY id'),
    putHoldRule: db.prepare(
      'INSERT INTO hold_rule (id, rule) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET rule = excluded.rule',
    ),
    dropHoldRule: db.prepare('DELETE FROM hold_rule WHERE id = ?'),
    probe: db.prepare('INSERT INTO probe (one, at) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET at = excluded.at'),
  } as const satisfies Record<string, StatementSync>
}
