/**
 * The rows of `spool.db` and the statements on them, each prepared once. Knows columns, not rules: what an
 * outcome does is `message-state.ts`.
 */
import { hash } from 'node:crypto'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { invariant } from '@hermetic/policy'
import type { LaneId } from '../../delivery/lane.ts'
import { formatDomain } from '../../smtp/mail-address.ts'
import type { DeliveryState, SpooledDelivery, SpooledRecipient } from '../message-state.ts'
import type { QueueId } from '../queue-id.ts'
import type { Gone, MessageRecord, NewDeliveryRecord, ReadReply } from './sqlite-protocol.ts'

const STATES: readonly DeliveryState[] = ['queued', 'held', 'quarantined', 'settled']
export const QUEUED = 0
export const SETTLED = 3
/** A repetition follows its original closely; the ids of older attempts cannot come any more. */
const SETTLEMENT_IDS_MAX = 32

export interface DeliveryRow {
  readonly message: QueueId
  readonly n: number
  readonly delivery: SpooledDelivery
  readonly settlements: readonly string[]
}

interface StoredDelivery {
  readonly message: QueueId
  readonly n: number
  readonly lane: LaneId
  readonly state: number
  readonly reason: string | null
  readonly due_at: number
  readonly attempts: number
  readonly delay_notice_at: number | null
  readonly recipients: string
  readonly settlements: string
}

export class Records {
  readonly #db: DatabaseSync
  readonly #statements: ReturnType<typeof prepare>
  #nextContent: number
  /** Bytes in content files, which the store's own pages do not show. */
  fileBytes: number

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#statements = prepare(db)
    this.#nextContent = numberOf(db, 'SELECT coalesce(max(seq), 0) + 1 FROM content')
    this.fileBytes = numberOf(db, 'SELECT coalesce(sum(size), 0) FROM message WHERE content IS NULL')
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
    const { content } = message
    const seq = content.kind === 'inline' ? this.#nextContent : null
    const sha256 = content.kind === 'inline' ? hash('sha256', content.bytes, 'buffer') : content.sha256
    const { changes } = this.#statements.insertMessage.run(
      message.id,
      message.envelope,
      message.sender,
      message.messageIdHeader ?? null,
      message.receivedAt,
      message.expiresAt,
      message.size,
      sha256,
      seq,
    )
    if (changes === 0) return false
    if (content.kind === 'inline') this.#statements.insertContent.run(this.#nextContent++, content.bytes)
    for (const [n, delivery] of message.deliveries.entries()) this.#insertNew(message.id, n, delivery)
    return true
  }

  hasMessage(id: QueueId): boolean {
    return this.#statements.hasMessage.get(id) !== undefined
  }

  /** Removes the message with everything that belongs to it, except a content file. */
  removeMessage(id: QueueId): Gone | undefined {
    const row = this.#statements.removeMessage.get(id) as { content: number | null; size: number } | undefined
    if (row === undefined) return undefined
    this.#statements.removeDeliveries.run(id)
    if (row.content !== null) this.#statements.removeContent.run(row.content)
    return { id, inFile: row.content === null, size: row.size }
  }

  readContent(id: QueueId): ReadReply {
    const row = this.#statements.readContent.get(id) as
      | { content: number | null; size: number; sha256: Uint8Array; body: Uint8Array | null }
      | undefined
    if (row === undefined) return { kind: 'missing' }
    if (row.content === null) return { kind: 'file', size: row.size, sha256: row.sha256 }
    if (row.body === null || !hash('sha256', row.body, 'buffer').equals(row.sha256)) return { kind: 'damaged' }
    return { kind: 'inline', bytes: row.body }
  }

  delivery(message: QueueId, n: number): DeliveryRow | undefined {
    const row = this.#statements.delivery.get(message, n) as StoredDelivery | undefined
    return row === undefined ? undefined : deliveryRow(row)
  }

  deliveries(message: QueueId): readonly DeliveryRow[] {
    return (this.#statements.deliveries.all(message) as unknown as StoredDelivery[]).map(deliveryRow)
  }

  updateDelivery(row: DeliveryRow, next: SpooledDelivery, settlement?: string): void {
    const settlements = settlement === undefined ? row.settlements : [...row.settlements, settlement]
    this.#statements.updateDelivery.run(
      next.lane,
      STATES.indexOf(next.state),
      next.reason ?? null,
      next.dueAt,
      next.attempts,
      next.delayNoticeAt ?? null,
      JSON.stringify(next.recipients),
      next.recipients.filter((recipient) => recipient.state === 'open').length,
      domainsOf(next.recipients),
      JSON.stringify(settlements.slice(-SETTLEMENT_IDS_MAX)),
      row.message,
      row.n,
    )
    if (next.state === 'queued') this.lowerLane(next.lane, next.dueAt)
  }

  /** A delivery that split off another of the same message. */
  insertDelivery(message: QueueId, next: SpooledDelivery): void {
    this.#statements.insertSplit.run(
      message,
      message,
      next.lane,
      STATES.indexOf(next.state),
      next.reason ?? null,
      next.dueAt,
      next.attempts,
      next.delayNoticeAt ?? null,
      JSON.stringify(next.recipients),
      next.recipients.filter((recipient) => recipient.state === 'open').length,
      domainsOf(next.recipients),
    )
    if (next.state === 'queued') this.lowerLane(next.lane, next.dueAt)
  }

  /** Whether a delivery other than `n` still waits for something. */
  hasUnsettledBesides(message: QueueId, n: number): boolean {
    return this.#statements.unsettledBesides.get(message, n) !== undefined
  }

  lowerLane(lane: LaneId, dueAt: number): void {
    this.#statements.lowerLane.run(lane, dueAt)
  }

  isVoid(id: QueueId): boolean {
    return this.#statements.isVoid.get(id) !== undefined
  }

  voidId(id: QueueId, now: number): void {
    this.#statements.voidId.run(id, now)
  }

  probe(now: number): void {
    this.#statements.probe.run(now)
  }

  #insertNew(message: QueueId, n: number, delivery: NewDeliveryRecord): void {
    const { lane, dueAt, recipients, open, domains } = delivery
    this.#statements.insertDelivery.run(message, n, lane, dueAt, recipients, open, domains)
    this.lowerLane(lane, dueAt)
  }
}

