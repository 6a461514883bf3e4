/**
 * The relay's side of the store's thread: gathers what is asked while the thread is busy into one message, with all
 * contents in one transferred buffer, and settles the promises when the answers come. Knows nothing of mail.
 */
import { Worker } from 'node:worker_threads'
import { err, invariant, ok, type Result } from '@hermetic/policy'
import type { Suspect } from '../claims-journal.ts'
import { StoreUnavailable } from '../spool.ts'
import { StoreFailed, type StoreFailure } from '../store-failed.ts'
import type { MessageRecord, SpoolStore } from '../store-protocol.ts'
import type {
  Answer,
  Ask,
  Batch,
  CommitFacts,
  FromStore,
  OperationName,
  Reply,
  Request,
  StoreStart,
  Usage,
} from './sqlite-protocol.ts'
import type { SpoolOpenError } from './sqlite-schema.ts'

export interface LinkEvents {
  now(): number
  mono(): number
  onUsage(usage: Usage): void
  onCommit(commit: CommitFacts): void
  /** Any failure that concerns the store as a whole, told before the promises are settled. */
  onFailure(failure: StoreFailure): void
}

interface Waiting {
  readonly since: number
  resolve(answer: Answer<OperationName>): void
  reject(error: StoreFailed): void
}

const ENDED: StoreFailure = { scope: 'store', full: false, detail: "the store's thread ended" }

export class StoreLink implements SpoolStore {
  readonly #events: LinkEvents
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #outbox: Request[] = []
  #flush: NodeJS.Immediate | undefined
  /** Until the thread is done with a batch the next one gathers: one message and one commit for all of it. */
  #busy = false
  #seq = 0
  readonly #whenIdle: (() => void)[] = []

  constructor(events: LinkEvents) {
    this.#events = events
  }

  get isUp(): boolean {
    return this.#worker !== undefined
  }

  /** How long the oldest operation has been waiting, in milliseconds. */
  waitingMs(): number {
    const [oldest] = this.#waiting.values()
    return oldest === undefined ? 0 : this.#events.mono() - oldest.since
  }

