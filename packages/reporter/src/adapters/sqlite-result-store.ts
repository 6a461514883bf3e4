/**
 * Adapter of `ResultStore` for one node: `tlsrpt.db` in the data directory (WAL, synchronous=NORMAL: a killed process
 * loses nothing that was added, a power cut at most the last batches; counts of sessions, never mail).
 *
 * Statements run on the calling thread, each call in one transaction. Sums are kept as the JSON of `DomainTally` and
 * merged by `mergeTallies`, so that the bounds are the same here as everywhere.
 */
import { randomUUID } from 'node:crypto'
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { type DomainName, ok, parseDomainName, type Result } from '@hermetic/policy'
import { storeFailureText } from '@hermetic/policy/sqlite-file'
import {
  type BatchOutcome,
  type DamagedReport,
  type RenderedReport,
  type ReportClaim,
  type ReportPage,
  type ReportProgress,
  type ReportState,
  type ResultStore,
  ResultStoreUnavailable,
} from '../ports/result-store.ts'
import { type DomainTally, EMPTY_TALLY, mergedFailures, mergeTallies, sessionsIn } from '../tally.ts'
import type { DayTally } from '../tally-sum.ts'
import { parseUtcDay, type UtcDay } from '../utc-day.ts'
import { claimOf, readTallyJson, readTargetsJson } from './kept-json.ts'
import { openResultFile, type ResultStoreOpenError } from './sqlite-result-schema.ts'

export interface SqliteResultStoreOptions {
  readonly dataDir: string
  /** UTC milliseconds. */
  readonly now: () => number
}

export interface SqliteResultStore extends ResultStore {
  close(): void
}

const UNREADABLE = 'unreadable'
/** A batch is repeated within seconds or never. */
const BATCHES_KEPT = 1_000

export function openSqliteResultStore(
  options: SqliteResultStoreOptions,
): Result<SqliteResultStore, ResultStoreOpenError> {
  const file = openResultFile(options.dataDir)
  return file.ok ? ok(new ResultFile(file.value, options)) : file
}

const STATEMENTS = {
  storeId: 'SELECT id FROM store',
  noteBatch: 'INSERT INTO batch (id) VALUES (?) ON CONFLICT DO NOTHING',
  trimBatches: 'DELETE FROM batch WHERE row <= (SELECT MAX(row) FROM batch) - ?',
  isClosed: 'SELECT 1 FROM closed_day WHERE day = ?',
  tally: 'SELECT tally FROM report WHERE day = ? AND domain = ?',
  putTally: `INSERT INTO report (day, domain, tally) VALUES (?, ?, ?)
             ON CONFLICT (day, domain) DO UPDATE SET tally = excluded.tally`,
  openDays: `SELECT DISTINCT day FROM report WHERE day < ? AND day NOT IN (SELECT day FROM closed_day) ORDER BY day`,
  noteClosed: 'INSERT INTO closed_day (day) VALUES (?) ON CONFLICT DO NOTHING',
  domains: 'SELECT domain FROM report WHERE day = ?',
  setDue: 'UPDATE report SET due_at = ? WHERE day = ? AND domain = ?',
  nextDue: 'SELECT * FROM report WHERE done = 0 AND due_at <= ? ORDER BY due_at, row LIMIT 1',
  nextDueOfDay: 'SELECT * FROM report WHERE done = 0 AND due_at <= ? AND day = ? ORDER BY due_at, row LIMIT 1',
  expedite: 'UPDATE report SET due_at = ?1 WHERE day = ?2 AND done = 0 AND token IS NULL AND due_at > ?1',
  dueOfDay: 'SELECT COUNT(*) AS reports FROM report WHERE day = ? AND done = 0 AND token IS NULL AND due_at <= ?',
  admit: `INSERT INTO admission (day, site, attempts) SELECT ?1, ?2, 1 WHERE ?3 > 0
          ON CONFLICT (day, site) DO UPDATE SET attempts = attempts + 1 WHERE attempts < ?3`,
  days: 'SELECT DISTINCT day FROM report ORDER BY day',
  reports: `SELECT day, domain, due_at, token, report_id, targets, first_attempt_at, done,
              (done = 0 AND due_at IS NULL AND day IN (SELECT day FROM closed_day)) AS set_aside
            FROM report WHERE day = ? AND domain > ? ORDER BY domain LIMIT ?`,
  claim: 'UPDATE report SET token = ?, due_at = ? WHERE row = ?',
  mark: `UPDATE report SET targets = ?4, first_attempt_at = COALESCE(first_attempt_at, ?5), due_at = ?6, done = ?7,
           token = CASE WHEN ?8 THEN token END
         WHERE day = ?1 AND domain = ?2 AND token = ?3 AND done = 0`,
  keep: `UPDATE report SET report_id = ?, compressed = ?, made_at = ?
         WHERE day = ? AND domain = ? AND compressed IS NULL`,
  unfinished: 'SELECT COUNT(*) AS reports FROM report WHERE day < ? AND done = 0',
  forgetReports: 'DELETE FROM report WHERE day < ?',
  forgetDays: 'DELETE FROM closed_day WHERE day < ?',
  forgetAdmissions: 'DELETE FROM admission WHERE day < ?',
} as const

