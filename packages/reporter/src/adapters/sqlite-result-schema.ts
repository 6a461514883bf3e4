/**
 * The tables of `tlsrpt.db`, their version, and the careful opening of the file: one owner at a time, and nothing foreign
 * or newer is touched.
 */
import { randomUUID } from 'node:crypto'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { err, ok, type Result } from '@hermetic/policy'

export type ResultStoreOpenError =
  /** Another process owns the file. */
  | { readonly kind: 'locked'; readonly path: string }
  | { readonly kind: 'foreign-file'; readonly path: string }
  | { readonly kind: 'newer-schema'; readonly path: string; readonly found: number; readonly supported: number }
  | { readonly kind: 'unusable-directory'; readonly path: string; readonly detail: string }
  | { readonly kind: 'store-failed'; readonly path: string; readonly detail: string }

/** "Hmtr", in the file's header: tells our store from any other SQLite file. */
const APPLICATION_ID = 0x486d7472
/** 4 GiB: then a batch fails and is told. */
const PAGES_MAX = 1_048_576
/** 32 MiB: each second writes the same pages again, and they are synced on the calling thread. */
const CHECKPOINT_PAGES = 8_192
const OWNER_ONLY = 0o700
const FILE_MODE = 0o600
const SQLITE_BUSY = 5
const SQLITE_NOTADB = 26

/** `closed`: the day's sums stand. A report is the row of a closed day; `done` keeps it out of the index of the due. */
const SCHEMA_1 = `
  CREATE TABLE store (id TEXT NOT NULL) STRICT;
  CREATE TABLE batch (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE closed_day (day TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE report (
    row INTEGER PRIMARY KEY,
    day TEXT NOT NULL,
    domain TEXT NOT NULL,
    tally TEXT NOT NULL,
    due_at INTEGER,
    token TEXT,
    report_id TEXT,
    compressed BLOB,
    made_at INTEGER,
    targets TEXT NOT NULL DEFAULT '[]',
    first_attempt_at INTEGER,
    done INTEGER NOT NULL DEFAULT 0,
    UNIQUE (day, domain)
  ) STRICT;
  CREATE INDEX report_due ON report (due_at) WHERE done = 0 AND due_at IS NOT NULL;
`

/** How often a site was addressed on a day (RPT-12). */
const SCHEMA_2 = `
  CREATE TABLE admission (
    day TEXT NOT NULL,
    site TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (day, site)
  ) STRICT, WITHOUT ROWID;
`

/** Step n brings version n to n + 1; each runs in the transaction that raises `user_version`. */
const MIGRATIONS: readonly string[] = [SCHEMA_1, SCHEMA_2]

export function openResultFile(dataDir: string): Result<DatabaseSync, ResultStoreOpenError> {
  const path = join(dataDir, 'tlsrpt.db')
  try {
    mkdirSync(dataDir, { recursive: true, mode: OWNER_ONLY })
    closeSync(openSync(path, 'a', FILE_MODE)) // SQLite would create it with the umask's mode
  } catch (error) {
    return err({ kind: 'unusable-directory', path, detail: codeOf(error) })
  }
  const db = new DatabaseSync(path, { timeout: 0, enableForeignKeyConstraints: false })
  try {
    const refused = lockAndMigrate(db, path)
    if (refused === undefined) {
      db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA max_page_count = ${PAGES_MAX};
        PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
      return ok(db)
    }
    db.close()
    return err(refused)
  } catch (error) {
    db.close()
    return err(openError(error, path))
  }
}

/** The lock stays until the file is closed. */
function lockAndMigrate(db: DatabaseSync, path: string): ResultStoreOpenError | undefined {
  db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  const version = pragma(db, 'user_version')
  const isNew = version === 0 && pragma(db, 'application_id') === 0 && pragma(db, 'page_count') <= 1
  const refused = isNew ? undefined : versionVerdict(db, path, version)
  if (refused !== undefined) {
    db.exec('ROLLBACK')
    return refused
  }
  for (const step of MIGRATIONS.slice(version)) db.exec(step)
  if (isNew) db.prepare('INSERT INTO store (id) VALUES (?)').run(randomUUID())
  if (version < MIGRATIONS.length) {
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}`)
  }
  db.exec('COMMIT')
  return undefined
}

function versionVerdict(db: DatabaseSync, path: string, found: number): ResultStoreOpenError | undefined {
  if (pragma(db, 'application_id') !== APPLICATION_ID) return { kind: 'foreign-file', path }
  const supported = MIGRATIONS.length
  return found > supported ? { kind: 'newer-schema', path, found, supported } : undefined
}

function pragma(db: DatabaseSync, name: 'user_version' | 'application_id' | 'page_count'): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0])
}

function openError(error: unknown, path: string): ResultStoreOpenError {
  const code = sqliteCode(error)
  if (code === SQLITE_BUSY) return { kind: 'locked', path }
  if (code === SQLITE_NOTADB) return { kind: 'foreign-file', path }
  return { kind: 'store-failed', path, detail: storeFailureText(error) }
}

/** Names no value that was stored. */
export function storeFailureText(error: unknown): string {
  const code = sqliteCode(error)
  if (code === undefined) return codeOf(error)
  const meaning = MEANING[code]
  return meaning === undefined ? `SQLite ${code}` : `${meaning} (SQLite ${code})`
}

/** The result codes that an operator can do something about. */
const MEANING: Readonly<Record<number, string>> = {
  5: 'another process has the file',
  10: 'the disk fails',
  11: 'the file is damaged',
  13: 'the disk is full',
}

/** The primary result code of an error that SQLite raised. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode & 0xff
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  // The message may quote what was stored.
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
