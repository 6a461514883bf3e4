/**
 * Who may deliver what, and when: claims and due lanes. Reads the indexes only and never walks over what is in
 * flight, so the cost is that of what is handed out, whatever the queue's length. Nothing here waits for a commit.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { LaneId } from '../../delivery/lane.ts'
import type { ClaimsJournal, Suspect } from '../claims-journal.ts'
import type { QueueId } from '../queue-id.ts'
import type { ClaimToken, DueLane } from '../spool.ts'
import { formatToken, type Leases, type Position, parseToken } from './sqlite-leases.ts'
import type { Ask, ClaimRecord } from './sqlite-protocol.ts'
import { QUEUED } from './sqlite-records.ts'

/** Outdated entries looked at per query; they are mended with the next commit, so the next query goes on from there. */
const OUTDATED_LANES_MAX = 1024

export interface ClaimOptions {
  readonly epoch: string
  readonly setAsideAfterDeaths: number | undefined
  readonly suspects: readonly Suspect[]
}

interface DueRow {
  readonly message: QueueId
  readonly n: number
  readonly due_at: number
}

interface ClaimRow extends DueRow {
  readonly lane: LaneId
  readonly attempts: number
  readonly recipients: string
  readonly delay_notice_at: number | null
  readonly envelope: string
  readonly received_at: number
  readonly expires_at: number
}

export class Claims {
  readonly #leases: Leases
  readonly #journal: ClaimsJournal
  readonly #epoch: string
  readonly #statements: ReturnType<typeof prepare>
  readonly #setAside: Set<QueueId>
  /** Lanes whose recorded due time is too early. */
  readonly #outdated = new Set<LaneId>()
  #serial = 0

