/**
 * The list of one relay: `suppression.db` in data_dir, opened beside the queue's own file, whose lock keeps a second relay
 * away. What a power cut takes from it are the refusals of the last moments.
 */
import { join } from 'node:path'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { assertNever, err, ok, type Result } from '@hermetic/policy'
import { openSqliteFile, type SqliteOpenError } from '@hermetic/policy/sqlite-file'
import type { EnhancedStatus } from '../../smtp/enhanced-status.ts'
import {
  type Noted,
  type Suppressed,
  type SuppressionKey,
  type SuppressionList,
  type SuppressionTerms,
  SuppressionUnavailable,
} from '../suppression-list.ts'

export const SUPPRESSION_NAME = 'suppression.db'
/** "Hmts", in the file's header: tells our store from any other SQLite file. */
const APPLICATION_ID = 0x486d7473
/** The command line opens it beside the relay. */
const SHARED_WAIT_MS = 1_000
/** Ended entries that one write clears away: more than it can add. */
const CLEARED_MAX = 2_000

const SCHEMA_1 = `
  CREATE TABLE suppressed (
    address TEXT NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    operator INTEGER NOT NULL,
    status TEXT,
    reason TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX suppressed_until ON suppressed (until);
  CREATE INDEX suppressed_movable ON suppressed (until) WHERE operator = 0;
  CREATE TABLE strike (address TEXT NOT NULL PRIMARY KEY, count INTEGER NOT NULL, until INTEGER NOT NULL)
    STRICT, WITHOUT ROWID;
  CREATE INDEX strike_until ON strike (until);
`

export interface SqliteSuppressionOptions {
  readonly dataDir: string
  /** Read at each operation: they may change while the relay runs. */
  readonly terms: () => SuppressionTerms
  /** UTC milliseconds. */
  readonly now: () => number
}

export interface SqliteSuppression extends SuppressionList {
  close(): void
}

export function openSqliteSuppression(options: SqliteSuppressionOptions): Result<SqliteSuppression, string> {
  const path = join(options.dataDir, SUPPRESSION_NAME)
  const opened = openSqliteFile({
    path,
    applicationId: APPLICATION_ID,
    migrations: [SCHEMA_1],
    settings: 'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL',
    sharedWaitMs: SHARED_WAIT_MS,
  })
  if (!opened.ok) return err(`${path}: ${refusalText(opened.error)}`)
  return ok(new FileSuppression(opened.value, options))
}

function refusalText(error: SqliteOpenError): string {
  switch (error.kind) {
    case 'locked':
      return 'another process has this file'
    case 'foreign-file':
      return error.damaged ? 'this file is damaged, or no database' : 'this file is of another program'
    case 'newer-schema':
      return `this file is of a newer Hermetic (version ${error.found})`
    case 'not-a-file':
      return 'this is not a file'
    case 'unusable-directory':
    case 'store-failed':
      return error.detail
    default:
      return assertNever(error)
  }
}

interface Row {
  readonly address: SuppressionKey
  readonly since: number
  readonly until: number
  readonly operator: number
  readonly status: EnhancedStatus | null
  readonly reason: string | null
}

class FileSuppression implements SqliteSuppression {
  readonly #db: DatabaseSync
  readonly #terms: () => SuppressionTerms
  readonly #now: () => number
  readonly #statements: ReturnType<typeof prepare>
  /** As counted in this transaction. */
  #entries: number | undefined

  constructor(db: DatabaseSync, { terms, now }: SqliteSuppressionOptions) {
    this.#db = db
    this.#terms = terms
    this.#now = now
    this.#statements = prepare(db)
  }

