/**
 * Who may deliver what, and when: claims and due lanes. Reads the indexes only and never walks over what is in
 * flight, so the cost is that of what is handed out, whatever the queue's length. Nothing here waits for a commit.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { NOTICE_LANE } from '../../bounce/notice-lane.ts'
import type { LaneId } from '../../delivery/lane.ts'
import type { ClaimsJournal, Suspect } from '../claims-journal.ts'
import { ClassOrder } from '../class-order.ts'
import { MAIL_CLASSES } from '../mail-class.ts'
import type { QueueId } from '../queue-id.ts'
import type { ClaimToken, DueLane } from '../spool.ts'
import type { ClaimRecord } from '../store-protocol.ts'
import { formatToken, type Leases, type Position, parseToken } from './sqlite-leases.ts'
import type { Answer, Ask } from './sqlite-protocol.ts'
import { QUEUED, ROWS_PER_MESSAGE, rowsOf, seqOfRow } from './sqlite-records.ts'

/** Outdated entries looked at per query; they are mended with the next commit, so the next query goes on from there. */
const OUTDATED_LANES_MAX = 1024
const CLASSES = [...MAIL_CLASSES.keys()]
/** Looked at in one call: a few milliseconds. */
const EXPIRED_ROWS_MAX = 2000
const UNTOLD_ROWS_MAX = 500
const ROWS_END = Number.MAX_SAFE_INTEGER
const FROM_THE_OLDEST = { expiresAt: Number.MIN_SAFE_INTEGER, row: 0 }

export interface ClaimOptions {
  readonly epoch: string
  readonly setAsideAfterDeaths: number | undefined
  readonly suspects: readonly Suspect[]
}

interface DueRow {
  readonly row: number
  readonly class: number
  readonly due_at: number
}

interface ClaimRow extends DueRow {
  readonly id: QueueId
  readonly lane: LaneId
  readonly attempts: number
  readonly recipients: string
  readonly delay_notice_at: number | null
  readonly envelope: string
  readonly received_at: number
  readonly expires_at: number
}

interface ExpiredRow extends DueRow {
  readonly lane: LaneId
  readonly expires_at: number
}

interface ArrivedRow {
  readonly row: number
  readonly received_at: number
  /** 1: queued, and its sender was told of no delay. */
  readonly waits: number
}

export class Claims {
  readonly #leases: Leases
  readonly #journal: ClaimsJournal
  readonly #epoch: string
  readonly #statements: ReturnType<typeof prepare>
  /** By their messages' numbers. */
  readonly #setAside: Set<number>
  /** Lanes whose recorded due time is too early. */
  readonly #outdated = new Set<LaneId>()
  readonly #order = new ClassOrder(CLASSES)
  #expiredUpTo = FROM_THE_OLDEST
  #serial = 0

  constructor(db: DatabaseSync, leases: Leases, journal: ClaimsJournal, options: ClaimOptions) {
    this.#leases = leases
    this.#journal = journal
    this.#epoch = options.epoch
    this.#statements = prepare(db)
    const { setAsideAfterDeaths: limit, suspects } = options
    const named = suspects.filter(({ deaths }) => limit !== undefined && deaths >= limit)
    this.#setAside = new Set(named.map(({ id }) => this.#seqOf(id)))
  }

