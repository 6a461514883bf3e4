/**
 * What operators see of the queue: pages and single messages. Long answers walk an index in slices, between
 * which the store's thread serves mail; so a long answer is not one moment's picture.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { QueueId } from '../queue-id.ts'
import type { QueueFilter } from '../spool.ts'
import type { EntryRecord, ListAnswer } from '../store-protocol.ts'
import { FewMessages } from './sqlite-few-messages.ts'
import type { Leases } from './sqlite-leases.ts'
import type { Ask } from './sqlite-protocol.ts'
import { type Records, ROWS_PER_MESSAGE, SETTLED, stateCode } from './sqlite-records.ts'

/** Rows looked at before mail is served again: about two milliseconds. */
const SLICE_ROWS = 1000
const OF_MESSAGE = `d.row BETWEEN m.seq * ${ROWS_PER_MESSAGE} AND m.seq * ${ROWS_PER_MESSAGE} + ${ROWS_PER_MESSAGE - 1}`

/** Yields between slices, returns the answer. */
export type Sliced<T> = Generator<undefined, T, undefined>

export class QueueView {
  readonly #db: DatabaseSync
  readonly #records: Records
  readonly #leases: Leases
  readonly #few: FewMessages
  readonly #message: StatementSync

  constructor(db: DatabaseSync, records: Records, leases: Leases) {
    this.#db = db
    this.#records = records
    this.#leases = leases
    this.#few = new FewMessages(db)
    this.#message = db.prepare(
      `SELECT id, envelope, message_id_header AS messageIdHeader, received_at AS receivedAt, expires_at AS expiresAt, size
       FROM message WHERE id = ?`,
    )
  }

  show(id: QueueId): EntryRecord | null {
    const row = this.#message.get(id) as unknown as Omit<EntryRecord, 'deliveries'> | undefined
    if (row === undefined) return null
    const deliveries = this.#records.deliveries(id).map(({ row: number, delivery }) => ({
      lane: delivery.lane,
      state: this.#leases.isHeld(number) && delivery.state === 'queued' ? ('in-delivery' as const) : delivery.state,
      reason: delivery.reason ?? null,
      rule: delivery.rule ?? null,
      attempts: delivery.attempts,
      dueAt: delivery.dueAt,
      delayNoticeAt: delivery.delayNoticeAt ?? null,
      recipients: JSON.stringify(delivery.recipients),
    }))
    return { ...row, deliveries }
  }

  *list({ filter, limit, after, look }: Ask<'list'>): Sliced<ListAnswer> {
    const entries: EntryRecord[] = []
    const { arrivedBefore = Number.POSITIVE_INFINITY } = filter
    const { sql, values, slice } = candidates(filter, { limit, few: this.#few.of(filter) })
    const walk = this.#db.prepare(sql)
    let last: QueueId | '' = after
    for (let looked = 0; looked < look; looked += slice) {
      const rows = walk.all(...values, last, slice) as unknown as Candidate[]
      for (const row of rows) {
        last = row.id
        const entry = row.matches === 1 ? this.show(row.id) : null
        if (entry !== null) entries.push(entry)
        if (entries.length === limit) return { entries, more: last }
      }
      const end = rows.at(-1)
      if (rows.length < slice || end === undefined || end.at >= arrivedBefore + LATE_MS) return { entries, more: '' }
      yield
    }
    return { entries, more: last }
  }
}

interface Candidate {
  readonly id: QueueId
  readonly matches: number
  readonly at: number
}

/** Ids are in the order of arrival, but for what took long to arrive: never so long. */
const LATE_MS = 3_600_000

/** The walk over messages in the order of their ids, each with whether it matches. */
function candidates(
  filter: QueueFilter,
  { limit, few }: { limit: number; few: readonly number[] | undefined },
): { sql: string; values: SQLInputValue[]; slice: number } {
  const wanted: [string, SQLInputValue][] = []
  if (filter.lane !== undefined) wanted.push(['d.lane = ?', filter.lane])
  if (filter.domain !== undefined) wanted.push(['instr(d.domains, ?) > 0', ` ${filter.domain.toLowerCase()} `])
  if (filter.rule !== undefined) wanted.push(['d.rule = ?', filter.rule])
  if (filter.state !== undefined) wanted.push(['d.state = ?', stateCode(filter.state)])
  const conditions: string[] = []
  const values: SQLInputValue[] = []
  if (wanted.length > 0) {
    const all = wanted.map(([condition]) => condition).join(' AND ')
    conditions.push(`EXISTS (SELECT 1 FROM delivery d WHERE ${OF_MESSAGE} AND d.state <> ${SETTLED} AND ${all})`)
    values.push(...wanted.map(([, value]) => value))
  }
  if (filter.sender !== undefined) {
    conditions.push('m.sender = ?')
    values.push(filter.sender)
  }
  if (filter.arrivedBefore !== undefined) {
    conditions.push('m.received_at < ?')
    values.push(filter.arrivedBefore)
  }
  if (filter.tag !== undefined) {
    conditions.push("coalesce(m.envelope ->> '$.tag' = ?, 0)")
    values.push(filter.tag)
  }
  const matches = conditions.length === 0 ? '1' : conditions.join(' AND ')
  const source = few === undefined ? 'message m' : 'json_each(?) s CROSS JOIN message m ON m.seq = s.value'
  if (few !== undefined) values.push(JSON.stringify(few))
  const sql = `SELECT m.id, (${matches}) AS matches, m.received_at AS at FROM ${source} WHERE m.id > ? ORDER BY m.id LIMIT ?`
  return { sql, values, slice: conditions.length === 0 ? Math.min(limit, SLICE_ROWS) : SLICE_ROWS }
}