  start(start: StoreStart): Promise<Result<readonly Suspect[], SpoolOpenError>> {
    const worker = new Worker(new URL('./sqlite-spool-worker.ts', import.meta.url), { workerData: start })
    return new Promise((resolve, reject) => {
      worker.once('message', (message: FromStore) => {
        if (message.kind === 'refused') return resolve(err(message.error))
        invariant(message.kind === 'ready', 'the store says first whether it is open')
        this.#worker = worker
        this.#busy = false
        worker.on('message', (later: FromStore) => this.#received(later))
        this.#events.onUsage(message.usage)
        resolve(ok(message.suspects))
      })
      worker.once('error', (error) => {
        reject(new StoreUnavailable(`${ENDED.detail}: ${String(error)}`, { cause: error }))
        this.#ended(worker, error)
      })
      worker.once('exit', () => this.#ended(worker, undefined))
    })
  }

  ask<K extends OperationName>(op: K, ask: Ask<K>): Promise<Answer<K>> {
    if (this.#worker === undefined) return Promise.reject(new StoreFailed({ ...ENDED, outcomeUnknown: false }))
    this.#seq += 1
    const seq = this.#seq
    // The union of requests is indexed by the same name as the answer.
    this.#outbox.push({ op, seq, ask } as unknown as Request)
    this.#flushSoon()
    return new Promise((resolve, reject) => {
      this.#waiting.set(seq, {
        since: this.#events.mono(),
        resolve: (answer) => resolve(answer as Answer<K>),
        reject,
      })
    })
  }

  /** Closes the store after everything asked so far; a store that is down has nothing to close. */
  async close(): Promise<void> {
    await this.#idle()
    const worker = this.#worker
    if (worker === undefined) return
    const exited = new Promise((resolve) => worker.once('exit', resolve))
    // A store that cannot close is left as a crash would leave it.
    await this.ask('close', {}).catch(() => worker.terminate())
    this.#worker = undefined
    await exited
  }

  /** When everything asked so far is answered. */
  #idle(): Promise<void> {
    if (this.#waiting.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#whenIdle.push(resolve))
  }

  #flushSoon(): void {
    if (this.#busy || this.#outbox.length === 0) return
    this.#flush ??= setImmediate(() => {
      this.#flush = undefined
      this.#send()
    })
  }

  #send(): void {
    const requests = this.#outbox
    this.#outbox = []
    if (requests.length === 0 || this.#worker === undefined) return
    this.#busy = true
    const { packed, buffer } = packContents(requests)
    const batch: Batch = { now: this.#events.now(), mono: this.#events.mono(), requests: packed }
    this.#worker.postMessage(batch, buffer === undefined ? [] : [buffer])
  }

  #received(message: FromStore): void {
    if (message.kind === 'trouble') this.#events.onFailure(message.failure)
    if (message.kind !== 'replies') return
    if (message.batchDone === true) {
      this.#busy = false
      this.#flushSoon()
    }
    if (message.usage !== undefined) this.#events.onUsage(message.usage)
    if (message.commit !== undefined && message.commit.operations > 0) this.#events.onCommit(message.commit)
    for (const reply of message.replies) this.#answered(reply)
    this.#checkIdle()
  }

  #answered(reply: Reply): void {
    const waiting = this.#waiting.get(reply.seq)
    if (waiting === undefined) return
    this.#waiting.delete(reply.seq)
    if ('answer' in reply) {
      waiting.resolve(reply.answer)
      return
    }
    if (reply.failure.scope === 'store') this.#events.onFailure(reply.failure)
    waiting.reject(new StoreFailed(reply.failure))
  }

  /** Whatever was under way may or may not be committed. */
  #ended(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    this.#outbox = []
    const failure = { ...ENDED, detail: cause === undefined ? ENDED.detail : `${ENDED.detail}: ${String(cause)}` }
    this.#events.onFailure(failure)
    for (const { reject } of this.#waiting.values()) reject(new StoreFailed({ ...failure, outcomeUnknown: true }))
    this.#waiting.clear()
    this.#checkIdle()
  }

  #checkIdle(): void {
    if (this.#waiting.size > 0) return
    for (const resolve of this.#whenIdle.splice(0)) resolve()
  }
}

/**
 * Contents side by side in one buffer that changes hands: one copy each. Sent as they are, every view would drag
 * the whole slab that it was cut from through the clone.
 */
function packContents(requests: readonly Request[]): { packed: readonly Request[]; buffer: ArrayBuffer | undefined } {
  const total = requests.reduce(
    (sum, request) => sum + messagesOf(request).reduce((bytes, m) => bytes + inlineBytes(m), 0),
    0,
  )
  if (total === 0) return { packed: requests, buffer: undefined }
  const target = Buffer.allocUnsafeSlow(total)
  let at = 0
  const pack = <M extends Omit<MessageRecord, 'deliveries'>>(message: M): M => {
    if (message.content.kind !== 'inline') return message
    target.set(message.content.bytes, at)
    const bytes = new Uint8Array(target.buffer, at, message.content.bytes.byteLength)
    at += bytes.byteLength
    return { ...message, content: { kind: 'inline', bytes } }
  }
  const packed = requests.map((request): Request => {
    if (request.op === 'accept') return { ...request, ask: { message: pack(request.ask.message) } }
    if (request.op === 'settle') return { ...request, ask: { ...request.ask, enqueue: request.ask.enqueue.map(pack) } }
    if (request.op === 'enter') return { ...request, ask: { ...request.ask, messages: request.ask.messages.map(pack) } }
    return request
  })
  return { packed, buffer: target.buffer }
}

function messagesOf(request: Request): readonly Omit<MessageRecord, 'deliveries'>[] {
  if (request.op === 'accept') return [request.ask.message]
  if (request.op === 'enter') return request.ask.messages
  return request.op === 'settle' ? request.ask.enqueue : []
}

function inlineBytes(message: Pick<MessageRecord, 'content'>): number {
  return message.content.kind === 'inline' ? message.content.bytes.byteLength : 0
}