  async find(addresses: readonly SuppressionKey[]): Promise<ReadonlyMap<SuppressionKey, Suppressed>> {
    return this.#asked(() => {
      const now = this.#now()
      const found = addresses.flatMap((address) => {
        const row = this.#statements.find.get(address, now)
        return row === undefined ? [] : [[address, entryOf(row as unknown as Row)] as const]
      })
      return new Map(found)
    })
  }

  async note({ refused, delivered }: Noted): Promise<readonly Suppressed[]> {
    return this.#written((now) => {
      for (const address of delivered) {
        if (this.#statements.strike.get(address) !== undefined) this.#statements.forgive.run(address)
      }
      return refused.flatMap(({ address, status }) => {
        if (this.#statements.find.get(address, now) !== undefined) return []
        const { strikes, windowMs, expiryMs } = this.#terms()
        if (this.#struck(address, now, windowMs) < strikes) return []
        this.#statements.forgive.run(address)
        const entry: Suppressed = { address, since: now, until: now + expiryMs, by: 'bounces', status }
        return this.#put(entry) ? [entry] : []
      })
    })
  }

  async add({ address, until, status, reason }: Omit<Suppressed, 'since' | 'by'>): Promise<'added' | 'full'> {
    return this.#written((now) => {
      const words = { ...(status === undefined ? {} : { status }), ...(reason === undefined ? {} : { reason }) }
      return this.#put({ address, since: now, until, by: 'operator', ...words }) ? 'added' : 'full'
    })
  }

  async remove(address: SuppressionKey): Promise<boolean> {
    return this.#written((now) => {
      const was = this.#statements.find.get(address, now) !== undefined
      this.#statements.remove.run(address)
      this.#statements.forgive.run(address)
      return was
    })
  }

  async list(page: { readonly limit: number; readonly after?: SuppressionKey }): Promise<readonly Suppressed[]> {
    return this.#asked(() => {
      const rows = this.#statements.list.all(page.after ?? '', this.#now(), page.limit)
      return rows.map((row) => entryOf(row as unknown as Row))
    })
  }

  async count(): Promise<number> {
    return this.#asked(() => Number(Object.values(this.#statements.count.get(this.#now()) ?? {})[0]))
  }

  close(): void {
    this.#db.close()
  }

  #struck(address: SuppressionKey, now: number, windowMs: number): number {
    const known = this.#statements.strike.get(address)
    const live = known !== undefined && Number(known['until']) > now
    const count = live ? Number(known['count']) + 1 : 1
    this.#statements.strikeAgain.run(address, count, live ? Number(known['until']) : now + windowMs)
    return count
  }

  /** False when the list is full of what operators wrote. */
  #put({ address, since, until, by, status, reason }: Suppressed): boolean {
    this.#entries ??= numberOf(this.#db, 'SELECT count(*) FROM suppressed')
    if (this.#statements.any.get(address) === undefined) {
      if (this.#entries < this.#terms().entriesMax) this.#entries += 1
      else if (this.#statements.makeRoom.run().changes === 0) return false
    }
    this.#statements.put.run(address, since, until, by === 'operator' ? 1 : 0, status ?? null, reason ?? null)
    return true
  }

  #written<T>(work: (now: number) => T): T {
    return this.#asked(() => {
      const now = this.#now()
      this.#entries = undefined
      this.#db.exec('BEGIN IMMEDIATE')
      try {
        this.#statements.clearEnded.run(now, CLEARED_MAX)
        this.#statements.clearStrikes.run(now, CLEARED_MAX)
        this.#statements.boundStrikes.run(this.#terms().entriesMax)
        const answer = work(now)
        this.#db.exec('COMMIT')
        return answer
      } catch (error) {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
        throw error
      }
    })
  }

  #asked<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw new SuppressionUnavailable(`${SUPPRESSION_NAME}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}

function entryOf({ address, since, until, operator, status, reason }: Row): Suppressed {
  return {
    ...{ address, since, until, by: operator === 1 ? 'operator' : 'bounces' },
    ...(status === null ? {} : { status }),
    ...(reason === null ? {} : { reason }),
  }
}

function numberOf(db: DatabaseSync, sql: string): number {
  return Number(Object.values(db.prepare(sql).get() ?? {})[0])
}

function prepare(db: DatabaseSync) {
  const columns = 'address, since, until, operator, status, reason'
  return {
    find: db.prepare(`SELECT ${columns} FROM suppressed WHERE address = ? AND until > ?`),
    any: db.prepare('SELECT 1 FROM suppressed WHERE address = ?'),
    put: db.prepare(`INSERT OR REPLACE INTO suppressed (${columns}) VALUES (?, ?, ?, ?, ?, ?)`),
    remove: db.prepare('DELETE FROM suppressed WHERE address = ?'),
    list: db.prepare(`SELECT ${columns} FROM suppressed WHERE address > ? AND until > ? ORDER BY address LIMIT ?`),
    count: db.prepare('SELECT count(*) FROM suppressed WHERE until > ?'),
    makeRoom: db.prepare(`DELETE FROM suppressed WHERE address =
      (SELECT address FROM suppressed WHERE operator = 0 ORDER BY until LIMIT 1)`),
    clearEnded: db.prepare(`DELETE FROM suppressed WHERE address IN
      (SELECT address FROM suppressed WHERE until <= ? LIMIT ?)`),
    strike: db.prepare('SELECT count, until FROM strike WHERE address = ?'),
    strikeAgain: db.prepare('INSERT OR REPLACE INTO strike (address, count, until) VALUES (?, ?, ?)'),
    forgive: db.prepare('DELETE FROM strike WHERE address = ?'),
    clearStrikes: db.prepare(
      'DELETE FROM strike WHERE address IN (SELECT address FROM strike WHERE until <= ? LIMIT ?)',
    ),
    boundStrikes: db.prepare(`DELETE FROM strike WHERE address IN
      (SELECT address FROM strike ORDER BY until LIMIT max(0, (SELECT count(*) FROM strike) - ?))`),
  } as const satisfies Record<string, StatementSync>
}
