/**
 * The table of `policy.db`, its version, and the careful opening of the file: one owner at a time, and nothing foreign
 * or newer is touched.
 */
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { Result } from '../result.ts'
import {
  openSqliteFile,
  pragma,
  SQLITE_CORRUPT,
  SQLITE_NOTADB,
  type SqliteOpenError,
  sqliteCode,
} from './sqlite-file.ts'

export type PolicyCacheOpenError = SqliteOpenError

/** "Hmpc", in the file's header: tells our store from any other SQLite file. */
const APPLICATION_ID = 0x486d7063
const PAGE_BYTES = 4096
/** 4 GiB: policies that must not be evicted need an end somewhere; then a put fails and is told. */
const PAGES_MAX = 1_048_576
const CACHE_KIB = 8 * 1024
/** 64 MiB. */
const CHECKED_PAGES_MAX = 16_384

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

const MIGRATIONS: readonly string[] = [SCHEMA_1, SCHEMA_2, SCHEMA_3]

export function policyPath(dataDir: string): string {
  return join(dataDir, 'policy.db')
}

export function openPolicyStore(dataDir: string): Result<DatabaseSync, PolicyCacheOpenError> {
  return openSqliteFile({
    path: policyPath(dataDir),
    applicationId: APPLICATION_ID,
    migrations: MIGRATIONS,
    beforeFirstPage: `PRAGMA page_size = ${PAGE_BYTES}`,
    settings: `
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA cache_size = -${CACHE_KIB};
      PRAGMA max_page_count = ${PAGES_MAX};
    `,
  })
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
