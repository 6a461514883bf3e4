/**
 * `unsettled.journal`: what the store could not take and must not forget (architecture §3). Outcomes of
 * deliveries that did happen, and ids whose acceptance was answered 451 while the commit may have worked.
 * Each entry is fsynced before anybody is told; the file is removed once a replay is committed.
 */
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FILE_MODE, fsyncDirectory, isErrno, unlinkIfThere } from './durable-file.ts'
import type { SpoolHooks } from './faults.ts'
import { formatJournalLine, parseJournalLines } from './journal-line.ts'
import { parseQueueId, type QueueId } from './queue-id.ts'
import type { ClaimToken, NewMessage, Settlement } from './spool.ts'

const JOURNAL_BYTES_MAX = 64 * 1024 * 1024 // as much as the reserve: a failing store fails long before

export type UnsettledEntry =
  | { readonly kind: 'tombstone'; readonly id: QueueId }
  | { readonly kind: 'settle'; readonly token: ClaimToken; readonly settlement: Settlement }

export class UnsettledJournal {
  readonly #path: string
  readonly #hooks: SpoolHooks
  #file: FileHandle | undefined
  #bytes: number
  /** Appends happen one after the other, so that lines never interleave. */
  #last: Promise<void> = Promise.resolve()

  private constructor(path: string, hooks: SpoolHooks, bytes: number) {
    this.#path = path
    this.#hooks = hooks
    this.#bytes = bytes
  }

  /** Reads what an earlier run left. */
  static async open(
    path: string,
    hooks: SpoolHooks,
  ): Promise<{ journal: UnsettledJournal; entries: readonly UnsettledEntry[]; damagedLines: number }> {
    const text = await readIfThere(path)
    const lines = parseJournalLines(text)
    const entries = lines.entries.map(parseEntry)
    const known = entries.filter((entry) => entry !== undefined)
    const journal = new UnsettledJournal(path, hooks, Buffer.byteLength(text))
    return { journal, entries: known, damagedLines: lines.damagedLines + entries.length - known.length }
  }

  /** Answers after the fsync; rejects when the entry cannot be kept. */
  append(entry: UnsettledEntry): Promise<void> {
    const appended = this.#last.then(() => this.#write(entry))
    this.#last = appended.catch(() => undefined)
    return appended
  }

  /** Forgets everything appended so far: each entry is in the store now. What is appended from here on stays. */
  clear(): Promise<void> {
    const cleared = this.#last.then(() => this.#remove())
    this.#last = cleared.catch(() => undefined)
    return cleared
  }

  async #remove(): Promise<void> {
    await this.close()
    await unlinkIfThere(this.#path)
    await fsyncDirectory(dirname(this.#path), this.#hooks)
    this.#bytes = 0
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }

  async #write(entry: UnsettledEntry): Promise<void> {
    // The line feed in front ends a line that an earlier append left torn.
    const line = `\n${formatJournalLine(storedEntry(entry))}`
    if (this.#bytes + line.length > JOURNAL_BYTES_MAX) throw new Error('unsettled.journal is full')
    this.#hooks.faults?.pass('journal-write')
    const created = this.#file === undefined
    this.#file ??= await open(this.#path, 'a', FILE_MODE)
    await this.#file.appendFile(line)
    await this.#file.datasync()
    if (created) await fsyncDirectory(dirname(this.#path), this.#hooks)
    this.#bytes += line.length
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return ''
    throw error
  }
}

/** Contents as base64: JSON has no bytes. Messages caused by a settle always fit in memory. */
function storedEntry(entry: UnsettledEntry): unknown {
  if (entry.kind === 'tombstone') return entry
  return { ...entry, settlement: { ...entry.settlement, enqueue: entry.settlement.enqueue.map(storedMessage) } }
}

function storedMessage(message: NewMessage): unknown {
  if (message.content.kind !== 'memory') throw new Error('a message caused by a settle has its content in memory')
  return { ...message, content: Buffer.from(message.content.bytes).toString('base64') }
}

/** The checksum vouches for the shape of lines that this version wrote; others are counted as damaged. */
function parseEntry(line: unknown): UnsettledEntry | undefined {
  const entry = line as { kind?: unknown; id?: unknown; token?: unknown; settlement?: unknown }
  if (entry.kind === 'tombstone') {
    const id = typeof entry.id === 'string' ? parseQueueId(entry.id) : undefined
    return id === undefined ? undefined : { kind: 'tombstone', id }
  }
  if (entry.kind !== 'settle' || typeof entry.token !== 'string') return undefined
  const settlement = entry.settlement as Settlement & { enqueue: readonly (NewMessage & { content: unknown })[] }
  const enqueue = settlement.enqueue.map(
    (message): NewMessage => ({
      ...message,
      envelope: presentEnvelope(message.envelope),
      content: { kind: 'memory', bytes: Buffer.from(String(message.content), 'base64') },
    }),
  )
  return { kind: 'settle', token: entry.token as ClaimToken, settlement: { ...settlement, enqueue } }
}

/** A line of an earlier version knew REQUIRETLS as a yes or no. */
function presentEnvelope(written: NewMessage['envelope'] & { readonly requireTls?: boolean }): NewMessage['envelope'] {
  const { requireTls, ...envelope } = written
  return requireTls === undefined ? envelope : { ...envelope, tls: requireTls ? 'requiretls' : 'default' }
}
