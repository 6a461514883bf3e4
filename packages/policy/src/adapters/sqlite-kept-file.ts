/**
 * An open SQLite file whose name somebody may delete: it is still written, but nobody will find it after a stop. Then a
 * whole copy is put under the name again, at once and when the file is closed. A file that was put in its place by
 * somebody else is never touched.
 */
import { closeSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import type { FileState } from '../ports/policy-events.ts'
import { fileIdentity } from './sqlite-file.ts'

const FILE_MODE = 0o600

export class SqliteKeptFile {
  readonly #db: DatabaseSync
  readonly #path: string
  readonly #own: string | undefined
  /** Our copy under the name. */
  #copy: string | undefined

  constructor(db: DatabaseSync, path: string) {
    this.#db = db
    this.#path = path
    this.#own = fileIdentity(path)
  }

  check(): FileState {
    const found = fileIdentity(this.#path)
    if (found !== undefined && found === this.#own) return 'there'
    if (found !== undefined) return this.#isCopy() ? 'written-again' : 'another'
    return this.#write() ? 'written-again' : 'lost'
  }

  /** Before the database is closed: what came since the first copy is in the last one. */
  leave(): void {
    if (this.#isCopy()) this.#write()
    else this.check()
  }

  #isCopy(): boolean {
    return this.#copy !== undefined && untouched(this.#path) === this.#copy
  }

  #write(): boolean {
    const making = `${this.#path}.again`
    try {
      rmSync(making, { force: true })
      closeSync(openSync(making, 'w', FILE_MODE))
      this.#db.prepare('VACUUM INTO ?').run(making)
      // What is left of the deleted file beside the name must never be applied to the copy.
      for (const suffix of ['-wal', '-shm', '-journal']) rmSync(`${this.#path}${suffix}`, { force: true })
      renameSync(making, this.#path)
      this.#copy = untouched(this.#path)
      return true
    } catch {
      rmSync(making, { force: true })
      return false
    }
  }
}

/** Nobody holds our copy open, so that a file which comes after it may get its number. */
function untouched(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.dev}:${found.ino}:${found.mtimeNs}:${found.size}`
}
