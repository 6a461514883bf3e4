/**
 * Adapter of `DaneMemory` for one node: a table of `policy.db`, whose file `sqlite-policy-cache.ts` opens and owns.
 * Statements run on the calling thread, as those of the policy cache do, and for the same reasons.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type DaneMemory, DaneMemoryUnavailable, type DaneSubject } from '../ports/dane-memory.ts'
import { storeFailureText } from './sqlite-file.ts'

/** A subject takes about a hundred octets. */
export const DANE_SUBJECTS_MAX = 50_000
/** Trimming looks at the whole index, so not at every write. */
const WRITES_BETWEEN_TRIMS = 256

const STATEMENTS = {
  lastSeen: 'SELECT seen_at FROM dane_seen WHERE subject = ?',
  remember: 'INSERT OR REPLACE INTO dane_seen (subject, seen_at) VALUES (?, ?)',
  forget: 'DELETE FROM dane_seen WHERE subject = ?',
  trim: `DELETE FROM dane_seen WHERE subject IN
    (SELECT subject FROM dane_seen ORDER BY seen_at DESC LIMIT -1 OFFSET ?)`,
} as const

type StatementName = keyof typeof STATEMENTS

export class SqliteDaneMemory implements DaneMemory {
  readonly #statements: Readonly<Record<StatementName, StatementSync>>
  readonly #max: number
  #writesUntilTrim = 0

  constructor(db: DatabaseSync, { max = DANE_SUBJECTS_MAX }: { readonly max?: number | undefined } = {}) {
    const prepared = Object.entries(STATEMENTS).map(([name, sql]) => [name, db.prepare(sql)] as const)
    this.#statements = Object.fromEntries(prepared) as Record<StatementName, StatementSync>
    this.#max = max
  }

  async lastSeen(subject: DaneSubject): Promise<number | undefined> {
    const row = this.#run('lastSeen', (statement) => statement.get(keyOf(subject)))
    return row && Number(row['seen_at'])
  }

  async remember(subject: DaneSubject, seenAt: number): Promise<void> {
    this.#run('remember', (statement) => statement.run(keyOf(subject), seenAt))
    this.#writesUntilTrim -= 1
    if (this.#writesUntilTrim >= 0) return
    this.#writesUntilTrim = WRITES_BETWEEN_TRIMS
    this.#run('trim', (statement) => statement.run(this.#max))
  }

  async forget(subject: DaneSubject): Promise<boolean> {
    return this.#run('forget', (statement) => statement.run(keyOf(subject))).changes > 0
  }

  #run<T>(name: StatementName, step: (statement: StatementSync) => T): T {
    try {
      return step(this.#statements[name])
    } catch (cause) {
      throw new DaneMemoryUnavailable(`the memory of DANE could not ${name}: ${storeFailureText(cause)}`, { cause })
    }
  }
}

function keyOf(subject: DaneSubject): string {
  return subject.kind === 'tlsa' ? `tlsa ${subject.host} ${subject.port}` : `mx ${subject.nextHop}`
}
