/**
 * Who owns a data_dir whose queue is not in it: journals and the delivery history are of one process alone. The lock
 * is SQLite's on an empty database: the system gives it back when the process ends, however it ends.
 */
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { err, ok, type Result } from '@hermetic/policy'
import { SQLITE_BUSY, sqliteCode } from '@hermetic/policy/sqlite-file'
import { errorCode, FILE_MODE } from '../durable-file.ts'

export type DirectoryLockError =
  | { readonly kind: 'locked'; readonly path: string }
  | { readonly kind: 'unusable-directory'; readonly path: string; readonly detail: string }

export interface DirectoryLock {
  release(): void
}

const NAME = 'node.lock'

/** The directory must be there. */
export function lockDirectory(directory: string): Result<DirectoryLock, DirectoryLockError> {
  const path = join(directory, NAME)
  let db: DatabaseSync | undefined
  try {
    closeSync(openSync(path, 'a', FILE_MODE)) // SQLite would create it with the umask's mode
    db = new DatabaseSync(path, { timeout: 0 })
    db.exec('BEGIN EXCLUSIVE')
    const held = db
    return ok({ release: () => held.close() })
  } catch (error) {
    db?.close()
    if (sqliteCode(error) === SQLITE_BUSY) return err({ kind: 'locked', path })
    return err({ kind: 'unusable-directory', path, detail: errorCode(error) })
  }
}
