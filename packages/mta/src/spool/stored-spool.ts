/**
 * The spool of both engines (architecture §3): the port's promises on top of a store, the content files and the
 * journals. This file is the order of those steps; each step is in its own file.
 */
import { performance } from 'node:perf_hooks'
import type { LaneId } from '../delivery/lane.ts'
import type { HoldRuleStore } from '../holds/hold-rule-store.ts'
import { ContentCache } from './content-cache.ts'
import type { Contents, Staging } from './content-store.ts'
import type { CrashSuspects, Suspect } from './crash-suspects.ts'
import { errorCode, isErrno } from './durable-file.ts'
import type { SpoolEvent } from './events.ts'
import { inTime, NotInTime } from './in-time.ts'
import type { MendReport } from './mend-report.ts'
import type { QueueId } from './queue-id.ts'
import type { ReserveFile } from './reserve-file.ts'
import {
  type AcceptOutcome,
  type Claim,
  type ClaimToken,
  type Content,
  type ContentSink,
  ContentUnreadable,
  type DueLane,
  type NewMessage,
  type Settlement,
  type SettleOutcome,
  type Spool,
  type SpoolAdmin,
  type SpoolHealth,
  StoreUnavailable,
} from './spool.ts'
import type { SpoolAges, UntoldMail } from './spool-ages.ts'
import type { SpoolMoves } from './spool-moves.ts'
import type { StoreCondition } from './store-condition.ts'
import { readContent } from './store-content.ts'
import { StoreFailed } from './store-failed.ts'
import { assertPartition, claimOf, contentBytes, messageRecord } from './store-message.ts'
import type { ClaimRecord, Gone, SpoolStore, StoreAnswer, UntoldAsk } from './store-protocol.ts'
import type { StoreRecovery } from './store-recovery.ts'
import { storedHoldRules } from './stored-hold-rules.ts'
import { StoredMoves } from './stored-moves.ts'
import { StoredSpoolAdmin } from './stored-spool-admin.ts'

const CACHE_BYTES_MAX = 32 * 1024 * 1024 // constant, whatever the queue's length
/** An answer this late means a disk that hangs: no more mail until it moves. */
const UNANSWERED_MS_MAX = 30_000
/** Half of the two minutes in which RFC 6409 §5.3 wants a client to have its answer. */
const ACCEPT_MS_MAX = 60_000
/** Of that, what is kept for the tombstone, which goes to the same disk. */
const TOMBSTONE_SHARE = 1 / 4

export interface StoredSpoolParts {
  readonly now: () => number
  readonly mono: () => number
  readonly emit: (event: SpoolEvent) => void
  readonly link: SpoolStore
  readonly contents: Contents
  readonly condition: StoreCondition
  readonly reserve: ReserveFile
  /** Leases given out, so that they survive a restart of the store's thread. */
  readonly leases: Map<ClaimToken, number>
  readonly suspects: readonly Suspect[]
  /** How long an accept may take, when it is not the constant. */
  readonly acceptMs: number | undefined
  readonly onClose: () => Promise<void>
  /** Absent: nobody else could have claimed anything. */
  readonly takeBack?: () => Promise<number>
}

export class StoredSpool implements Spool {
  readonly admin: SpoolAdmin
  readonly suspects: CrashSuspects
  /** Whole messages to and from other spools. */
  readonly moves: SpoolMoves
  readonly ages: SpoolAges
  readonly holdRules: HoldRuleStore
  readonly #parts: StoredSpoolParts
  readonly #cache = new ContentCache(CACHE_BYTES_MAX)
  readonly #suspects: Map<QueueId, Suspect>
  readonly #storeMs: number
  readonly #tombstoneMs: number
  #recovery: StoreRecovery | undefined
  readonly #underWay = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined
  #closed = false

