/**
 * Adapter of `PolicyCache` for one node: `policy.db` in the data directory (WAL, synchronous=NORMAL: a killed process
 * loses nothing, a power cut at most what was fetched last, and that is fetched again).
 *
 * Statements run on the calling thread: a lookup takes about ten microseconds, reading the document included, a put
 * less than a hundred (measured), which is less than a message to another thread and back. A cache in memory would
 * save little and could disagree with the file.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type DomainName, parseHostname } from '../domain-name.ts'
import { expiresAt } from '../mta-sts/freshness.ts'
import { parsePolicyFile, printPolicyFile, type StsMode } from '../mta-sts/policy-file.ts'
import type { PolicyPurge } from '../mta-sts/purge.ts'
import type { DaneMemory } from '../ports/dane-memory.ts'
import {
  type CachedPolicy,
  type PolicyCache,
  PolicyCacheUnavailable,
  type PolicyCount,
  type RefreshPostponement,
  type StoredPolicy,
} from '../ports/policy-cache.ts'
import type { FileState } from '../ports/policy-events.ts'
import { ok, type Result } from '../result.ts'
import { SqliteDaneMemory } from './sqlite-dane-memory.ts'
import { storeFailureText } from './sqlite-file.ts'
import { SqliteKeptFile } from './sqlite-kept-file.ts'
import {
  DAMAGED,
  isDamage,
  looksDamaged,
  openPolicyStore,
  type PolicyCacheOpenError,
  policyPath,
} from './sqlite-policy-schema.ts'

export interface SqlitePolicyCacheOptions {
  readonly dataDir: string
  /** UTC milliseconds. */
  readonly now: () => number
  /** Monotonic milliseconds. */
  readonly monotonic?: () => number
  readonly bounds?: Partial<EvictableBounds>
  readonly daneSubjectsMax?: number
}

/** What the store may forget: never an unexpired policy that demands something. */
export interface EvictableBounds {
  readonly expired: number
  readonly none: number
}

export interface SqlitePolicyCache extends PolicyCache {
  /** In the same file. */
  readonly daneMemory: DaneMemory
  /** Keeps what somebody did while no relay ran that could log it. */
  noteOrder(order: PolicyPurge): void
  /** What was noted, once. */
  takeOrders(): readonly PolicyPurge[]
  /** Why policies cannot be read or kept: of damage until the file is opened anew, of the rest until it works again. */
  trouble(): string | undefined
  /** Whether the file has its name still; one that was deleted is written again. */
  checkFile(): FileState
  close(): void
}

export const EVICTABLE_BOUNDS: EvictableBounds = { expired: 10_000, none: 10_000 }
/** Trimming looks at up to twice the bounds, so not at every put. */
const PUTS_BETWEEN_TRIMS = 256
const LEASES_MAX = 10_000

export function openSqlitePolicyCache(
  options: SqlitePolicyCacheOptions,
): Result<SqlitePolicyCache, PolicyCacheOpenError> {
  const store = openPolicyStore(options.dataDir)
  return store.ok ? ok(new PolicyStore(store.value, options)) : store
}

const COLUMNS = 'domain, document, id, fetched_at, refresh_at, failed_refreshes, failed_at, failure'

