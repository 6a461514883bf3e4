/**
 * The opening of a SQLite file of our own: one owner at a time, and nothing that is foreign or newer is touched.
 *
 * Stands apart from the index of the package, so that the thread of a store loads this and nothing else.
 * https://www.sqlite.org/fileformat.html §1.3 for the header, https://www.sqlite.org/rescode.html for the result codes.
 */
import { closeSync, mkdirSync, openSync, readSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Result } from '../result.ts'

export interface SqliteFile {
  readonly path: string
  /** In the file's header: tells it from any other SQLite file. */
  readonly applicationId: number
  /** Step n brings version n to n + 1; all that are missing run in one transaction, which also raises `user_version`. */
  readonly migrations: readonly string[]
  /** What has to be said before the first page is written: `PRAGMA page_size = …`. */
  readonly beforeFirstPage?: string
  /** In the transaction that makes the file. */
  readonly onCreated?: (db: DatabaseSync) => void
  /** What holds for this opening only: `PRAGMA journal_mode = WAL; …`. */
  readonly settings: string
  /** Others may open it as well, and wait for each other this long; absent: the file is ours alone. */
  readonly sharedWaitMs?: number
}

export type SqliteOpenError =
  /** Another process, or another part of this one, owns the file. */
  | { readonly kind: 'locked'; readonly path: string }
  /** `damaged`: it does not even begin as a SQLite file does. */
  | { readonly kind: 'foreign-file'; readonly path: string; readonly damaged?: true }
  | { readonly kind: 'newer-schema'; readonly path: string; readonly found: number; readonly supported: number }
  /** A directory, say, has its name. */
  | { readonly kind: 'not-a-file'; readonly path: string }
  | { readonly kind: 'unusable-directory'; readonly path: string; readonly detail: string }
  /** `code`: SQLite's primary result code. */
  | { readonly kind: 'store-failed'; readonly path: string; readonly detail: string; readonly code?: number }

export const SQLITE_BUSY = 5
export const SQLITE_CORRUPT = 11
export const SQLITE_FULL = 13
export const SQLITE_NOTADB = 26

const OWNER_ONLY = 0o700
const FILE_MODE = 0o600
const HEADER_BYTES = 100
const MAGIC = 'SQLite format 3\0'
const VERSION_AT = 60
const APPLICATION_ID_AT = 68

/** Makes the file, and its directory, when they are not there. */
export function openSqliteFile(file: SqliteFile): Result<DatabaseSync, SqliteOpenError> {
  const { path, settings, sharedWaitMs = 0 } = file
  try {
    mkdirSync(dirname(path), { recursive: true, mode: OWNER_ONLY })
    const refused = headerVerdict(file)
    if (refused !== undefined) return failed(refused)
    closeSync(openSync(path, 'a', FILE_MODE)) // SQLite would create it with the umask's mode
  } catch (error) {
    return failed({ kind: 'unusable-directory', path, detail: codeOf(error) })
  }
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path, { timeout: sharedWaitMs, enableForeignKeyConstraints: false })
    const refused = lockAndMigrate(db, file)
    if (refused === undefined) {
      db.exec(settings)
      return { ok: true, value: db }
    }
    db.close()
    return failed(refused)
  } catch (error) {
    if (db?.isOpen) db.close()
    return failed(openError(error, path))
  }
}

/** Whether this is, by its header, a file of that application; false when it cannot be told. */
export function isSqliteFileOf(path: string, applicationId: number): boolean {
  return readHeader(path)?.readUInt32BE(APPLICATION_ID_AT) === applicationId
}

