/**
 * The table of `policy.db`, its version, and the careful opening of the file: one owner at a time, and nothing foreign
 * or newer is touched.
 */
import { closeSync, mkdirSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { err, ok, type Result } from '../result.ts'

export type PolicyCacheOpenError =
  /** Another process owns the file. */
  | { readonly kind: 'locked'; readonly path: string }
  | { readonly kind: 'foreign-file'; readonly path: string }
  | { readonly kind: 'newer-schema'; readonly path: string; readonly found: number; readonly supported: number }
  /** A directory, say, has its name. */
  | { readonly kind: 'not-a-file'; readonly path: string }
  | { readonly kind: 'unusable-directory'; readonly path: string; readonly detail: string }
  | { readonly kind: 'store-failed'; readonly path: string; readonly detail: string }

/** "Hmpc", in the file's header: tells our store from any other SQLite file. */
const APPLICATION_ID = 0x486d7063
const SCHEMA_VERSION = 3
const PAGE_BYTES = 4096
/** 4 GiB: policies that must not be evicted need an end somewhere; then a put fails and is told. */
const PAGES_MAX = 1_048_576
const CACHE_KIB = 8 * 1024
/** 64 MiB. */
const CHECKED_PAGES_MAX = 16_384
const OWNER_ONLY = 0o700
const FILE_MODE = 0o600
const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

const SCHEMA_1 = `
  CREATE TABLE policy (
    row INTEGER PRIMARY KEY,
    domain TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL,
    id TEXT NOT NULL,
    fetched_at INTEGER NOT NULL,
    refresh_at INTEGER NOT NULL,
    failed_refreshes INTEGER NOT NULL,
    mode TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX policy_refresh ON policy (refresh_at, domain);
  CREATE INDEX policy_expiry ON policy (expires_at);
  CREATE INDEX policy_none ON policy (fetched_at) WHERE mode = 'none';
`

/** Why the last refresh failed, the gauges' columns in one index, and what operators did while no relay ran. */
const SCHEMA_2 = `
  ALTER TABLE policy ADD COLUMN failed_at INTEGER;
  ALTER TABLE policy ADD COLUMN failure TEXT;
  DROP INDEX policy_expiry;
  CREATE INDEX policy_expiry ON policy (expires_at, mode, fetched_at);
  CREATE TABLE operator_order (
    row INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    operator TEXT NOT NULL,
    domain TEXT NOT NULL,
    mode TEXT
  ) STRICT;
`

/** What was protected by DANE when it was last seen. */
const SCHEMA_3 = `
  CREATE TABLE dane_seen (
    subject TEXT PRIMARY KEY,
    seen_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX dane_seen_at ON dane_seen (seen_at);
`

/** Step n brings version n to n + 1; each runs in the transaction that raises `user_version`. */
const MIGRATIONS: readonly string[] = [SCHEMA_1, SCHEMA_2, SCHEMA_3]

export function openPolicyStore(dataDir: string): Result<DatabaseSync, PolicyCacheOpenError> {
  const path = join(dataDir, 'policy.db')
  try {
    mkdirSync(dataDir, { recursive: true, mode: OWNER_ONLY })
    const header = headerVerdict(path)
    if (header !== undefined) return err(header)
    closeSync(openSync(path, 'a', FILE_MODE)) // SQLite would create it with the umask's mode
  } catch (error) {
    return err({ kind: 'unusable-directory', path, detail: codeOf(error) })
  }
  const db = new DatabaseSync(path, { timeout: 0, enableForeignKeyConstraints: false })
  try {
    const refused = lockAndMigrate(db, path)
    if (refused === undefined) {
      db.exec(`
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = NORMAL;
        PRAGMA cache_size = -${CACHE_KIB};
        PRAGMA max_page_count = ${PAGES_MAX};
      `)
      return ok(db)
    }
    db.close()
    return err(refused)
  } catch (error) {
    db.close()
    return err(openError(error, path))
  }
}

/** Why the file is not ours to open, told by its header alone: a foreign file is not even locked. */
function headerVerdict(path: string): PolicyCacheOpenError | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return undefined
  if (!found.isFile()) return { kind: 'not-a-file', path }
  if (found.size === 0) return undefined
  const header = Buffer.alloc(100)
  const file = openSync(path, 'r')
  try {
    readSync(file, header, 0, header.length, 0)
  } finally {
    closeSync(file)
  }
  // Creation was cut short: SQLite rolls its journal back and finds an empty file.
  const interrupted = statSync(`${path}-journal`, { throwIfNoEntry: false }) !== undefined
  if (interrupted && header.every((byte) => byte === 0)) return undefined
  if (header.toString('latin1', 0, 16) !== 'SQLite format 3\0') return { kind: 'foreign-file', path }
  return versionVerdict(path, { applicationId: header.readUInt32BE(68), version: header.readUInt32BE(60) })
}

interface Version {
  readonly applicationId: number
  readonly version: number
}

function versionVerdict(path: string, { applicationId, version }: Version): PolicyCacheOpenError | undefined {
  if (applicationId !== APPLICATION_ID) return { kind: 'foreign-file', path }
  if (version > SCHEMA_VERSION) return { kind: 'newer-schema', path, found: version, supported: SCHEMA_VERSION }
  return undefined
}

/** The version is checked again under the lock, which stays until the file is closed. */
function lockAndMigrate(db: DatabaseSync, path: string): PolicyCacheOpenError | undefined {
  db.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = ${PAGE_BYTES}; BEGIN EXCLUSIVE`)
  const version = pragma(db, 'user_version')
  const applicationId = pragma(db, 'application_id')
  const isNew = version === 0 && applicationId === 0 && pragma(db, 'page_count') <= 1
  const refused = isNew ? undefined : versionVerdict(path, { applicationId, version })
  if (refused !== undefined) {
    db.exec('ROLLBACK')
    return refused
  }
  for (const step of MIGRATIONS.slice(version)) db.exec(step)
  if (version < SCHEMA_VERSION) {
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`)
  }
  db.exec('COMMIT')
  // So that the header on disk tells the truth to the next `headerVerdict`.
  if (version < SCHEMA_VERSION && !isNew) db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  return undefined
}

function pragma(db: DatabaseSync, name: 'user_version' | 'application_id' | 'page_count'): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0])
}

function openError(error: unknown, path: string): PolicyCacheOpenError {
  const code = sqliteCode(error)
  if (code === SQLITE_BUSY) return { kind: 'locked', path }
  if (code === SQLITE_NOTADB) return { kind: 'foreign-file', path }
  return { kind: 'store-failed', path, detail: storeFailureText(error) }
}

/** What an operator needs to tell a damaged file from a full disk; names no value that was stored. */
export function storeFailureText(error: unknown): string {
  const code = sqliteCode(error)
  if (code === undefined) return codeOf(error)
  return isDamage(error) ? DAMAGED : `SQLite ${code}`
}

export const DAMAGED = 'the file is damaged'

export function isDamage(error: unknown): boolean {
  const code = sqliteCode(error)
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB
}

/** Reads each page once: about a millisecond a megabyte, so a large file is left to the reads that come. */
export function looksDamaged(db: DatabaseSync): boolean {
  try {
    if (pragma(db, 'page_count') > CHECKED_PAGES_MAX) return false
    return Object.values(db.prepare('PRAGMA quick_check(1)').get() ?? {})[0] !== 'ok'
  } catch (error) {
    return isDamage(error)
  }
}

/** The primary result code of an error that SQLite raised. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode & 0xff
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : String(error)
}
