/**
 * What the history's thread does with its open file: chunks in, messages out, the oldest chunks away.
 *
 * The index is one number a key: group, hash, and the chunk's place in the group. New keys fall into the newest group
 * only, whose pages stay in the cache whatever the length of the history; a look-up costs one probe a group.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { pragma } from '@hermetic/policy/sqlite-file'
import type { QueueId } from '../../spool/queue-id.ts'
import { decodeChunk } from '../chunk.ts'
import {
  ENTRIES_MAX,
  type HistoryAnswer,
  type HistoryKey,
  type HistoryQuery,
  type HistoryUsage,
  type MessageHistory,
  type ObservedPage,
  type ObservedQuery,
} from '../delivery-history.ts'
import type { HistoryEntry } from '../entry.ts'
import { hashOf, matches } from '../keys.ts'
import { ObservedTally } from '../observed.ts'
import { PAGE_BYTES } from './sqlite-history-schema.ts'

/** What is recorded at once. */
export interface NewChunk {
  /** UTF-8. */
  readonly text: Uint8Array
  readonly hashes: Uint32Array
  readonly records: number
  readonly firstAt: number
  readonly lastAt: number
}

export interface PruneBounds {
  /** UTC milliseconds; what is older goes. */
  readonly before: number
  readonly maxBytes: number
}

const PLACE_BITS = 12
const HASH_BITS = 31
const PLACES = 2 ** PLACE_BITS
/**
 * Fourteen bytes each, so a group has a hundred pages: what a commit of some hundred keys has to write at most. A history
 * of a gigabyte has a thousand groups, and so many probes take some milliseconds.
 */
const KEYS_PER_GROUP = 2 ** 15
/** One step of forgetting: well below the time of a commit. */
const CHUNKS_PER_STEP = 64
const KEYS_PER_STEP = 10_000
const VACUUM_PAGES_PER_STEP = 256
/** Free pages up to this share of the file are kept for what comes. */
const SLACK_SHARE = 1 / 8
/** Chunks of a search that are kept readable: messages of one time share them. */
const READABLE_MAX = 32
/** Chunks that one search reads: a common address in a long history must not hold the thread for minutes. */
const READS_MAX = 2_000

/** Of a survey: what comes in between, a commit above all, waits some tens of milliseconds (measured: 8 µs an entry). */
const RECORDS_PER_PAGE = 5_000

const FORM_ZSTD = 1
/** The fastest: what is repeated is far apart by little, higher levels find hardly more (measured). */
const COMPRESSION = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }
/** A chunk is a second of mail; a megabyte of text is a long one. */
const CHUNK_TEXT_MAX = 64 * 1024 * 1024

const STATEMENTS = {
  insertChunk: 'INSERT INTO chunk (seq, first_at, last_at, records, form, body) VALUES (?, ?, ?, ?, ?, ?)',
  insertKeys: `INSERT OR IGNORE INTO key (k)
    SELECT (?1 << ${HASH_BITS + PLACE_BITS}) | (value << ${PLACE_BITS}) | ?2 FROM json_each(?3)`,
  keyCount: `SELECT count(*) AS count FROM key WHERE k >= (?1 << ${HASH_BITS + PLACE_BITS})`,
  ends: 'SELECT min(seq) AS first, max(seq) AS last, sum(records) AS records, min(first_at) AS oldest FROM chunk',
  oldest: 'SELECT first_at AS oldest FROM chunk ORDER BY seq LIMIT 1',
  probe: `SELECT k & ${PLACES - 1} AS place FROM key
    WHERE k BETWEEN (?1 << ${HASH_BITS + PLACE_BITS}) | (?2 << ${PLACE_BITS})
      AND (?1 << ${HASH_BITS + PLACE_BITS}) | (?2 << ${PLACE_BITS}) | ${PLACES - 1}
    ORDER BY k DESC`,
  read: 'SELECT form, body FROM chunk WHERE seq = ?',
  oldestChunks: `SELECT seq, last_at, records, length(body) AS bytes FROM chunk ORDER BY seq LIMIT ${CHUNKS_PER_STEP}`,
  ending: 'SELECT seq, last_at FROM chunk WHERE seq >= ? ORDER BY seq LIMIT 1',
  page: 'SELECT seq, records, form, body FROM chunk WHERE seq >= ? ORDER BY seq',
  removeChunk: 'DELETE FROM chunk WHERE seq = ?',
  removeKeys: `DELETE FROM key WHERE k IN
    (SELECT k FROM key WHERE k < (?1 << ${HASH_BITS + PLACE_BITS}) ORDER BY k LIMIT ${KEYS_PER_STEP})`,
} as const

