/**
 * Adapter of `DeliveryHistory` for one node: `history.db` in the data directory (WAL, synchronous=NORMAL: a killed
 * process loses nothing that was recorded, a power cut perhaps the last seconds), owned by a thread of its own, so
 * that neither its disk nor its compression is ever waited for by mail.
 */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { invariant } from '@hermetic/policy'
import { encodeChunk } from '../chunk.ts'
import {
  BATCH_MAX,
  type DeliveryHistory,
  FOUND_MAX,
  type HistoryAnswer,
  type HistoryQuery,
  HistoryUnavailable,
  type HistoryUsage,
  type ObservedPage,
  type ObservedQuery,
} from '../delivery-history.ts'
import type { HistoryEntry } from '../entry.ts'
import { addKeys } from '../keys.ts'
import type { HistoryOperation, HistoryOperations, HistoryReply, HistoryStart } from './sqlite-history-protocol.ts'
import { HISTORY_NAME } from './sqlite-history-schema.ts'

export interface SqliteHistoryOptions {
  readonly dataDir: string
  readonly retentionMs: number
  readonly maxBytes: number
  /** UTC milliseconds. */
  readonly now: () => number
  /** False for who only reads: a damaged file is left as it is. */
  readonly mend?: boolean
  /** Tests only. */
  readonly pagesMax?: number
}

interface Waiting {
  resolve(answer: HistoryOperations[HistoryOperation]['answer']): void
  reject(error: HistoryUnavailable): void
}

/** A disk that takes longer than this to close a file does not keep the relay from stopping. */
const CLOSE_TIMEOUT_MS = 3_000

export class SqliteHistory implements DeliveryHistory {
  readonly #options: SqliteHistoryOptions
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #seq = 0
  #closed = false

  constructor(options: SqliteHistoryOptions) {
    this.#options = options
  }

  async record(batch: readonly HistoryEntry[]): Promise<HistoryUsage> {
    invariant(batch.length > 0 && batch.length <= BATCH_MAX, 'a batch of entries')
    const hashes = new Set<number>()
    let firstAt = Number.POSITIVE_INFINITY
    let lastAt = Number.NEGATIVE_INFINITY
    for (const entry of batch) {
      addKeys(entry, hashes)
      firstAt = Math.min(firstAt, entry.at)
      lastAt = Math.max(lastAt, entry.at)
    }
    const text = new TextEncoder().encode(encodeChunk(batch))
    return this.#ask('record', { text, hashes: Uint32Array.from(hashes), records: batch.length, firstAt, lastAt }, [
      text.buffer,
    ])
  }

  find({ by, limit }: HistoryQuery): Promise<HistoryAnswer> {
    return this.#ask('find', { by, limit: Math.min(Math.max(limit, 1), FOUND_MAX) })
  }

  observed(query: ObservedQuery): Promise<ObservedPage> {
    return this.#ask('observed', query)
  }

  prune(): Promise<HistoryUsage & { readonly done: boolean }> {
    const { now, retentionMs, maxBytes } = this.#options
    return this.#ask('prune', { before: now() - retentionMs, maxBytes })
  }

  async close(): Promise<void> {
    if (this.#closed) return
    const worker = this.#worker
    const exited = worker && new Promise((resolve) => worker.once('exit', resolve))
    const asked = worker === undefined ? undefined : this.#ask('close', {})
    this.#closed = true
    if (worker === undefined) return
    const timer = setTimeout(() => void worker.terminate(), CLOSE_TIMEOUT_MS)
    // One that cannot close is left as a crash would leave it.
    await asked?.catch(() => undefined)
    await exited
    clearTimeout(timer)
  }

  /** `transferred` changes hands. */
  #ask<K extends HistoryOperation>(
    op: K,
    ask: HistoryOperations[K]['ask'],
    transferred: ArrayBuffer[] = [],
  ): Promise<HistoryOperations[K]['answer']> {
    if (this.#closed) return Promise.reject(new HistoryUnavailable('failed', 'the history is closed'))
    this.#worker ??= this.#started()
    this.#seq += 1
    const seq = this.#seq
    this.#worker.postMessage({ op, seq, ask }, transferred)
    return new Promise((resolve, reject) => {
      // The thread answers an operation with what `HistoryOperations` promises for its name.
      this.#waiting.set(seq, { resolve: (answer) => resolve(answer as HistoryOperations[K]['answer']), reject })
    })
  }

  #started(): Worker {
    const { dataDir, mend = true, pagesMax } = this.#options
    const workerData: HistoryStart = {
      path: join(dataDir, HISTORY_NAME),
      mend,
      ...(pagesMax === undefined ? {} : { pagesMax }),
    }
    const worker = new Worker(new URL('./sqlite-history-worker.ts', import.meta.url), { workerData })
    worker.on('message', (reply: HistoryReply) => this.#answered(reply))
    worker.once('error', (error) => this.#ended(worker, String(error)))
    worker.once('exit', () => this.#ended(worker, 'its thread ended'))
    return worker
  }

  #answered(reply: HistoryReply): void {
    const waiting = this.#waiting.get(reply.seq)
    this.#waiting.delete(reply.seq)
    if ('answer' in reply) waiting?.resolve(reply.answer)
    else waiting?.reject(new HistoryUnavailable(reply.failure.reason, reply.failure.detail))
  }

  /** The next operation starts another one. */
  #ended(worker: Worker, detail: string): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    for (const { reject } of this.#waiting.values()) reject(new HistoryUnavailable('failed', detail))
    this.#waiting.clear()
  }
}