  claim({ lane, limit, leaseMs }: Ask<'claim'>, now: number, mono: number): readonly ClaimRecord[] {
    const claims: ClaimRecord[] = []
    const left = [...this.#order.of(lane)]
    for (let ofClass = left.shift(); ofClass !== undefined && claims.length < limit; ofClass = left.shift()) {
      let at = this.#leases.upTo(lane, ofClass)
      for (const due of inOrder<ClaimRow>(this.#statements.claims, { lane, after: at, before: now })) {
        at = positionOf(due)
        if (!this.#isFree(due)) continue
        claims.push(this.#grant(due, mono + leaseMs))
        if (claims.length === limit) break
      }
      this.#leases.advance(lane, at)
      if (claims.length === limit) break
    }
    this.#order.served(
      lane,
      left.some((ofClass) => this.#isDue(lane, ofClass, now)),
    )
    return claims
  }

  #isDue(lane: LaneId, ofClass: number, before: number): boolean {
    const after = this.#leases.upTo(lane, ofClass)
    for (const _ of inOrder(this.#statements.due, { lane, after, before })) return true
    return false
  }

  /** Everything of one message that is due, also when it is set aside. */
  claimMessage({ id, leaseMs }: Ask<'claim-message'>, now: number, mono: number): readonly ClaimRecord[] {
    const rows = this.#statements.dueOfMessage.all(...rowsOf(this.#seqOf(id)), now) as unknown as ClaimRow[]
    return rows.filter((row) => !this.#leases.isHeld(row.row)).map((row) => this.#grant(row, mono + leaseMs))
  }

  /** In the order of ages, a bounded part of it with each call; the next goes on from there. */
  claimExpired({ after, before, dueBefore, limit, leaseMs }: Ask<'claim-expired'>, now: number, mono: number) {
    const claims: ClaimRecord[] = []
    const from = this.#expiredUpTo.expiresAt > after ? this.#expiredUpTo : { expiresAt: after, row: ROWS_END }
    const { expiresAt, row: last } = from
    const rows = this.#statements.expired.all(expiresAt, last, before, EXPIRED_ROWS_MAX) as unknown as ExpiredRow[]
    this.#expiredUpTo = FROM_THE_OLDEST
    for (const due of rows) {
      const justDue = due.due_at > due.expires_at && due.due_at > dueBefore && due.due_at <= now
      if (due.lane === NOTICE_LANE || justDue || !this.#isFree(due)) continue
      const row = this.#statements.byRow.get(due.row) as unknown as ClaimRow
      claims.push(this.#grant(row, mono + leaseMs))
      if (claims.length === limit) return claims
    }
    const end = rows.at(-1)
    if (end !== undefined && rows.length === EXPIRED_ROWS_MAX)
      this.#expiredUpTo = { expiresAt: end.expires_at, row: end.row }
    return claims
  }

  claimUntold({ arrivedBefore, after, leaseMs }: Ask<'claim-untold'>, mono: number): Answer<'claim-untold'> {
    const claims: ClaimRecord[] = []
    const rows = this.#statements.arrived.all(Number(after), UNTOLD_ROWS_MAX) as unknown as ArrivedRow[]
    let last = after
    for (const { row, received_at: arrived, waits } of rows) {
      if (arrived > arrivedBefore) return { claims, after: last, ended: true }
      last = String(row)
      if (waits === 0 || this.#leases.isHeld(row) || this.#setAside.has(seqOfRow(row))) continue
      claims.push(this.#grant(this.#statements.byRow.get(row) as unknown as ClaimRow, mono + leaseMs))
    }
    return { claims, after: last, ended: rows.length < UNTOLD_ROWS_MAX }
  }

  renew({ tokens, leaseMs }: Ask<'renew'>, mono: number): readonly ClaimToken[] {
    return tokens.filter((token) => this.#leases.renew(token, mono + leaseMs))
  }

  release({ tokens }: Ask<'release'>): void {
    for (const token of tokens) {
      const held = parseToken(token)
      if (held === undefined || this.#leases.holder(held.row)?.token !== token) continue
      this.#leases.drop(held.row)
      this.#journal.ended(held.message)
    }
  }

  /** A lease that is older than this thread. */
  restore(token: ClaimToken, untilMono: number): void {
    const held = parseToken(token)
    const row = held === undefined ? undefined : this.#statements.one.get(held.row, held.message)
    if (row === undefined) return
    const { id, lane, ...at } = row as unknown as ClaimRow
    this.#leases.grant({ token, message: id, lane, at: positionOf(at), untilMono })
    this.#journal.began(id)
  }

  clearSuspect(id: QueueId, lanes: readonly { lane: LaneId; dueAt: number }[]): void {
    this.#setAside.delete(this.#seqOf(id))
    for (const { lane, dueAt } of lanes) this.#leases.lower(lane, dueAt)
  }

  dueLanes({ before, limit }: Ask<'due-lanes'>): readonly DueLane[] {
    const due: DueLane[] = []
    let outdated = 0
    for (const row of this.#statements.lanes.iterate(before) as Iterable<unknown>) {
      if (due.length === limit || outdated === OUTDATED_LANES_MAX) break
      const lane = (row as { id: LaneId }).id
      const dueAt = this.#earliestFree(lane, before)
      if (dueAt !== undefined) due.push({ lane, dueAt })
      else if (!this.#leases.holds(lane)) {
        this.#outdated.add(lane)
        outdated += 1
      }
    }
    return due.sort((a, b) => a.dueAt - b.dueAt)
  }

  get hasOutdatedLanes(): boolean {
    return this.#outdated.size > 0
  }

  /** Mends what `dueLanes` found outdated; inside a transaction that is under way anyway, or one of its own. */
  mendLanes(): void {
    for (const lane of this.#outdated) {
      const first = this.#statements.first.get(lane) as { due_at: number | null } | undefined
      if (first === undefined || first.due_at === null) this.#statements.removeLane.run(lane)
      else this.#statements.setLane.run(first.due_at, lane, first.due_at)
    }
  }

  lanesMended(): void {
    this.#outdated.clear()
  }

  #earliestFree(lane: LaneId, before: number): number | undefined {
    const times = CLASSES.map((ofClass) => this.#earliestOf(lane, ofClass, before)).filter((at) => at !== undefined)
    return times.length === 0 ? undefined : Math.min(...times)
  }

  #earliestOf(lane: LaneId, ofClass: number, before: number): number | undefined {
    let at = this.#leases.upTo(lane, ofClass)
    let dueAt: number | undefined
    for (const due of inOrder<DueRow>(this.#statements.due, { lane, after: at, before })) {
      if (this.#isFree(due)) {
        dueAt = due.due_at
        break
      }
      at = positionOf(due)
    }
    this.#leases.advance(lane, at)
    return dueAt
  }

  /** A message that is gone has a number that no message gets. */
  #seqOf(id: QueueId): number {
    return (this.#statements.seqOf.get(id) as { seq: number } | undefined)?.seq ?? 0
  }

  #isFree(row: DueRow): boolean {
    return !this.#leases.isHeld(row.row) && !this.#setAside.has(seqOfRow(row.row))
  }

  #grant(row: ClaimRow, untilMono: number): ClaimRecord {
    this.#serial += 1
    const token = formatToken(row.id, row.row, `${this.#epoch}.${this.#serial.toString(36)}`)
    this.#journal.began(row.id)
    if (this.#leases.holder(row.row) !== undefined) this.#journal.ended(row.id)
    this.#leases.grant({ token, message: row.id, lane: row.lane, at: positionOf(row), untilMono })
    return {
      token,
      id: row.id,
      lane: row.lane,
      envelope: row.envelope,
      recipients: row.recipients,
      receivedAt: row.received_at,
      expiresAt: row.expires_at,
      dueAt: row.due_at,
      attempts: row.attempts,
      delayNoticeAt: row.delay_notice_at,
    }
  }
}

function positionOf({ class: ofClass, due_at: dueAt, row }: DueRow): Position {
  return { ofClass, dueAt, row }
}

interface InOrder {
  /** More of the same due time. */
  readonly same: StatementSync
  /** Later due times. */
  readonly later: StatementSync
}

/**
 * The queued deliveries of a lane after a position. In two steps, because SQLite does not search an index by row
 * number behind a range: after an order to retry everything, a million deliveries share one due time.
 */
function* inOrder<Row>(
  { same, later }: InOrder,
  { lane, after, before }: { readonly lane: LaneId; readonly after: Position; readonly before: number },
): Generator<Row> {
  const { ofClass, dueAt, row } = after
  if (dueAt <= before) yield* same.iterate(lane, ofClass, dueAt, row) as Iterable<unknown> as Iterable<Row>
  yield* later.iterate(lane, ofClass, dueAt, before) as Iterable<unknown> as Iterable<Row>
}

/** By the index, as the smallest of all classes would not be. */
function firstOfClass(ofClass: number): string {
  return `SELECT min(due_at) AS due_at FROM delivery WHERE state = ${QUEUED} AND lane = ?1 AND class = ${ofClass}`
}

function prepare(db: DatabaseSync) {
  const claim = `d.row, d.class, m.id, d.due_at, d.lane, d.attempts, d.recipients, d.delay_notice_at, m.envelope, m.received_at, m.expires_at`
  // CROSS JOIN keeps the order: first the index of what is due, then each message by its key.
  const join = `FROM delivery d CROSS JOIN message m ON m.seq = d.row / ${ROWS_PER_MESSAGE}`
  const queued = `d.state = ${QUEUED} AND d.lane = ? AND d.class = ?`
  const between = 'd.due_at > ? AND d.due_at <= ?'
  return {
    claims: {
      same: db.prepare(`SELECT ${claim} ${join} WHERE ${queued} AND d.due_at = ? AND d.row > ? ORDER BY d.row`),
      later: db.prepare(`SELECT ${claim} ${join} WHERE ${queued} AND ${between} ORDER BY d.due_at, d.row`),
    },
    due: {
      same: db.prepare(
        `SELECT d.row, d.class, d.due_at FROM delivery d WHERE ${queued} AND d.due_at = ? AND d.row > ? ORDER BY d.row`,
      ),
      later: db.prepare(
        `SELECT d.row, d.class, d.due_at FROM delivery d WHERE ${queued} AND ${between} ORDER BY d.due_at, d.row`,
      ),
    },
    dueOfMessage: db.prepare(
      `SELECT ${claim} ${join} WHERE d.row BETWEEN ? AND ? AND d.state = ${QUEUED} AND d.due_at <= ? ORDER BY d.row`,
    ),
    one: db.prepare(`SELECT ${claim} ${join} WHERE d.row = ? AND m.id = ? AND d.state = ${QUEUED}`),
    byRow: db.prepare(`SELECT ${claim} ${join} WHERE d.row = ?`),
    expired: db.prepare(`
      SELECT row, due_at, lane, expires_at FROM delivery INDEXED BY delivery_age
      WHERE state = ${QUEUED} AND (expires_at, row) > (?, ?) AND expires_at <= ? ORDER BY expires_at LIMIT ?`),
    arrived: db.prepare(`
      SELECT row, received_at, state = ${QUEUED} AND delay_notice_at IS NULL AND lane <> '${NOTICE_LANE}' AS waits
      FROM delivery WHERE row > ? ORDER BY row LIMIT ?`),
    seqOf: db.prepare('SELECT seq FROM message WHERE id = ?'),
    first: db.prepare(`SELECT min(due_at) AS due_at FROM (${CLASSES.map(firstOfClass).join(' UNION ALL ')})`),
    lanes: db.prepare('SELECT id, due_at FROM lane WHERE due_at <= ? ORDER BY due_at, id'),
    setLane: db.prepare('UPDATE lane SET due_at = ? WHERE id = ? AND due_at <> ?'),
    removeLane: db.prepare('DELETE FROM lane WHERE id = ?'),
  }
}