  constructor(parts: StoredSpoolParts) {
    this.#parts = parts
    const { acceptMs = ACCEPT_MS_MAX } = parts
    this.#tombstoneMs = acceptMs * TOMBSTONE_SHARE
    this.#storeMs = acceptMs - this.#tombstoneMs
    this.#suspects = new Map(parts.suspects.map((suspect) => [suspect.id, suspect]))
    this.admin = new StoredSpoolAdmin(parts.link, parts.emit, (gone) => this.forget(gone))
    this.moves = new StoredMoves({ ...parts, onGone: (gone) => this.forget(gone) })
    this.ages = {
      claimExpired: (ask) => this.#claimed(ask.leaseMs, () => parts.link.ask('claim-expired', ask)),
      claimUntold: (ask) => this.#claimUntold(ask),
    }
    this.holdRules = storedHoldRules(parts.link)
    this.suspects = {
      list: () => [...this.#suspects.values()],
      claim: (id, { leaseMs }) => this.#claimed(leaseMs, () => parts.link.ask('claim-message', { id, leaseMs })),
      clear: (id) => this.#clear(id),
      quarantine: (id, reason) => this.#quarantine(id, reason),
    }
  }

  /** The way back from failures is built on this spool's own steps, so it joins after the construction. */
  recoverWith(recovery: StoreRecovery): void {
    this.#recovery = recovery
  }

  get staging(): Staging {
    return this.#parts.contents.staging
  }

  stage(id: QueueId): ContentSink {
    return this.#parts.contents.stage(id)
  }

  accept(message: NewMessage): Promise<AcceptOutcome> {
    return this.#whileOpen(() => this.#admit(message))
  }

  async #admit(message: NewMessage): Promise<AcceptOutcome> {
    assertPartition(message)
    const health = this.health()
    if (this.#closing !== undefined) return { kind: 'unavailable', detail: 'the spool is closing' }
    if (health.intake === 'failing') return { kind: 'unavailable', detail: health.detail }
    const bytes = contentBytes(message.content)
    this.#parts.condition.pending(bytes)
    try {
      if (this.health().intake === 'full') return await this.#refused(message, { kind: 'full' })
      return await this.#accept(message)
    } finally {
      this.#parts.condition.pending(-bytes)
    }
  }

  async claim(lane: LaneId, { limit, leaseMs }: { readonly limit: number; readonly leaseMs: number }) {
    return await this.#claimed(leaseMs, () => this.#parts.link.ask('claim', { lane, limit, leaseMs }))
  }

  async renew(tokens: readonly ClaimToken[], leaseMs: number): Promise<ReadonlySet<ClaimToken>> {
    const until = this.#parts.mono() + leaseMs
    const ours = await this.#parts.link.ask('renew', { tokens, leaseMs })
    for (const token of ours) this.#parts.leases.set(token, until)
    return new Set(ours)
  }

  settle(token: ClaimToken, settlement: Settlement): Promise<SettleOutcome> {
    if (this.#closed) return Promise.reject(new StoreUnavailable('the spool is closed'))
    return this.#whileOpen(() => this.#settle(token, settlement))
  }

  async #settle(token: ClaimToken, settlement: Settlement): Promise<SettleOutcome> {
    for (const message of settlement.enqueue) assertPartition(message)
    try {
      const outcome = await this.#settleOrMakeRoom(token, settlement)
      if (settlement.keepClaim !== true) this.#parts.leases.delete(token)
      const id = idInToken(token)
      if (outcome.kind === 'merged') this.#parts.emit({ event: 'spool-settle-merged', id, ...outcome })
      return outcome
    } catch (error) {
      if (error instanceof StoreFailed && error.failure.scope === 'operation') throw error
      return await this.#journalled(token, settlement, String(error))
    }
  }

  async release(tokens: readonly ClaimToken[]): Promise<void> {
    for (const token of tokens) this.#parts.leases.delete(token)
    await this.#parts.link.ask('release', { tokens })
  }

  /**
   * What a former process of this node had claimed is free again; how many deliveries. Once it is certain that the
   * other is dead. Nothing while its outcomes wait in the journal: they come first, then the leases end by themselves.
   */
  async takeBack(): Promise<number> {
    if (this.health().claims === 'stopped') return 0
    return (await this.#parts.takeBack?.()) ?? 0
  }

  async dueLanes(options: { readonly before: number; readonly limit: number }): Promise<readonly DueLane[]> {
    if (this.health().claims === 'stopped') return []
    return await this.#parts.link.ask('due-lanes', options).catch(noneWhenFailed)
  }

  /** Compares what is derived from the messages with them, and mends it. */
  mend(order: { readonly fix: boolean }): Promise<MendReport> {
    return this.#parts.link.ask('mend', order)
  }

  async open(id: QueueId): Promise<Content> {
    const cached = this.#cache.get(id)
    if (cached !== undefined) return { kind: 'memory', size: cached.byteLength, bytes: cached }
    try {
      const content = await readContent(this.#parts, id)
      if (content.kind === 'memory') this.#cache.put(id, content.bytes)
      return content
    } catch (error) {
      if (error instanceof ContentUnreadable)
        this.#parts.emit({ event: 'spool-content-unreadable', id, detail: String(error) })
      throw error
    }
  }

  health(): SpoolHealth {
    const health = this.#parts.condition.health()
    if (health.intake === 'failing' || this.#parts.link.waitingMs() < UNANSWERED_MS_MAX) return health
    return { ...health, intake: 'failing', claims: 'stopped', detail: 'the store does not answer' }
  }

  /** No new mail; what is under way ends first, so that nothing is left between its steps. */
  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  async #end(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay)
    this.#closed = true
    await this.#parts.onClose()
  }

  async #whileOpen<T>(step: () => Promise<T>): Promise<T> {
    const running = step()
    this.#underWay.add(running)
    try {
      return await running
    } finally {
      this.#underWay.delete(running)
    }
  }

  /** What left the spool needs no content any more; a file that resists is swept later. */
  forget(gone: readonly Gone[]): void {
    for (const { id, inFile } of gone) {
      this.#cache.delete(id)
      this.#suspects.delete(id)
      if (inFile) void this.#parts.contents.remove(id).catch(() => undefined)
    }
  }

  /** One settle with everything it causes; also the replay of one from the journal. */
  async settleInStore(token: ClaimToken, settlement: Settlement, replay: boolean): Promise<SettleOutcome> {
    const { enqueue: messages, ...rest } = settlement
    const enqueue = await Promise.all(
      messages.map(async (message) => {
        const content = await this.#parts.contents.place(message.id, message.content)
        return messageRecord(message, content, this.#parts.now())
      }),
    )
    const { outcome, gone } = await this.#parts.link.ask('settle', { token, settlement: rest, enqueue, replay })
    if (outcome.kind === 'settled') {
      for (const { id, content } of messages) if (content.kind === 'memory') this.#cache.put(id, content.bytes)
    }
    this.forget(gone)
    return outcome
  }

  /** The reserve is for outcomes: given back once the store says that it is full. */
  async makeRoom(): Promise<void> {
    if (await this.#parts.reserve.release()) this.#parts.emit({ event: 'spool-reserve-released' })
  }

  async #accept(message: NewMessage): Promise<AcceptOutcome> {
    let answer: StoreAnswer<'accept'>
    try {
      answer = await inTime(this.#store(message), this.#storeMs)
    } catch (error) {
      return await this.#notAccepted(message, error instanceof NotInTime ? this.#gaveUp(error) : error)
    }
    if (answer === 'void') return { kind: 'unavailable', detail: 'this id was refused before' }
    if (answer === 'accepted' && message.content.kind === 'memory') this.#cache.put(message.id, message.content.bytes)
    return { kind: answer }
  }

  async #store(message: NewMessage): Promise<StoreAnswer<'accept'>> {
    const { contents, link, now } = this.#parts
    const content = await contents.place(message.id, message.content)
    return await link.ask('accept', { message: messageRecord(message, content, now()) })
  }

  /** The store may still commit it: claims stop until its tombstone is in the store, and so behind that commit. */
  #gaveUp({ message: detail }: NotInTime): StoreFailed {
    this.#parts.condition.failed(detail)
    this.#recovery?.schedule()
    return new StoreFailed({ scope: 'store', full: false, detail, outcomeUnknown: true })
  }

  async #notAccepted(message: NewMessage, error: unknown): Promise<AcceptOutcome> {
    const full = isFull(error)
    const refusal: AcceptOutcome = full ? { kind: 'full' } : { kind: 'unavailable', detail: String(error) }
    if (!(error instanceof StoreFailed)) {
      // The content did not reach its place, so the store never heard of the message.
      this.#parts.condition.failed(errorCode(error))
      this.#recovery?.schedule()
      return await this.#refused(message, refusal)
    }
    if (!error.failure.outcomeUnknown) return await this.#refused(message, refusal)
    this.#parts.emit({ event: 'spool-accept-voided', id: message.id, detail: String(error) })
    const kept = this.#recovery?.keep({ kind: 'tombstone', id: message.id }) ?? Promise.resolve()
    // Also when the journal cannot be written: it was answered "no", and this process remembers.
    await inTime(kept, this.#tombstoneMs).catch(() => undefined)
    return refusal
  }

  async #refused(message: NewMessage, outcome: AcceptOutcome): Promise<AcceptOutcome> {
    if (message.content.kind !== 'staged') return outcome
    await inTime(this.#parts.contents.discard(message.id), this.#tombstoneMs).catch(() => undefined)
    return outcome
  }

  async #settleOrMakeRoom(token: ClaimToken, settlement: Settlement): Promise<SettleOutcome> {
    try {
      return await this.settleInStore(token, settlement, false)
    } catch (error) {
      if (!(error instanceof StoreFailed) || !error.failure.full) throw error
      await this.makeRoom()
      return await this.settleInStore(token, settlement, false)
    }
  }

  async #journalled(token: ClaimToken, settlement: Settlement, detail: string): Promise<SettleOutcome> {
    this.#parts.condition.failed(detail)
    this.#recovery?.schedule()
    try {
      await this.#recovery?.keep({ kind: 'settle', token, settlement })
    } catch (error) {
      throw new StoreUnavailable('the outcome is kept in memory only', { cause: error })
    }
    this.#parts.emit({ event: 'spool-settle-journalled', id: idInToken(token), detail })
    return { kind: 'journalled', detail }
  }

