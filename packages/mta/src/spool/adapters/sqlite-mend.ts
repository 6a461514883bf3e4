/**
 * Compares what `spool.db` derives from its messages and deliveries with them, and mends it: SQLite's indexes, the due
 * times of lanes, and the columns that repeat what JSON says. Inside a transaction of its caller; the time is that of
 * one walk over everything.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { LaneId } from '../../delivery/lane.ts'
import type { Envelope } from '../../smtp/envelope.ts'
import { formatReversePath } from '../../smtp/mail-address.ts'
import { classInEnvelope, MAIL_CLASSES } from '../mail-class.ts'
import { joinedFindings, type MendFinding, type MendKind, type MendReport } from '../mend-report.ts'
import type { SpooledRecipient } from '../message-state.ts'
import { domainsOf } from '../store-message.ts'
import { numberOf, QUEUED, ROWS_PER_MESSAGE } from './sqlite-records.ts'

const PROBLEMS_MAX = 20

export function mendSqliteSpool(db: DatabaseSync, fix: boolean): MendReport {
  const findings: MendFinding[] = []
  const wrong = (kind: MendKind, example: string): void => {
    findings.push({ kind, count: 1, examples: [example] })
  }
  mendIndexes(db, fix, wrong)
  mendColumns(db, fix, wrong)
  mendSenders(db, fix, wrong)
  const lanes = mendLanes(db, fix, wrong)
  const orphans = db.prepare(`
    SELECT row FROM delivery WHERE NOT EXISTS (SELECT 1 FROM message WHERE seq = delivery.row / ${ROWS_PER_MESSAGE})`)
  for (const { row } of orphans.iterate() as Iterable<unknown> as Iterable<{ row: number }>) {
    wrong('delivery-without-message', String(row))
  }
  return { messages: numberOf(db, 'SELECT count(*) FROM message'), lanes, findings: joinedFindings(findings) }
}

type Wrong = (kind: MendKind, example: string) => void

/** Before anything is read by an index. What is wrong after they are made anew is wrong in the tables. */
function mendIndexes(db: DatabaseSync, fix: boolean, wrong: Wrong): void {
  const problems = integrity(db)
  if (problems.length === 0) return
  if (fix) db.exec('REINDEX')
  const left = fix ? integrity(db) : []
  for (const problem of left) wrong('store-damaged', problem)
  if (left.length === 0) for (const problem of problems) wrong('index-damaged', problem)
}

function integrity(db: DatabaseSync): readonly string[] {
  const rows = db.prepare(`PRAGMA integrity_check(${PROBLEMS_MAX})`).all() as { integrity_check: string }[]
  return rows.map((row) => row.integrity_check).filter((text) => text !== 'ok')
}

function mendColumns(db: DatabaseSync, fix: boolean, wrong: Wrong): void {
  type Row = { row: number; recipients: string; open: number; domains: string; class: number; envelope: string | null }
  const update = db.prepare('UPDATE delivery SET open = ?, domains = ?, class = ? WHERE row = ?')
  const page = db.prepare(`
    SELECT row, recipients, open, domains, class, envelope
    FROM delivery LEFT JOIN message ON seq = row / ${ROWS_PER_MESSAGE} WHERE row > ? ORDER BY row LIMIT 1000`)
  for (const { row, recipients, open, domains, class: said, envelope } of inPages<Row>((last) =>
    page.all(last?.row ?? 0),
  )) {
    const parsed = JSON.parse(recipients) as readonly SpooledRecipient[]
    const opened = parsed.filter(({ state }) => state === 'open').length
    const named = domainsOf(parsed)
    const ofClass = envelope === null ? said : MAIL_CLASSES.indexOf(classInEnvelope(envelope))
    if (open === opened && domains === named && said === ofClass) continue
    wrong('column-wrong', `delivery ${row}`)
    if (fix) update.run(opened, named, ofClass, row)
  }
}

function mendSenders(db: DatabaseSync, fix: boolean, wrong: Wrong): void {
  type Row = { seq: number; id: string; envelope: string; sender: string }
  const update = db.prepare('UPDATE message SET sender = ? WHERE seq = ?')
  const page = db.prepare('SELECT seq, id, envelope, sender FROM message WHERE seq > ? ORDER BY seq LIMIT 1000')
  for (const { seq, id, envelope, sender } of inPages<Row>((last) => page.all(last?.seq ?? 0))) {
    const written = formatReversePath((JSON.parse(envelope) as Envelope).reversePath)
    if (written === sender) continue
    wrong('column-wrong', id)
    if (fix) update.run(written, seq)
  }
}

/**
 * A lane's due time may be too early, and a lane may stand there without work: both are put right with the next look
 * at it. Too late, or missing, its mail would wait.
 */
function mendLanes(db: DatabaseSync, fix: boolean, wrong: Wrong): number {
  const known = db.prepare('SELECT due_at FROM lane WHERE id = ?')
  const set = db.prepare(
    'INSERT INTO lane (id, due_at) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at',
  )
  type Row = { lane: LaneId; first: number }
  const rows = db
    .prepare(`SELECT lane, min(due_at) AS first FROM delivery WHERE state = ${QUEUED} GROUP BY lane`)
    .all() as unknown as readonly Row[]
  for (const { lane, first } of rows) {
    const entry = known.get(lane) as { due_at: number } | undefined
    if (entry !== undefined && entry.due_at <= first) continue
    wrong(entry === undefined ? 'lane-missing' : 'lane-far', lane)
    if (fix) set.run(lane, first)
  }
  return rows.length
}

function* inPages<Row>(page: (last: Row | undefined) => unknown): Generator<Row> {
  for (let rows = page(undefined) as Row[]; rows.length > 0; rows = page(rows.at(-1)) as Row[]) yield* rows
}