/** Which file has this name now: an open one that was deleted or replaced is another. Undefined when there is none. */
export function fileIdentity(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.dev}:${found.ino}`
}

// Not `err`: see the head of this file.
function failed(error: SqliteOpenError): Result<never, SqliteOpenError> {
  return { ok: false, error }
}

/** Why the file is not ours to open, told by its header alone: a foreign file is not even locked. */
function headerVerdict(file: SqliteFile): SqliteOpenError | undefined {
  const { path } = file
  const found = statSync(path, { throwIfNoEntry: false })
  if (found !== undefined && !found.isFile()) return { kind: 'not-a-file', path }
  const header = readHeader(path)
  if (header === undefined) return undefined
  // Creation was cut short: SQLite rolls its journal back and finds an empty file.
  const interrupted = statSync(`${path}-journal`, { throwIfNoEntry: false }) !== undefined
  if (interrupted && header.every((byte) => byte === 0)) return undefined
  if (header.toString('latin1', 0, MAGIC.length) !== MAGIC) return { kind: 'foreign-file', path, damaged: true }
  return versionVerdict(file, {
    applicationId: header.readUInt32BE(APPLICATION_ID_AT),
    version: header.readUInt32BE(VERSION_AT),
  })
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

interface FoundVersion {
  readonly applicationId: number
  readonly version: number
}

function versionVerdict(
  { path, applicationId, migrations }: SqliteFile,
  found: FoundVersion,
): SqliteOpenError | undefined {
  if (found.applicationId !== applicationId) return { kind: 'foreign-file', path }
  const supported = migrations.length
  return found.version > supported ? { kind: 'newer-schema', path, found: found.version, supported } : undefined
}

/**
 * The version is checked again under the lock, which stays until the file is closed. Creation and migrations run with a
 * rollback journal or end in a checkpoint, so that the header on disk always tells the truth to the next `headerVerdict`.
 */
function lockAndMigrate(db: DatabaseSync, file: SqliteFile): SqliteOpenError | undefined {
  const { applicationId, migrations, beforeFirstPage = '', onCreated, sharedWaitMs } = file
  if (sharedWaitMs === undefined) db.exec('PRAGMA locking_mode = EXCLUSIVE')
  db.exec(`${beforeFirstPage}; BEGIN EXCLUSIVE`)
  const found = { applicationId: pragma(db, 'application_id'), version: pragma(db, 'user_version') }
  const isNew = found.version === 0 && found.applicationId === 0 && pragma(db, 'page_count') <= 1
  const refused = isNew ? undefined : versionVerdict(file, found)
  if (refused !== undefined) {
    db.exec('ROLLBACK')
    return refused
  }
  const isOld = found.version < migrations.length
  for (const step of migrations.slice(found.version)) db.exec(step)
  if (isNew) onCreated?.(db)
  if (isOld) db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${migrations.length}`)
  db.exec('COMMIT')
  if (isOld && !isNew) db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  return undefined
}

/** A number that SQLite keeps. */
export function pragma(
  db: DatabaseSync,
  name: 'user_version' | 'application_id' | 'page_count' | 'freelist_count',
): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0])
}

function openError(error: unknown, path: string): SqliteOpenError {
  const code = sqliteCode(error)
  if (code === SQLITE_BUSY) return { kind: 'locked', path }
  if (code === SQLITE_NOTADB) return { kind: 'foreign-file', path, damaged: true }
  return { kind: 'store-failed', path, detail: storeFailureText(error), ...(code === undefined ? {} : { code }) }
}

/** The primary result code of an error that SQLite raised; undefined for any other. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode & 0xff
}

/** What an operator can do something about; names no value that was stored. */
export function storeFailureText(error: unknown): string {
  const code = sqliteCode(error)
  if (code === undefined) return codeOf(error)
  return MEANING[code] ?? `SQLite ${code}`
}

const MEANING: Readonly<Record<number, string>> = {
  [SQLITE_BUSY]: 'another process has the file',
  10: 'the disk fails',
  [SQLITE_CORRUPT]: 'the file is damaged',
  [SQLITE_FULL]: 'the disk is full',
  [SQLITE_NOTADB]: 'the file is damaged',
}

/** The message of an error may quote what was stored; its code does not. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
