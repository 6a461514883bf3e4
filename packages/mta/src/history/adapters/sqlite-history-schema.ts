/**
 * The tables of `history.db`, their version, and the opening of the file: one owner at a time, nothing foreign or
 * newer is touched, and what is damaged is moved aside, for nothing that delivery needs is in it.
 */
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { Result } from '@hermetic/policy'
import {
  isSqliteFileOf,
  openSqliteFile,
  SQLITE_BUSY,
  SQLITE_CORRUPT,
  SQLITE_FULL,
  SQLITE_NOTADB,
  type SqliteOpenError,
  sqliteCode,
} from '@hermetic/policy/sqlite-file'
import type { HistoryTrouble } from '../delivery-history.ts'

export interface HistoryFailure {
  readonly reason: HistoryTrouble
  readonly detail: string
}

export const HISTORY_NAME = 'history.db'
/** "Hmth", in the file's header: tells our store from any other SQLite file. */
const APPLICATION_ID = 0x486d7468
export const PAGE_BYTES = 4096
/** The index pages of one group, and some chunks. */
const CACHE_KIB = 8 * 1024
const LOG_PAGES = 1_000

/**
 * A chunk is what was recorded together, compressed; its number has the group in front and its place in the group in
 * the last 12 bits. A key is one 63-bit number: group, hash, place (`sqlite-history-index.ts`).
 */
const SCHEMA_1 = `
  CREATE TABLE chunk (
    seq INTEGER PRIMARY KEY,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    records INTEGER NOT NULL,
    form INTEGER NOT NULL,
    body BLOB NOT NULL
  ) STRICT;
  CREATE TABLE key (k INTEGER PRIMARY KEY) STRICT;
`

const MIGRATIONS: readonly string[] = [SCHEMA_1]

/** Where a damaged file goes; an earlier one makes room, so that a bad disk does not fill up with them. */
export function asidePath(path: string): string {
  return `${path}.damaged`
}

export function moveAside(path: string): void {
  for (const suffix of ['-wal', '-shm', '-journal']) rmSync(`${path}${suffix}`, { force: true })
  renameSync(path, asidePath(path))
}

/** When none is to be kept. A file that is not ours stays. */
export function removeHistory(dataDir: string): void {
  const path = join(dataDir, HISTORY_NAME)
  try {
    if (!isSqliteFileOf(path, APPLICATION_ID)) return
    for (const suffix of ['', '-wal', '-shm', '-journal', '.damaged']) rmSync(`${path}${suffix}`, { force: true })
  } catch {
    // It cannot even be read: nobody will.
  }
}

export function openHistoryStore(path: string): Result<DatabaseSync, HistoryFailure> {
  const opened = openSqliteFile({
    path,
    applicationId: APPLICATION_ID,
    migrations: MIGRATIONS,
    beforeFirstPage: `PRAGMA page_size = ${PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL`,
    settings: `
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA cache_size = -${CACHE_KIB};
      PRAGMA wal_autocheckpoint = ${LOG_PAGES};
      PRAGMA journal_size_limit = ${4 * LOG_PAGES * PAGE_BYTES};
    `,
  })
  return opened.ok ? opened : { ok: false, error: openFailure(opened.error) }
}

function openFailure(error: SqliteOpenError): HistoryFailure {
  switch (error.kind) {
    case 'locked':
      return { reason: 'locked', detail: 'another process has the file' }
    case 'foreign-file':
      if (error.damaged) return { reason: 'damaged', detail: 'no SQLite header' }
      return { reason: 'foreign-file', detail: 'of another program' }
    case 'newer-schema':
      return { reason: 'newer-schema', detail: `version ${error.found}, this is for ${error.supported}` }
    case 'not-a-file':
      return { reason: 'failed', detail: 'not a file' }
    case 'unusable-directory':
      return { reason: reasonOf(undefined, error.detail), detail: error.detail }
    case 'store-failed':
      return { reason: reasonOf(error.code, error.detail), detail: error.detail }
  }
}

/** By SQLite's numeric result codes and the system's error codes, never by message. */
export function historyFailure(error: unknown): HistoryFailure {
  const code = sqliteCode(error)
  const detail = code === undefined ? errorCode(error) : `SQLite ${code}: ${String(error)}`
  return { reason: reasonOf(code, errorCode(error)), detail }
}

function reasonOf(code: number | undefined, system: string): HistoryTrouble {
  if (code === SQLITE_BUSY) return 'locked'
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) return 'damaged'
  return code === SQLITE_FULL || system === 'ENOSPC' ? 'full' : 'failed'
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : String(error)
}
