/**
 * The store's thread: owns `spool.db`. A batch has all that was asked while the last one was under way: claims and
 * queries are answered first, because they need no commit; then everything that changes the store shares one commit, each
 * operation in a savepoint of its own; the answers follow the commit. Long admin answers are made in slices in between.
 */

import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { assertNever, invariant } from '@hermetic/policy'
import { ClaimsJournal, readSuspects, type Suspect } from '../claims-journal.ts'
import { SpoolFaults } from '../faults.ts'
import type { MessageRecord } from '../store-protocol.ts'
import { Claims } from './sqlite-claims.ts'
import { storeFailure } from './sqlite-failure.ts'
import { Leases } from './sqlite-leases.ts'
import { type Applied, isMutating, type MutatingRequest, Mutations } from './sqlite-mutations.ts'
import type {
  Answer,
  Batch,
  CommitFacts,
  FromStore,
  OperationName,
  Reply,
  Request,
  StoreStart,
  Usage,
} from './sqlite-protocol.ts'
import { QueueShape } from './sqlite-queue-shape.ts'
import { QueueView, type Sliced } from './sqlite-queue-view.ts'
import { Records } from './sqlite-records.ts'
import { openStore, PAGE_BYTES, pragma } from './sqlite-schema.ts'

/** Checkpoints run after the answers are out, before the log is long enough to slow reads down. */
const CHECKPOINT_BYTES = 16 * 1024 * 1024
/** What a commit adds to the log besides contents, roughly, per operation. */
const LOG_BYTES_PER_OPERATION = 4 * PAGE_BYTES
const IDLE_MS = 1000

invariant(parentPort !== null, 'the store runs in a thread of its own')
const port = parentPort
const start = workerData as StoreStart

class Store {
  /** Who was in flight when the relay last died. */
  readonly suspects: readonly Suspect[]
  readonly #db: DatabaseSync
  readonly #faults: SpoolFaults | undefined
  readonly #records: Records
  readonly #leases = new Leases()
  readonly #journal: ClaimsJournal
  readonly #claims: Claims
  readonly #mutations: Mutations
  readonly #view: QueueView
  readonly #shape: QueueShape
  readonly #pages: () => number
  readonly #freePages: () => number
  readonly #jobs: { readonly seq: number; readonly steps: Sliced<Answer<OperationName>> }[] = []
  /** After a failed commit nothing is given out until a commit works: an accept of unknown outcome must not leave. */
  #failing = false
  #logBytes = 0
  #idle: NodeJS.Timeout | undefined
  #slicing = false
  #closing = false

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#faults = start.faults === undefined ? undefined : new SpoolFaults(start.faults)
    this.#records = new Records(db)
    this.#pages = pragma(db, 'page_count')
    this.#freePages = pragma(db, 'freelist_count')
    const claimsJournal = join(start.dataDir, 'claims.journal')
    const named = start.suspects ?? readSuspects(claimsJournal)
    this.suspects = named.filter(({ id }) => this.#records.hasMessage(id))
    this.#journal = new ClaimsJournal(claimsJournal, this.suspects)
    this.#claims = new Claims(db, this.#leases, this.#journal, { ...start, suspects: this.suspects })
    this.#mutations = new Mutations(db, { records: this.#records, leases: this.#leases, claims: this.#journal })
    this.#view = new QueueView(db, this.#records, this.#leases)
    this.#shape = new QueueShape(db)
    for (const { token, untilMono } of start.leases) this.#claims.restore(token, untilMono)
    this.#journal.flush()
  }

  usage(): Usage {
    const reusableBytes = this.#freePages() * PAGE_BYTES
    const usedBytes = this.#pages() * PAGE_BYTES - reusableBytes + this.#records.fileBytes
    return { usedBytes, reusableBytes }
  }