type StatementName = keyof typeof STATEMENTS

class ResultFile implements SqliteResultStore {
  readonly #db: DatabaseSync
  readonly #statements: Readonly<Record<StatementName, StatementSync>>
  readonly #now: () => number

  constructor(db: DatabaseSync, { now }: SqliteResultStoreOptions) {
    this.#db = db
    this.#now = now
    const prepared = Object.entries(STATEMENTS).map(([name, sql]) => [name, db.prepare(sql)] as const)
    this.#statements = Object.fromEntries(prepared) as Record<StatementName, StatementSync>
  }

  async storeId(): Promise<string> {
    return this.#transaction('storeId', () => String(this.#get('storeId')?.['id']))
  }

  async addBatch(id: string, tallies: readonly DayTally[]): Promise<BatchOutcome> {
    return this.#transaction('addBatch', () => {
      const nothing = { lateSessions: 0, mergedFailures: 0, damagedSessions: 0 }
      if (this.#run('noteBatch', id) === 0) return { repeated: true, ...nothing }
      this.#run('trimBatches', BATCHES_KEPT)
      let { lateSessions, mergedFailures: merged, damagedSessions } = nothing
      for (const one of tallies) {
        const added = this.#get('isClosed', one.day) === undefined ? this.#add(one) : 'late'
        if (added === 'late') lateSessions += sessionsIn(one.tally)
        else if (added === 'damaged') damagedSessions += sessionsIn(one.tally)
        else merged += added
      }
      return { repeated: false, lateSessions, mergedFailures: merged, damagedSessions }
    })
  }

  async tally(policyDomain: DomainName, day: UtcDay): Promise<DomainTally | undefined> {
    return this.#transaction('tally', () => {
      const tally = readTally(this.#get('tally', day, policyDomain))
      if (tally === 'damaged') throw new SyntaxError('a damaged sum')
      return tally
    })
  }

  async openDays(before: UtcDay): Promise<readonly UtcDay[]> {
    return this.#transaction('openDays', () => this.#all('openDays', before).map((row) => readDay(row['day'])))
  }

  async closeDay(day: UtcDay, dueAt: (policyDomain: DomainName) => number): Promise<number> {
    return this.#transaction('closeDay', () => {
      if (this.#run('noteClosed', day) === 0) return 0
      const domains = this.#all('domains', day).flatMap((row) => readDomain(row['domain']) ?? [])
      for (const domain of domains) this.#run('setDue', dueAt(domain), day, domain)
      return domains.length
    })
  }

  async claimReport(now: number, leaseMs: number, day?: UtcDay): Promise<ReportClaim | DamagedReport | undefined> {
    return this.#transaction('claimReport', () => {
      const row = day === undefined ? this.#get('nextDue', now) : this.#get('nextDueOfDay', now, day)
      if (row === undefined) return undefined
      const found = readClaim(row, randomUUID())
      // A report that is being worked on is due again when the lease is over, a damaged one never.
      const [token, dueAt] = found.kind === 'claim' ? [found.token, now + leaseMs] : [null, null]
      this.#run('claim', token, dueAt, Number(row['row']))
      return found
    })
  }

  async expedite(day: UtcDay, at: number): Promise<number> {
    return this.#transaction('expedite', () => {
      this.#run('expedite', at, day)
      return Number(this.#get('dueOfDay', day, at)?.['reports'])
    })
  }

  async admit(site: DomainName, day: UtcDay, max: number): Promise<boolean> {
    return this.#transaction('admit', () => this.#run('admit', day, site, max) > 0)
  }

  async days(): Promise<readonly UtcDay[]> {
    return this.#transaction('days', () => this.#all('days').map((row) => readDay(row['day'])))
  }

  async reports(day: UtcDay, { limit, after }: ReportPage): Promise<readonly ReportState[]> {
    return this.#transaction('reports', () =>
      this.#all('reports', day, after ?? '', limit).flatMap((row) => readState(row, day) ?? []),
    )
  }

  async mark(
    { policyDomain, day, token }: Pick<ReportClaim, 'policyDomain' | 'day' | 'token'>,
    { rendered, targets, firstAttemptAt, next }: ReportProgress,
  ): Promise<boolean> {
    const dueAt = next.kind === 'due' ? next.at : next.kind === 'working' ? this.#now() + next.leaseMs : null
    const state = [JSON.stringify(targets), firstAttemptAt ?? null, dueAt, Number(next.kind === 'done')]
    return this.#transaction('mark', () => {
      if (this.#run('mark', day, policyDomain, token, ...state, Number(next.kind === 'working')) === 0) return false
      if (rendered !== undefined) {
        this.#run('keep', rendered.reportId, rendered.compressed, rendered.madeAt, day, policyDomain)
      }
      return true
    })
  }

  async forget(before: UtcDay): Promise<number> {
    return this.#transaction('forget', () => {
      const unfinished = Number(this.#get('unfinished', before)?.['reports'])
      this.#run('forgetReports', before)
      this.#run('forgetDays', before)
      this.#run('forgetAdmissions', before)
      return unfinished
    })
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close()
  }

  /** Answers how many failures are counted together from now on. A sum that cannot be read is not begun anew. */
  #add({ day, policyDomain, tally }: DayTally): number | 'damaged' {
    const before = readTally(this.#get('tally', day, policyDomain)) ?? EMPTY_TALLY
    if (before === 'damaged') return 'damaged'
    const sum = mergeTallies([before, tally])
    this.#run('putTally', day, policyDomain, JSON.stringify(sum))
    return mergedFailures(sum) - mergedFailures(before)
  }

  #get(name: StatementName, ...values: readonly SQLInputValue[]): Row | undefined {
    return this.#statements[name].get(...values)
  }

  #all(name: StatementName, ...values: readonly SQLInputValue[]): readonly Row[] {
    return this.#statements[name].all(...values)
  }

  /** Answers how many rows it changed. */
  #run(name: StatementName, ...values: readonly SQLInputValue[]): number {
    return Number(this.#statements[name].run(...values).changes)
  }

  #transaction<T>(what: string, steps: () => T): T {
    try {
      this.#db.exec('BEGIN IMMEDIATE')
      const answer = steps()
      this.#db.exec('COMMIT')
      return answer
    } catch (cause) {
      if (this.#db.isOpen && this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw new ResultStoreUnavailable(`the store of results could not ${what}: ${storeFailureText(cause)}`, { cause })
    }
  }
}