type StatementName = keyof typeof STATEMENTS

export class HistoryStore {
  readonly #db: DatabaseSync
  readonly #statements: Readonly<Record<StatementName, StatementSync>>
  #first: number
  #last: number
  #keysInGroup: number
  #records: number

  constructor(db: DatabaseSync) {
    this.#db = db
    const prepared = Object.entries(STATEMENTS).map(([name, sql]) => [name, db.prepare(sql)] as const)
    this.#statements = Object.fromEntries(prepared) as Record<StatementName, StatementSync>
    const { first, last, records } = this.#statements.ends.get() ?? {}
    this.#last = last === null ? -1 : Number(last)
    this.#first = first === null ? 0 : Number(first)
    this.#records = Number(records ?? 0)
    this.#keysInGroup = Number(this.#statements.keyCount.get(groupOf(Math.max(this.#last, 0)))?.['count'])
  }

  record({ text, hashes, records, firstAt, lastAt }: NewChunk): void {
    const seq = this.#nextSeq()
    const body = zstdCompressSync(text, COMPRESSION)
    this.#transaction(() => {
      this.#statements.insertChunk.run(seq, firstAt, lastAt, records, FORM_ZSTD, body)
      this.#statements.insertKeys.run(groupOf(seq), placeOf(seq), `[${hashes.toSorted().join(',')}]`)
    })
    this.#keysInGroup = groupOf(seq) === groupOf(this.#last) ? this.#keysInGroup + hashes.length : hashes.length
    if (this.#last < 0) this.#first = seq
    this.#last = seq
    this.#records += records
  }

  usage(): HistoryUsage {
    const oldest = this.#statements.oldest.get()?.['oldest']
    const usage = { records: this.#records, usedBytes: this.usedBytes() }
    return oldest === undefined ? usage : { ...usage, oldestAt: Number(oldest) }
  }

  usedBytes(): number {
    return (pragma(this.#db, 'page_count') - pragma(this.#db, 'freelist_count')) * PAGE_BYTES
  }

  /** True when there is nothing more to forget. */
  prune({ before, maxBytes }: PruneBounds): boolean {
    let surplus = this.usedBytes() - maxBytes
    let step = 0
    this.#transaction(() => {
      for (const { seq, last_at: lastAt, records, bytes } of this.#statements.oldestChunks.all()) {
        if (Number(lastAt) >= before && surplus <= 0) break
        this.#statements.removeChunk.run(Number(seq))
        this.#records -= Number(records)
        this.#first = Number(seq) + 1
        surplus -= Number(bytes)
        step += 1
      }
      if (this.#first > 0) step += Number(this.#statements.removeKeys.run(groupOf(this.#first)).changes) / KEYS_PER_STEP
    })
    return step < 1 && this.#shrink(maxBytes)
  }

  /** Pages that nobody will need soon go back to the disk. */
  #shrink(maxBytes: number): boolean {
    const free = pragma(this.#db, 'freelist_count')
    const pages = pragma(this.#db, 'page_count')
    const wanted = pages * PAGE_BYTES > maxBytes ? 0 : pages * SLACK_SHARE
    if (free <= Math.max(wanted, VACUUM_PAGES_PER_STEP)) return true
    this.#db.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES_PER_STEP})`)
    return false
  }

  find({ by, limit }: HistoryQuery): HistoryAnswer {
    const search = new Search((seq) => this.#read(seq))
    const { ids, more } = by.kind === 'id' ? { ids: [by.id], more: false } : this.#idsOf(by, limit, search)
    const messages = ids.map((id) => this.#messageOf(id, search)).filter(({ entries }) => entries.length > 0)
    const { oldestAt } = this.usage()
    return { messages, more, ...(oldestAt === undefined ? {} : { since: oldestAt }) }
  }

  /** Chunks lie in the order of time, but for a clock that was set back. */
  observed({ since, from }: ObservedQuery): ObservedPage {
    const tally = new ObservedTally()
    let next = {}
    let read = 0
    for (const row of this.#statements.page.iterate(from ?? this.#firstSince(since))) {
      if (read >= RECORDS_PER_PAGE) {
        next = { next: Number(row['seq']) }
        break
      }
      read += Math.max(1, Number(row['records']))
      for (const entry of entriesIn(row)) if (entry.at >= since) tally.add(entry)
    }
    const { oldestAt } = this.usage()
    return { domains: tally.domains(), ...next, ...(oldestAt === undefined ? {} : { since: oldestAt }) }
  }

  /** Found by halves: numbers have gaps, and a walk over a long history would read all of it. */
  #firstSince(at: number): number {
    let low = this.#first
    let high = this.#last + 1
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const row = this.#statements.ending.get(middle)
      if (row === undefined || Number(row['last_at']) >= at) high = middle
      else low = Number(row['seq']) + 1
    }
    return low
  }

  /** Without writing anything more. */
  abandon(): void {
    if (this.#db.isOpen) this.#db.close()
  }

  close(): void {
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    this.#db.close()
  }

  #idsOf(key: HistoryKey, limit: number, search: Search): { ids: readonly QueueId[]; more: boolean } {
    const ids = new Set<QueueId>()
    for (const seq of this.#chunksOf(hashOf(key))) {
      const found = search.entriesOf(seq).filter((entry) => matches(entry, key))
      for (const { id } of found.toReversed()) ids.add(id)
      if (ids.size > limit || search.isExhausted) break
    }
    // Queue ids begin with the time of arrival; those of one millisecond stay in the order of their entries.
    const newestFirst = [...ids].sort((one, other) => {
      const [a, b] = [one.slice(0, ID_TIME_LENGTH), other.slice(0, ID_TIME_LENGTH)]
      return a === b ? 0 : a < b ? 1 : -1
    })
    return { ids: newestFirst.slice(0, limit), more: ids.size > limit || search.isExhausted }
  }

  #messageOf(id: QueueId, search: Search): MessageHistory {
    const entries: HistoryEntry[] = []
    for (const seq of this.#chunksOf(hashOf({ kind: 'id', id }))) {
      entries.push(...search.entriesOf(seq).filter((entry) => entry.id === id))
    }
    const inTime = entries.sort((one, other) => one.at - other.at || RANK[one.kind] - RANK[other.kind])
    const omitted = Math.max(0, inTime.length - ENTRIES_MAX)
    return { id, entries: omitted === 0 ? inTime : [...inTime.slice(0, 1), ...inTime.slice(omitted + 1)], omitted }
  }

  /** Those that may have the key, the newest first. */
  *#chunksOf(hash: number): Generator<number> {
    if (this.#last < 0) return
    for (let group = groupOf(this.#last); group >= groupOf(this.#first); group -= 1) {
      for (const { place } of this.#statements.probe.all(group, hash)) yield group * PLACES + Number(place)
    }
  }

  /** Empty for a chunk that was forgotten before its keys, or that is damaged. */
  #read(seq: number): readonly HistoryEntry[] {
    return entriesIn(this.#statements.read.get(seq))
  }

  #nextSeq(): number {
    const next = this.#last + 1
    const isFull = this.#keysInGroup >= KEYS_PER_GROUP && placeOf(next) !== 0
    return isFull ? (groupOf(next) + 1) * PLACES : next
  }

  #transaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      work()
      this.#db.exec('COMMIT')
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw error
    }
  }
}