  run({ now, mono, requests }: Batch): void {
    this.#faults?.pass('thread')
    const group: MutatingRequest[] = []
    const replies: Reply[] = []
    this.#leases.lapse(mono)
    for (const request of requests) {
      if (isMutating(request)) group.push(request)
      else replies.push(...this.#answered(request, now, mono))
    }
    this.#journal.flush()
    post({ kind: 'replies', replies, batchDone: group.length === 0 })
    if (this.#closing) {
      port.close()
      return
    }
    if (group.length > 0) this.#commitGroup(group, now)
    this.#rest()
  }

  /** At most one reply; none yet for an answer that is made in slices. */
  #answered(request: Exclude<Request, MutatingRequest>, now: number, mono: number): readonly Reply[] {
    const { seq } = request
    try {
      if (request.op === 'list') this.#jobs.push({ seq, steps: this.#view.list(request.ask) })
      else if (request.op === 'summary') this.#jobs.push({ seq, steps: this.#shape.summary(request.ask) })
      else if (request.op === 'shape') this.#jobs.push({ seq, steps: this.#shape.shape(request.ask) })
      else return [{ seq, answer: this.#answer(request, now, mono) }]
      return []
    } catch (error) {
      return [this.#failed(seq, error)]
    }
  }

  #answer(
    request: Exclude<Request, MutatingRequest | { op: 'list' | 'summary' | 'shape' }>,
    now: number,
    mono: number,
  ) {
    switch (request.op) {
      case 'claim':
        return this.#failing ? [] : this.#claims.claim(request.ask, now, mono)
      case 'claim-message':
        return this.#failing ? [] : this.#claims.claimMessage(request.ask, now, mono)
      case 'claim-expired':
        return this.#failing ? [] : this.#claims.claimExpired(request.ask, now, mono)
      case 'claim-untold':
        return this.#failing
          ? { claims: [], after: request.ask.after, ended: true }
          : this.#claims.claimUntold(request.ask, mono)
      case 'hold-rules':
        return this.#records.holdRules()
      case 'due-lanes':
        return this.#failing ? [] : this.#claims.dueLanes(request.ask)
      case 'renew':
        return this.#claims.renew(request.ask, mono)
      case 'release':
        this.#claims.release(request.ask)
        return null
      case 'read':
        return this.#records.readContent(request.ask.id)
      case 'known':
        return request.ask.ids.filter((id) => this.#records.hasMessage(id))
      case 'entered-up-to':
        return this.#records.enteredUpTo(request.ask.file)
      case 'show':
        return this.#view.show(request.ask.id)
      case 'clear-suspect': {
        const rows = this.#records.deliveries(request.ask.id)
        this.#claims.clearSuspect(
          request.ask.id,
          rows.map((row) => row.delivery),
        )
        return null
      }
      case 'close':
        return this.#close()
      default:
        return assertNever(request)
    }
  }

  #commitGroup(group: readonly MutatingRequest[], now: number): void {
    const batchDone = group.length > 0
    const began = performance.now()
    const effects: (() => void)[] = []
    let replies: readonly Reply[]
    let lost = false
    try {
      this.#faults?.pass('before-write')
      this.#records.begin()
      replies = group.map((request) => this.#inSavepoint(request, now, effects))
      this.#claims.mendLanes()
      this.#faults?.pass('before-commit')
      this.#records.commit()
    } catch (error) {
      this.#rollback()
      post({ kind: 'replies', replies: group.map(({ seq }) => this.#failed(seq, error)), batchDone })
      return
    }
    for (const effect of effects) effect()
    this.#claims.lanesMended()
    this.#journal.flush()
    try {
      lost = this.#faults?.pass('after-commit') ?? false
    } catch {
      lost = true
    }
    if (lost) {
      this.#failing = true
      const failure = { scope: 'store', full: false, detail: 'the answer was lost', outcomeUnknown: true } as const
      replies = group.map(({ seq }) => ({ seq, failure }))
    } else if (group.some(({ op }) => op === 'probe')) this.#failing = false
    const commit: CommitFacts = { operations: group.length, durationMs: performance.now() - began }
    post({ kind: 'replies', replies, usage: this.usage(), commit, batchDone })
    this.#logBytes += group.reduce((sum, request) => sum + logBytes(request), 0)
  }

  #inSavepoint(request: MutatingRequest, now: number, effects: (() => void)[]): Reply {
    try {
      const { answer, whenCommitted }: Applied = this.#records.savepoint(() => this.#mutations.apply(request, now))
      if (whenCommitted !== undefined) effects.push(whenCommitted)
      return { seq: request.seq, answer }
    } catch (error) {
      const failure = storeFailure(error)
      if (failure.scope === 'store') throw error
      return { seq: request.seq, failure: { ...failure, outcomeUnknown: false } }
    }
  }

  #failed(seq: number, error: unknown): Reply {
    const failure = storeFailure(error)
    if (failure.scope === 'store') this.#failing = true
    return { seq, failure: { ...failure, outcomeUnknown: true } }
  }

  #rollback(): void {
    try {
      this.#records.rollback()
    } catch {
      // The next BEGIN fails too, and so does the probe, until the store is well.
    }
  }

  /** What can wait until the answers are out. */
  #rest(): void {
    if (this.#logBytes > CHECKPOINT_BYTES) this.#checkpoint('PASSIVE')
    this.#sliceSoon()
    if (this.#idle !== undefined || (this.#logBytes === 0 && !this.#claims.hasOutdatedLanes)) return
    this.#idle = setTimeout(() => {
      this.#idle = undefined
      if (this.#claims.hasOutdatedLanes && !this.#failing) this.#commitGroup([], 0)
      if (this.#logBytes > 0) this.#checkpoint('PASSIVE')
    }, IDLE_MS)
  }

  #sliceSoon(): void {
    if (this.#slicing || this.#jobs.length === 0) return
    this.#slicing = true
    setImmediate(() => {
      this.#slicing = false
      this.#slice()
      this.#sliceSoon()
    })
  }

  #slice(): void {
    const job = this.#jobs.shift()
    if (job === undefined) return
    try {
      const step = job.steps.next()
      if (step.done === true) post({ kind: 'replies', replies: [{ seq: job.seq, answer: step.value }] })
      else this.#jobs.push(job)
    } catch (error) {
      post({ kind: 'replies', replies: [this.#failed(job.seq, error)] })
    }
  }

  #checkpoint(mode: 'PASSIVE' | 'TRUNCATE'): void {
    try {
      this.#db.exec(`PRAGMA wal_checkpoint(${mode})`)
      this.#logBytes = 0
    } catch (error) {
      post({ kind: 'trouble', failure: storeFailure(error) })
    }
  }

  #close(): null {
    clearTimeout(this.#idle)
    this.#checkpoint('TRUNCATE')
    this.#db.close()
    this.#journal.closeClean()
    this.#closing = true
    return null
  }
}

function logBytes(request: MutatingRequest): number {
  const messages = messagesIn(request)
  const inline = messages.reduce((sum, { content, size }) => sum + (content.kind === 'inline' ? size : 0), 0)
  return LOG_BYTES_PER_OPERATION * Math.max(1, messages.length) + inline
}

function messagesIn(request: MutatingRequest): readonly Omit<MessageRecord, 'deliveries'>[] {
  if (request.op === 'accept') return [request.ask.message]
  return request.op === 'enter' ? request.ask.messages : []
}

function post(message: FromStore): void {
  if (message.kind === 'replies' && message.replies.length === 0 && message.commit === undefined && !message.batchDone)
    return
  port.postMessage(message, transferred(message))
}

/** Contents that were read go over without another copy. */
function transferred(message: FromStore): ArrayBuffer[] {
  if (message.kind !== 'replies') return []
  return message.replies.flatMap((reply) => {
    const answer = 'answer' in reply ? reply.answer : null
    const bytes = answer !== null && typeof answer === 'object' && 'bytes' in answer ? answer.bytes : undefined
    return bytes instanceof Uint8Array && bytes.buffer instanceof ArrayBuffer ? [bytes.buffer] : []
  })
}

const opened = openStore(join(start.dataDir, 'spool.db'), start.weaken === undefined ? {} : { weaken: start.weaken })
if (opened.ok) {
  const store = new Store(opened.value)
  port.on('message', (batch: Batch) => store.run(batch))
  port.postMessage({ kind: 'ready', usage: store.usage(), suspects: store.suspects } satisfies FromStore)
} else {
  port.postMessage({ kind: 'refused', error: opened.error } satisfies FromStore)
  port.close()
}