const STATEMENTS = {
  get: `SELECT ${COLUMNS} FROM policy WHERE domain = ?`,
  put: `INSERT OR REPLACE INTO policy (domain, document, id, fetched_at, refresh_at, failed_refreshes, mode, expires_at)
        VALUES (?, ?, ?, ?, ?, 0, ?, ?)`,
  remove: 'DELETE FROM policy WHERE domain = ?',
  due: 'SELECT domain FROM policy WHERE refresh_at <= ?1 AND expires_at >= ?1 ORDER BY refresh_at, domain LIMIT ?2',
  postpone: `UPDATE policy SET refresh_at = ? WHERE domain = ? AND fetched_at = ? RETURNING failed_refreshes`,
  fail: `UPDATE policy SET failed_at = ?, failure = ?, failed_refreshes = failed_refreshes + 1, refresh_at = ?
         WHERE domain = ? AND fetched_at = ? RETURNING failed_refreshes`,
  count: `SELECT mode, COUNT(*) AS policies, SUM(fetched_at < ?1) AS stale, MIN(fetched_at) AS oldest,
            MIN(expires_at) AS soonest
          FROM policy WHERE expires_at >= ?2 GROUP BY mode ORDER BY mode`,
  noteOrder: 'INSERT INTO operator_order (at, operator, domain, mode) VALUES (?, ?, ?, ?)',
  takeOrders: 'DELETE FROM operator_order RETURNING row, at, operator, domain, mode',
  list: `SELECT ${COLUMNS} FROM policy WHERE domain > ? ORDER BY domain LIMIT ?`,
  trimExpired: `DELETE FROM policy WHERE row IN
    (SELECT row FROM policy WHERE expires_at < ? ORDER BY expires_at DESC LIMIT -1 OFFSET ?)`,
  trimNone: `DELETE FROM policy WHERE row IN
    (SELECT row FROM policy WHERE mode = 'none' ORDER BY fetched_at DESC LIMIT -1 OFFSET ?)`,
} as const

type StatementName = keyof typeof STATEMENTS

class PolicyStore implements SqlitePolicyCache {
  readonly daneMemory: DaneMemory
  readonly #db: DatabaseSync
  readonly #file: SqliteKeptFile
  readonly #statements: Readonly<Record<StatementName, StatementSync>>
  readonly #now: () => number
  readonly #monotonic: () => number
  readonly #bounds: EvictableBounds
  readonly #leases = new Map<DomainName, number>()
  #putsUntilTrim = 0
  #damaged: boolean
  readonly #failing = new Map<StatementName, string>()

  constructor(db: DatabaseSync, { dataDir, now, monotonic, bounds, daneSubjectsMax }: SqlitePolicyCacheOptions) {
    this.daneMemory = new SqliteDaneMemory(db, { max: daneSubjectsMax })
    this.#db = db
    this.#file = new SqliteKeptFile(db, policyPath(dataDir))
    this.#now = now
    this.#monotonic = monotonic ?? (() => performance.now())
    this.#bounds = { ...EVICTABLE_BOUNDS, ...bounds }
    const prepared = Object.entries(STATEMENTS).map(([name, sql]) => [name, db.prepare(sql)] as const)
    this.#statements = Object.fromEntries(prepared) as Record<StatementName, StatementSync>
    this.#damaged = looksDamaged(db)
  }

  async get(policyDomain: DomainName): Promise<StoredPolicy | undefined> {
    const row = this.#run('get', (statement) => statement.get(policyDomain))
    return row && readRow(row)
  }

