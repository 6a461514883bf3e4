/**
 * The tables of `history.db`, their version, and the opening of the file: one owner at a time, nothing foreign or
 * newer is touched, and what is damaged is moved aside, for nothing that delivery needs is in it.
 */
import { closeSync, mkdirSync, openSync, readSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Result } from '@hermetic/policy'
import type { HistoryTrouble } from '../delivery-history.ts'

export interface HistoryFailure {
  readonly reason: HistoryTrouble
  readonly detail: string
}

export const HISTORY_NAME = 'history.db'
/** "Hmth", in the file's header: tells our store from any other SQLite file. */
const APPLICATION_ID = 0x486d7468
const SCHEMA_VERSION = 1
export const PAGE_BYTES = 4096
/** The index pages of one group, and some chunks. */
const CACHE_KIB = 8 * 1024
const LOG_PAGES = 1_000
const OWNER_ONLY = 0o700
const FILE_MODE = 0o600
// https://www.sqlite.org/fileformat.html §1.3
const HEADER_BYTES = 100
const APPLICATION_ID_AT = 68

// https://www.sqlite.org/rescode.html, primary result codes
const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_NOTADB = 26

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

/** Step n brings version n to n + 1; each runs in the transaction that raises `user_version`. */
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
    const found = readHeader(path)
    if (found?.readUInt32BE(APPLICATION_ID_AT) !== APPLICATION_ID) return
    for (const suffix of ['', '-wal', '-shm', '-journal', '.damaged']) rmSync(`${path}${suffix}`, { force: true })
  } catch {
    // It cannot even be read: nobody will.
  }
}

export function openHistoryStore(path: string): Result<DatabaseSync, HistoryFailure> {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: OWNER_ONLY })
    const header = headerVerdict(path)
    if (header !== undefined) return refusal(header)
    closeSync(openSync(path, 'a', FILE_MODE)) // SQLite would create it with the umask's mode
  } catch (error) {
    return refusal(historyFailure(error))
  }
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path, { timeout: 0, enableForeignKeyConstraints: false })
    const refused = lockAndMigrate(db)
    if (refused === undefined) {
      db.exec(`
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = NORMAL;
        PRAGMA cache_size = -${CACHE_KIB};
        PRAGMA wal_autocheckpoint = ${LOG_PAGES};
        PRAGMA journal_size_limit = ${4 * LOG_PAGES * PAGE_BYTES};
      `)
      return { ok: true, value: db }
    }
    db.close()
    return refusal(refused)
  } catch (error) {
    if (db?.isOpen) db.close()
    return refusal(historyFailure(error))
  }
}

// Not `err` of the policy package: this thread would load all of it.
function refusal(error: HistoryFailure): Result<never, HistoryFailure> {
  return { ok: false, error }
}

/** Why the file is not ours to open, told by its header alone: a foreign file is not even locked. */
function headerVerdict(path: string): HistoryFailure | undefined {
  const header = readHeader(path)
  if (header === undefined) return undefined
  // Creation was cut short: SQLite rolls its journal back and finds an empty file.
  const interrupted = statSync(`${path}-journal`, { throwIfNoEntry: false }) !== undefined
  if (interrupted && header.every((byte) => byte === 0)) return undefined
  if (header.toString('latin1', 0, 16) !== 'SQLite format 3\0') return { reason: 'damaged', detail: 'no SQLite header' }
  return versionVerdict({ applicationId: header.readUInt32BE(APPLICATION_ID_AT), version: header.readUInt32BE(60) })
}

/** Undefined when there is no file, or an empty one. */
function readHeader(path: string): Buffer | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined || found.size === 0) return undefined
  const header = Buffer.alloc(HEADER_BYTES)
  const file = openSync(path, 'r')
  try {
    readSync(file, header, 0, header.length, 0)
  } finally {
    closeSync(file)
  }
  return header
}

function versionVerdict(found: {
  readonly applicationId: number
  readonly version: number
}): HistoryFailure | undefined {
  if (found.applicationId !== APPLICATION_ID)
    return { reason: 'foreign-file', detail: `application id ${found.applicationId}` }
  if (found.version <= SCHEMA_VERSION) return undefined
  return { reason: 'newer-schema', detail: `version ${found.version}, this is for ${SCHEMA_VERSION}` }
}

/** The version is checked again under the lock, which stays until the file is closed. */
function lockAndMigrate(db: DatabaseSync): HistoryFailure | undefined {
  db.exec(`
    PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = ${PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL;
    BEGIN EXCLUSIVE
  `)
  const version = pragma(db, 'user_version')
  const applicationId = pragma(db, 'application_id')
  const isNew = version === 0 && applicationId === 0 && pragma(db, 'page_count') <= 1
  const refused = isNew ? undefined : versionVerdict({ applicationId, version })
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

export function pragma(
  db: DatabaseSync,
  name: 'user_version' | 'application_id' | 'page_count' | 'freelist_count',
): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0])
}

/** By SQLite's numeric result codes and the system's error codes, never by message. */
export function historyFailure(error: unknown): HistoryFailure {
  const code = sqliteCode(error)
  const detail = code === undefined ? errorCode(error) : `SQLite ${code}: ${String(error)}`
  if (code === SQLITE_BUSY) return { reason: 'locked', detail }
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) return { reason: 'damaged', detail }
  if (code === SQLITE_FULL || errorCode(error) === 'ENOSPC') return { reason: 'full', detail }
  return { reason: 'failed', detail }
}

/** The primary result code of an error that SQLite raised. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode & 0xff
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : String(error)
}