  constructor(db: DatabaseSync, leases: Leases, journal: ClaimsJournal, options: ClaimOptions) {
    this.#leases = leases
    this.#journal = journal
    this.#epoch = options.epoch
    this.#statements = prepare(db)
    const { setAsideAfterDeaths: limit, suspects } = options
    this.#setAside = new Set(
      suspects.filter(({ deaths }) => limit !== undefined && deaths >= limit).map(({ id }) => id),
    )
  }

  claim({ lane, limit, leaseMs }: Ask<'claim'>, now: number, mono: number): readonly ClaimRecord[] {
    const claims: ClaimRecord[] = []
    let at = this.#leases.upTo(lane)
    if (limit <= 0) return claims
    for (const row of this.#statements.due.iterate(lane, now, at.dueAt, at.message, at.n) as Iterable<unknown>) {
      const due = row as ClaimRow
      at = positionOf(due)
      if (!this.#isFree(due)) continue
      claims.push(this.#grant(due, mono + leaseMs))
      if (claims.length === limit) break
    }
    this.#leases.advance(lane, at)
    return claims
  }

  /** Everything of one message that is due, also when it is set aside. */
  claimMessage({ id, leaseMs }: Ask<'claim-message'>, now: number, mono: number): readonly ClaimRecord[] {
    const rows = this.#statements.dueOfMessage.all(id, now) as unknown as ClaimRow[]
    return rows.filter((row) => !this.#leases.isHeld(row.message, row.n)).map((row) => this.#grant(row, mono + leaseMs))
  }

  renew({ tokens, leaseMs }: Ask<'renew'>, mono: number): readonly ClaimToken[] {
    return tokens.filter((token) => this.#leases.renew(token, mono + leaseMs))
  }

  release({ tokens }: Ask<'release'>): void {
    for (const token of tokens) {
      const held = parseToken(token)
      if (held === undefined || this.#leases.holder(held.message, held.n)?.token !== token) continue
      this.#leases.drop(held.message, held.n)
      this.#journal.ended(held.message)
    }
  }

  /** A lease that is older than this thread. */
  restore(token: ClaimToken, untilMono: number): void {
    const held = parseToken(token)
    const row = held === undefined ? undefined : this.#statements.one.get(held.message, held.n)
    if (row === undefined) return
    const { message, n, due_at: dueAt, lane } = row as unknown as ClaimRow
    this.#leases.grant({ token, lane, at: { dueAt, message, n }, untilMono })
    this.#journal.began(message)
  }

  clearSuspect(id: QueueId, lanes: readonly { lane: LaneId; dueAt: number }[]): void {
    this.#setAside.delete(id)
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
      const first = this.#statements.first.get(lane) as { due_at: number } | undefined
      if (first === undefined) this.#statements.removeLane.run(lane)
      else this.#statements.setLane.run(first.due_at, lane, first.due_at)
    }
  }

  lanesMended(): void {
    this.#outdated.clear()
  }

  #earliestFree(lane: LaneId, before: number): number | undefined {
    let at = this.#leases.upTo(lane)
    let dueAt: number | undefined
    for (const row of this.#statements.dueOnly.iterate(lane, before, at.dueAt, at.message, at.n) as Iterable<unknown>) {
      const due = row as DueRow
      if (this.#isFree(due)) {
        dueAt = due.due_at
        break
      }
      at = positionOf(due)
    }
    this.#leases.advance(lane, at)
    return dueAt
  }

  #isFree(row: DueRow): boolean {
    return !this.#leases.isHeld(row.message, row.n) && !this.#setAside.has(row.message)
  }

  #grant(row: ClaimRow, untilMono: number): ClaimRecord {
    this.#serial += 1
    const token = formatToken(row.message, row.n, `${this.#epoch}.${this.#serial.toString(36)}`)
    this.#journal.began(row.message)
    if (this.#leases.holder(row.message, row.n) !== undefined) this.#journal.ended(row.message)
    this.#leases.grant({ token, lane: row.lane, at: positionOf(row), untilMono })
    return {
      token,
      id: row.message,
      lane: row.lane,
      envelope: row.envelope,
      recipients: row.recipients,
      receivedAt: row.received_at,
      expiresAt: row.expires_at,
      attempts: row.attempts,
      delayNoticeAt: row.delay_notice_at,
    }
  }
}

function positionOf(row: DueRow): Position & { readonly message: QueueId } {
  return { dueAt: row.due_at, message: row.message, n: row.n }
}

function prepare(db: DatabaseSync) {
  const claim = `d.message, d.n, d.due_at, d.lane, d.attempts, d.recipients, d.delay_notice_at, m.envelope, m.received_at, m.expires_at`
  // CROSS JOIN keeps the order: first the index of what is due, then each message by its key.
  const join = 'FROM delivery d CROSS JOIN message m ON m.id = d.message'
  return {
    due: db.prepare(`
      SELECT ${claim} ${join} WHERE d.state = ${QUEUED} AND d.lane = ? AND d.due_at <= ?
      AND (d.due_at, d.message, d.n) > (?, ?, ?) ORDER BY d.due_at, d.message, d.n`),
    dueOnly: db.prepare(`
      SELECT message, n, due_at FROM delivery WHERE state = ${QUEUED} AND lane = ? AND due_at <= ?
      AND (due_at, message, n) > (?, ?, ?) ORDER BY due_at, message, n`),
    dueOfMessage: db.prepare(
      `SELECT ${claim} ${join} WHERE d.message = ? AND d.state = ${QUEUED} AND d.due_at <= ? ORDER BY d.n`,
    ),
    one: db.prepare(`SELECT message, n, lane, due_at FROM delivery WHERE message = ? AND n = ? AND state = ${QUEUED}`),
    first: db.prepare(`SELECT due_at FROM delivery WHERE state = ${QUEUED} AND lane = ? ORDER BY due_at LIMIT 1`),
    lanes: db.prepare('SELECT id, due_at FROM lane WHERE due_at <= ? ORDER BY due_at, id'),
    setLane: db.prepare('UPDATE lane SET due_at = ? WHERE id = ? AND due_at <> ?'),
    removeLane: db.prepare('DELETE FROM lane WHERE id = ?'),
  }
}