  async put(policyDomain: DomainName, entry: CachedPolicy): Promise<void> {
    const { policy, id, fetchedAt, refreshAt } = entry
    const values = [printPolicyFile(policy), id, fetchedAt, refreshAt, policy.mode, expiresAt(entry)]
    this.#run('put', (statement) => statement.run(policyDomain, ...values))
    this.#putsUntilTrim -= 1
    if (this.#putsUntilTrim < 0) this.#trim()
  }

  async remove(policyDomain: DomainName): Promise<boolean> {
    return this.#run('remove', (statement) => statement.run(policyDomain)).changes > 0
  }

  async dueForRefresh(now: number, limit: number): Promise<readonly DomainName[]> {
    return this.#run('due', (statement) => statement.all(now, limit)).map((row) => readDomain(row['domain']))
  }

  async postponeRefresh(policyDomain: DomainName, postponement: RefreshPostponement): Promise<number | undefined> {
    const { fetchedAt, refreshAt, failure } = postponement
    const which = [refreshAt, policyDomain, fetchedAt]
    const row =
      failure === undefined
        ? this.#run('postpone', (statement) => statement.get(...which))
        : this.#run('fail', (statement) => statement.get(failure.at, failure.reason, ...which))
    return row && Number(row['failed_refreshes'])
  }

  /** In memory, for the file has one owner. */
  async lease(policyDomain: DomainName, ttlMs: number): Promise<boolean> {
    const now = this.#monotonic()
    if ((this.#leases.get(policyDomain) ?? now) > now) return false
    if (this.#leases.size >= LEASES_MAX) {
      for (const [domain, until] of this.#leases) if (until <= now) this.#leases.delete(domain)
    }
    this.#leases.set(policyDomain, now + ttlMs)
    return true
  }

  async list({ after, limit }: { readonly after?: DomainName; readonly limit: number }): Promise<StoredPolicy[]> {
    return this.#run('list', (statement) => statement.all(after ?? '', limit)).map(readRow)
  }

  async count({ now, staleBefore }: { readonly now: number; readonly staleBefore: number }): Promise<PolicyCount[]> {
    return this.#run('count', (statement) => statement.all(staleBefore, now)).map((row) => ({
      mode: readMode(row['mode']),
      policies: Number(row['policies']),
      stale: Number(row['stale']),
      oldestFetchedAt: Number(row['oldest']),
      soonestExpiresAt: Number(row['soonest']),
    }))
  }

  noteOrder({ at, by, policyDomain, mode }: PolicyPurge): void {
    this.#run('noteOrder', (statement) => statement.run(at, by, policyDomain, mode ?? null))
  }

  takeOrders(): readonly PolicyPurge[] {
    const rows = this.#run('takeOrders', (statement) => statement.all())
    return rows
      .toSorted((a, b) => Number(a['row']) - Number(b['row']))
      .map((row) => ({
        at: Number(row['at']),
        by: String(row['operator']),
        policyDomain: readDomain(row['domain']),
        mode: row['mode'] === null ? undefined : readMode(row['mode']),
      }))
  }

  trouble(): string | undefined {
    if (this.#damaged) return DAMAGED
    const [failing] = this.#failing
    return failing && `it could not ${failing[0]}: ${failing[1]}`
  }

  checkFile(): FileState {
    return this.#file.check()
  }

  close(): void {
    if (!this.#db.isOpen) return
    this.#file.leave()
    this.#db.close()
  }

  #trim(): void {
    this.#putsUntilTrim = PUTS_BETWEEN_TRIMS
    this.#run('trimExpired', (statement) => statement.run(this.#now(), this.#bounds.expired))
    this.#run('trimNone', (statement) => statement.run(this.#bounds.none))
  }

  /** Whatever goes wrong in here is about the store: the statements are fixed and so are the types of their values. */
  #run<T>(name: StatementName, step: (statement: StatementSync) => T): T {
    try {
      const result = step(this.#statements[name])
      this.#failing.delete(name)
      return result
    } catch (cause) {
      const text = storeFailureText(cause)
      if (isDamage(cause)) this.#damaged = true
      this.#failing.set(name, text)
      throw new PolicyCacheUnavailable(`the policy cache could not ${name}: ${text}`, { cause })
    }
  }
}

type Row = Readonly<Record<string, unknown>>

/** The document is read again by the parser that read it when it was fetched. */
function readRow(row: Row): StoredPolicy {
  const policy = parsePolicyFile(Buffer.from(String(row['document'])))
  if (!policy.ok) throw new PolicyCacheUnavailable(`the entry of ${row['domain']} is damaged: ${policy.error.kind}`)
  return {
    policyDomain: readDomain(row['domain']),
    policy: policy.value,
    id: String(row['id']),
    fetchedAt: Number(row['fetched_at']),
    refreshAt: Number(row['refresh_at']),
    failedRefreshes: Number(row['failed_refreshes']),
    ...(row['failed_at'] === null
      ? {}
      : { lastFailure: { at: Number(row['failed_at']), reason: String(row['failure']) } }),
  }
}

function readMode(value: unknown): StsMode {
  const mode = (['enforce', 'testing', 'none'] as const).find((one) => one === value)
  if (mode === undefined) throw new PolicyCacheUnavailable(`not a mode: ${String(value)}`)
  return mode
}

function readDomain(value: unknown): DomainName {
  const name = parseHostname(String(value))
  if (!name.ok) throw new PolicyCacheUnavailable(`not a domain: ${String(value)}`)
  return name.value
}