/** RFC 9562 §5.7: 48 bits of milliseconds, and a hyphen among their digits. */
const ID_TIME_LENGTH = 13

/** Empty when there is none, or when it is damaged. */
function entriesIn(row: Readonly<Record<string, unknown>> | undefined): readonly HistoryEntry[] {
  if (row === undefined || row['form'] !== FORM_ZSTD || !(row['body'] instanceof Uint8Array)) return []
  try {
    return decodeChunk(zstdDecompressSync(row['body'], { maxOutputLength: CHUNK_TEXT_MAX }).toString('utf8')) ?? []
  } catch {
    return []
  }
}

/** When two things happened in the same millisecond. */
const RANK: Readonly<Record<HistoryEntry['kind'], number>> = {
  accepted: 0,
  attempt: 1,
  settled: 2,
  noted: 3,
  ordered: 4,
}

/** One search: what it has read, and how much it may. */
class Search {
  readonly #read: (seq: number) => readonly HistoryEntry[]
  readonly #readable = new Map<number, readonly HistoryEntry[]>()
  #reads = 0

  constructor(read: (seq: number) => readonly HistoryEntry[]) {
    this.#read = read
  }

  get isExhausted(): boolean {
    return this.#reads >= READS_MAX
  }

  entriesOf(seq: number): readonly HistoryEntry[] {
    const known = this.#readable.get(seq)
    if (known !== undefined) return known
    this.#reads += 1
    const entries = this.#read(seq)
    for (const oldest of this.#readable.keys()) {
      if (this.#readable.size < READABLE_MAX) break
      this.#readable.delete(oldest)
    }
    this.#readable.set(seq, entries)
    return entries
  }
}

// Numbers of chunks outgrow 32 bits in theory: no bitwise operators.
function groupOf(seq: number): number {
  return Math.floor(seq / PLACES)
}

function placeOf(seq: number): number {
  return seq % PLACES
}
