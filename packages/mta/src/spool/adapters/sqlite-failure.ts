/**
 * What a failed operation says about the store: read by SQLite's numeric result codes, never by message.
 */
import { SQLITE_FULL, sqliteCode } from '@hermetic/policy/sqlite-file'
import { isErrno } from '../durable-file.ts'
import type { StoreFailure } from '../store-failed.ts'

// https://www.sqlite.org/rescode.html, primary result codes
/** TOOBIG, CONSTRAINT, MISMATCH, RANGE: about the values of one statement. */
const OPERATION_CODES: ReadonlySet<number> = new Set([18, 19, 20, 25])

export function storeFailure(error: unknown): StoreFailure {
  const code = sqliteCode(error)
  const detail = code === undefined ? String(error) : `SQLite ${code}: ${String(error)}`
  const full = code === SQLITE_FULL || isErrno(error, 'ENOSPC')
  // An error without a code is a broken invariant of ours in that operation.
  const scope = code === undefined || OPERATION_CODES.has(code) ? 'operation' : 'store'
  return { scope, full, detail }
}
