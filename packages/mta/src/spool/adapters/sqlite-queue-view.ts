/**
 * What operators see of the queue: pages, single messages and totals. Long answers walk an index in slices, between
 * which the store's thread serves mail; so a long answer is not one moment's picture.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { LaneId } from '../../delivery/lane.ts'
import type { QueueId } from '../queue-id.ts'
import type { QueueFilter } from '../spool.ts'
import type { EntryRecord, SummaryRecord } from '../store-protocol.ts'
import { FewMessages } from './sqlite-few-messages.ts'
import type { Leases } from './sqlite-leases.ts'
import type { Ask } from './sqlite-protocol.ts'
import { QUEUED, type Records, ROWS_PER_MESSAGE, SETTLED, stateCode } from './sqlite-records.ts'

/** Rows looked at before mail is served again: about two milliseconds. */
const SLICE_ROWS = 1000
const SUMMARY_LANES_MAX = 200
const OF_MESSAGE = `d.row BETWEEN m.seq * ${ROWS_PER_MESSAGE} AND m.seq * ${ROWS_PER_MESSAGE} + ${ROWS_PER_MESSAGE - 1}`

/** Yields between slices, returns the answer. */
export type Sliced<T> = Generator<undefined, T, undefined>

type LaneTotals = SummaryRecord['lanes'][number]

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
      attempts: delivery.attempts,
      dueAt: delivery.dueAt,
      delayNoticeAt: delivery.delayNoticeAt ?? null,
      recipients: JSON.stringify(delivery.recipients),
    }))
    return { ...row, deliveries }
  }

  *list({ filter, limit, after }: Ask<'list'>): Sliced<readonly EntryRecord[]> {
    const entries: EntryRecord[] = []
    const { sql, values, slice } = candidates(filter, { limit, few: this.#few.of(filter) })
    const walk = this.#db.prepare(sql)
    let last: string = after
    for (;;) {
      const rows = walk.all(...values, last, slice) as unknown as { id: QueueId; matches: number }[]
      for (const row of rows) {
        last = row.id
        const entry = row.matches === 1 ? this.show(row.id) : null
        if (entry !== null) entries.push(entry)
        if (entries.length === limit) return entries
      }
      if (rows.length < slice) return entries
      yield
    }
  }

  *summary(): Sliced<SummaryRecord> {
    const messages = { messages: 0, bytes: 0, oldestReceivedAt: null as number | null }
    for (const part of walkMessages(this.#db)) {
      messages.messages += part.count
      messages.bytes += part.bytes
      messages.oldestReceivedAt = earliest(messages.oldestReceivedAt, part.oldest)
      yield
    }
    const deliveries = { recipientsOpen: 0, held: 0, quarantined: 0 }
    for (const part of walkDeliveries(this.#db)) {
      deliveries.recipientsOpen += part.open
      deliveries.held += part.held
      deliveries.quarantined += part.quarantined
      yield
    }
    return { ...messages, ...deliveries, lanes: yield* this.#lanes() }
  }

  /** The index of what is queued is in order of lanes, so one lane at a time is counted. */
  *#lanes(): Sliced<readonly LaneTotals[]> {
    let top: LaneTotals[] = []
    let current: LaneTotals | undefined
    for (const rows of walkLanes(this.#db)) {
      for (const { lane, oldestReceivedAt } of rows) {
        const count = current?.lane === lane ? current.deliveries + 1 : 1
        if (current !== undefined && current.lane !== lane) top.push(current)
        const oldest = current?.lane === lane ? Math.min(current.oldestReceivedAt, oldestReceivedAt) : oldestReceivedAt
        current = { lane, deliveries: count, oldestReceivedAt: oldest }
      }
      top = largest(top)
      yield
    }
    return largest(current === undefined ? top : [...top, current])
  }
}

/** The walk over messages in the order of their ids, each with whether it matches. */
function candidates(
  filter: QueueFilter,
  { limit, few }: { limit: number; few: readonly number[] | undefined },
): { sql: string; values: SQLInputValue[]; slice: number } {
  const wanted: [string, SQLInputValue][] = []
  if (filter.lane !== undefined) wanted.push(['d.lane = ?', filter.lane])
  if (filter.domain !== undefined) wanted.push(['instr(d.domains, ?) > 0', ` ${filter.domain.toLowerCase()} `])
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
  const sql = `SELECT m.id, (${matches}) AS matches FROM ${source} WHERE m.id > ? ORDER BY m.id LIMIT ?`
  return { sql, values, slice: conditions.length === 0 ? Math.min(limit, SLICE_ROWS) : SLICE_ROWS }
}

function* walkMessages(db: DatabaseSync) {
  const statement = db.prepare(`
    SELECT count(*) AS count, coalesce(sum(size), 0) AS bytes, min(received_at) AS oldest, max(seq) AS last
    FROM (SELECT seq, size, received_at FROM message WHERE seq > ? ORDER BY seq LIMIT ${SLICE_ROWS})`)
  type Part = { count: number; bytes: number; oldest: number | null; last: number | null }
  for (let last: number | null = 0; last !== null; ) {
    const part = statement.get(last) as unknown as Part
    yield part
    last = part.last
  }
}

function* walkDeliveries(db: DatabaseSync) {
  const statement = db.prepare(`
    SELECT row, state, open FROM delivery WHERE row > ? ORDER BY row LIMIT ${SLICE_ROWS}`)
  type Row = { row: number; state: number; open: number }
  const count = (rows: readonly Row[], state: number): number => rows.filter((row) => row.state === state).length
  for (let last: number | undefined = 0; last !== undefined; ) {
    const rows: Row[] = statement.all(last) as unknown as Row[]
    yield {
      open: rows.reduce((sum, row) => sum + row.open, 0),
      held: count(rows, stateCode('held')),
      quarantined: count(rows, stateCode('quarantined')),
    }
    last = rows.at(-1)?.row
  }
}

function* walkLanes(db: DatabaseSync) {
  const rows = `
    SELECT d.lane, d.due_at, d.row, m.received_at AS oldestReceivedAt FROM delivery d INDEXED BY delivery_due
    CROSS JOIN message m ON m.seq = d.row / ${ROWS_PER_MESSAGE} WHERE d.state = ${QUEUED}`
  const same = db.prepare(`${rows} AND d.lane = ? AND d.due_at = ? AND d.row > ? ORDER BY d.row LIMIT ${SLICE_ROWS}`)
  const later = db.prepare(
    `${rows} AND (d.lane, d.due_at) > (?, ?) ORDER BY d.lane, d.due_at, d.row LIMIT ${SLICE_ROWS}`,
  )
  type Row = { lane: LaneId; due_at: number; row: number; oldestReceivedAt: number }
  let last: Pick<Row, 'due_at' | 'row'> & { lane: string } = { lane: '', due_at: 0, row: 0 }
  for (;;) {
    let slice = same.all(last.lane, last.due_at, last.row) as unknown as Row[]
    if (slice.length === 0) slice = later.all(last.lane, last.due_at) as unknown as Row[]
    const end = slice.at(-1)
    if (end === undefined) return
    yield slice
    last = end
  }
}

function largest(lanes: readonly LaneTotals[]): LaneTotals[] {
  return [...lanes].sort((a, b) => b.deliveries - a.deliveries).slice(0, SUMMARY_LANES_MAX)
}

function earliest(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b
  return Math.min(a, b)
}