  async #claimed(leaseMs: number, ask: () => Promise<readonly ClaimRecord[]>): Promise<readonly Claim[]> {
    if (this.#closing !== undefined || this.health().claims === 'stopped') return []
    // Before the question goes out, so that the caller's deadline is never later than the store's.
    const until = this.#parts.mono() + leaseMs
    const given = await ask().catch(noneWhenFailed)
    const refused = given.filter(({ id }) => this.#recovery?.isRefused(id) === true)
    // Asked for before the store hung, and answered with mail that was refused meanwhile.
    if (refused.length > 0) await this.release(refused.map(({ token }) => token)).catch(noneWhenFailed)
    const records = given.filter((record) => !refused.includes(record))
    for (const record of records) this.#parts.leases.set(record.token, until)
    return records.map((record) => claimOf(record, until))
  }

  async #claimUntold(ask: UntoldAsk): Promise<UntoldMail> {
    let found: Pick<UntoldMail, 'after' | 'ended'> = { after: ask.after, ended: true }
    const claims = await this.#claimed(ask.leaseMs, async () => {
      const { claims: records, ...place } = await this.#parts.link.ask('claim-untold', ask)
      found = place
      return records
    })
    return { claims, ...found }
  }

  async #clear(id: QueueId): Promise<void> {
    await this.#parts.link.ask('clear-suspect', { id })
    this.#suspects.delete(id)
  }

  async #quarantine(id: QueueId, reason: string): Promise<void> {
    const action = { kind: 'quarantine', reason } as const
    const { gone } = await this.#parts.link.ask('change', { ids: [id], action, breakLeases: true })
    this.forget(gone)
    await this.#clear(id)
    this.#parts.emit({ event: 'spool-message-quarantined', id, reason })
  }
}

function isFull(error: unknown): boolean {
  if (error instanceof StoreFailed) return error.failure.full
  const cause = error instanceof StoreUnavailable ? error.cause : error
  return isErrno(cause, 'ENOSPC')
}

/** A store that fails gives nothing out; `health` says why. */
function noneWhenFailed(error: unknown): readonly never[] {
  if (error instanceof StoreFailed) return []
  throw error
}

export function monotonicNow(): number {
  return performance.now()
}

/** The queue id that a token belongs to: tokens of every engine begin with it. */
function idInToken(token: string): QueueId {
  return token.slice(0, token.indexOf('/')) as QueueId
}