export function deliveryRow(row: StoredDelivery): DeliveryRow {
  const state = STATES[row.state]
  invariant(state !== undefined, `delivery state ${row.state}`)
  return {
    message: row.message,
    n: row.n,
    settlements: JSON.parse(row.settlements) as readonly string[],
    delivery: {
      lane: row.lane,
      state,
      dueAt: row.due_at,
      attempts: row.attempts,
      recipients: JSON.parse(row.recipients) as readonly SpooledRecipient[],
      ...(row.reason === null ? {} : { reason: row.reason }),
      ...(row.delay_notice_at === null ? {} : { delayNoticeAt: row.delay_notice_at }),
    },
  }
}

export function stateCode(state: DeliveryState): number {
  return STATES.indexOf(state)
}

/** The recipients' domains, each between spaces, for `queue list` by domain. */
export function domainsOf(recipients: readonly Pick<SpooledRecipient, 'address'>[]): string {
  const names = new Set(recipients.map(({ address }) => formatDomain(address.domain)))
  return ` ${[...names].join(' ')} `
}

export function numberOf(db: DatabaseSync, sql: string): number {
  return Number(Object.values(db.prepare(sql).get() ?? {})[0])
}

function prepare(db: DatabaseSync) {
  const columns = 'message, n, lane, state, reason, due_at, attempts, delay_notice_at, recipients, settlements'
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
    savepoint: db.prepare('SAVEPOINT operation'),
    releaseSavepoint: db.prepare('RELEASE operation'),
    rollbackSavepoint: db.prepare('ROLLBACK TO operation'),
    insertMessage: db.prepare(`
      INSERT INTO message (id, envelope, sender, message_id_header, received_at, expires_at, size, sha256, content)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`),
    insertContent: db.prepare('INSERT INTO content (seq, body) VALUES (?, ?)'),
    insertDelivery: db.prepare(`
      INSERT INTO delivery (message, n, lane, state, due_at, attempts, recipients, open, domains, settlements)
      VALUES (?, ?, ?, ${QUEUED}, ?, 0, ?, ?, ?, '[]')`),
    insertSplit: db.prepare(`
      INSERT INTO delivery (message, n, lane, state, reason, due_at, attempts, delay_notice_at, recipients, open, domains, settlements)
      VALUES (?, (SELECT max(n) + 1 FROM delivery WHERE message = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, '[]')`),
    updateDelivery: db.prepare(`
      UPDATE delivery SET lane = ?, state = ?, reason = ?, due_at = ?, attempts = ?, delay_notice_at = ?,
        recipients = ?, open = ?, domains = ?, settlements = ? WHERE message = ? AND n = ?`),
    hasMessage: db.prepare('SELECT 1 FROM message WHERE id = ?'),
    removeMessage: db.prepare('DELETE FROM message WHERE id = ? RETURNING content, size'),
    removeDeliveries: db.prepare('DELETE FROM delivery WHERE message = ?'),
    removeContent: db.prepare('DELETE FROM content WHERE seq = ?'),
    readContent: db.prepare(`
      SELECT m.content, m.size, m.sha256, c.body FROM message m LEFT JOIN content c ON c.seq = m.content WHERE m.id = ?`),
    delivery: db.prepare(`SELECT ${columns} FROM delivery WHERE message = ? AND n = ?`),
    deliveries: db.prepare(`SELECT ${columns} FROM delivery WHERE message = ? ORDER BY n`),
    unsettledBesides: db.prepare(`SELECT 1 FROM delivery WHERE message = ? AND n <> ? AND state <> ${SETTLED} LIMIT 1`),
    lowerLane: db.prepare(`
      INSERT INTO lane (id, due_at) VALUES (?, ?)
      ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at WHERE excluded.due_at < lane.due_at`),
    isVoid: db.prepare('SELECT 1 FROM tombstone WHERE id = ?'),
    voidId: db.prepare('INSERT INTO tombstone (id, at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING'),
    probe: db.prepare('INSERT INTO probe (one, at) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET at = excluded.at'),
  } as const satisfies Record<string, StatementSync>
}