type Row = Readonly<Record<string, unknown>>

function readTally(row: Row | undefined): DomainTally | 'damaged' | undefined {
  return row && (readTallyJson(String(row['tally'])) ?? 'damaged')
}

function readClaim(row: Row, token: string): ReportClaim | DamagedReport {
  const [policyDomain, day] = [readDomain(row['domain']), parseUtcDay(String(row['day']))]
  const names = { kind: 'damaged', policyDomain: policyDomain ?? UNREADABLE, day: day ?? UNREADABLE } as const
  if (policyDomain === undefined) return { ...names, part: 'domain' }
  if (day === undefined) return { ...names, part: 'day' }
  const firstAttemptAt = row['first_attempt_at'] === null ? undefined : Number(row['first_attempt_at'])
  const fields = { policyDomain, day, token, rendered: readRendered(row), firstAttemptAt }
  const claim = claimOf(fields, { sum: String(row['tally']), targets: String(row['targets']) })
  return typeof claim === 'string' ? { ...names, part: claim } : claim
}

/** Undefined: nobody can say whose it is. */
function readState(row: Row, day: UtcDay): ReportState | undefined {
  const policyDomain = readDomain(row['domain'])
  if (policyDomain === undefined) return undefined
  const targets = readTargetsJson(String(row['targets']))
  return {
    ...{ policyDomain, day },
    dueAt: row['due_at'] === null ? undefined : Number(row['due_at']),
    claimed: row['token'] !== null,
    done: row['done'] === 1,
    reportId: row['report_id'] === null ? undefined : String(row['report_id']),
    targets: targets ?? [],
    firstAttemptAt: row['first_attempt_at'] === null ? undefined : Number(row['first_attempt_at']),
    ...(targets === undefined ? { damaged: true } : {}),
    ...(row['set_aside'] === 1 ? { setAside: true } : {}),
  }
}

function readRendered({ report_id, compressed, made_at }: Row): RenderedReport | undefined {
  if (!(compressed instanceof Uint8Array)) return undefined
  return { reportId: String(report_id), compressed, madeAt: Number(made_at) }
}

function readDay(value: unknown): UtcDay {
  const day = parseUtcDay(String(value))
  if (day === undefined) throw new ResultStoreUnavailable(`not a day: ${String(value)}`)
  return day
}

function readDomain(value: unknown): DomainName | undefined {
  const name = parseDomainName(String(value))
  return name.ok ? name.value : undefined
}
