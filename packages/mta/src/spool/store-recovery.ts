/**
 * The way back from a store that failed: outcomes and tombstones go into `unsettled.journal`, a trial commit is made
 * until one works, then the journal is replayed, and only then mail moves again. The same replay runs before the
 * first claim after a start.
 */
import type { SpoolEvent } from './events.ts'
import type { QueueId } from './queue-id.ts'
import type { ClaimToken } from './spool.ts'
import type { StoreCondition } from './store-condition.ts'
import { StoreFailed } from './store-failed.ts'
import type { SpoolStore } from './store-protocol.ts'
import type { UnsettledEntry, UnsettledJournal } from './unsettled-journal.ts'

const PROBE_INTERVAL_MS = 1000

export interface RecoveryParts {
  readonly link: SpoolStore
  readonly journal: UnsettledJournal
  readonly condition: StoreCondition
  readonly probeIntervalMs: number | undefined
  readonly emit: (event: SpoolEvent) => void
  /** Makes the store reachable again when it is not, e.g. starts its thread; rejects when it cannot yet. */
  ensureStore(): Promise<void>
  /** Applies one outcome from the journal. */
  replaySettle(entry: Extract<UnsettledEntry, { kind: 'settle' }>): Promise<void>
  replayVoid(ids: readonly QueueId[]): Promise<void>
  /** Gives the reserve back when room is what is missing. */
  makeRoom(): Promise<void>
  /** Called once mail moves again. */
  onRecovered(): void
}

export class StoreRecovery {
  readonly #parts: RecoveryParts
  /** Everything that the store has not taken yet, in the order in which it happened. */
  #entries: UnsettledEntry[]
  #damagedLines: number
  #timer: NodeJS.Timeout | undefined
  #attempt: Promise<void> | undefined
  #stopped = false

  constructor(parts: RecoveryParts, left: { entries: readonly UnsettledEntry[]; damagedLines: number }) {
    this.#parts = parts
    this.#entries = [...left.entries]
    this.#damagedLines = left.damagedLines
  }

  /**
   * Keeps an entry until it is in the store. It counts from this moment, so that no claim can overtake it;
   * answers after the fsync and rejects when the journal cannot be written either.
   */
  keep(entry: UnsettledEntry): Promise<void> {
    this.#entries.push(entry)
    return this.#parts.journal.append(entry)
  }

  /** Answered "no" while the store may have it: it must not leave before the store was told. */
  isRefused(id: QueueId): boolean {
    return this.#entries.some((entry) => entry.kind === 'tombstone' && entry.id === id)
  }

  /** Its outcome waits for the store. */
  isUnsettled(token: ClaimToken): boolean {
    return this.#entries.some((entry) => entry.kind === 'settle' && entry.token === token)
  }

  /** Tries at once, e.g. at a start, and again and again while the store fails. */
  async recover(): Promise<void> {
    this.#attempt ??= this.#try().finally(() => {
      this.#attempt = undefined
    })
    await this.#attempt
  }

  /** The store failed: try again in a while. */
  schedule(): void {
    if (this.#timer !== undefined || this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.recover()
    }, this.#parts.probeIntervalMs ?? PROBE_INTERVAL_MS)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#attempt
    await this.#parts.journal.close()
  }

  async #try(): Promise<void> {
    const { link, condition } = this.#parts
    try {
      await this.#parts.ensureStore()
      await link.ask('probe', {})
      await this.#replay()
      condition.recovered()
      this.#parts.onRecovered()
    } catch (error) {
      condition.failed(error instanceof Error ? error.message : String(error))
      if (error instanceof StoreFailed && error.failure.full) await this.#parts.makeRoom().catch(() => undefined)
      this.schedule()
    }
  }

  async #replay(): Promise<void> {
    const totals = { settlements: 0, tombstones: 0, refused: 0, damagedLines: this.#damagedLines }
    if (this.#entries.length === 0 && totals.damagedLines === 0) return
    while (this.#entries.length > 0) {
      const entries = [...this.#entries]
      const ids = entries.filter((entry) => entry.kind === 'tombstone').map((entry) => entry.id)
      if (ids.length > 0) await this.#parts.replayVoid(ids)
      const settles = entries.filter((entry) => entry.kind === 'settle')
      const refused = await Promise.all(settles.map((entry) => this.#settle(entry)))
      totals.tombstones += ids.length
      totals.settlements += settles.length
      totals.refused += refused.filter(Boolean).length
      this.#entries = this.#entries.slice(entries.length)
    }
    await this.#parts.journal.clear()
    this.#damagedLines = 0
    this.#parts.emit({ event: 'spool-journal-replayed', ...totals })
  }

  /** True when the store refuses this very entry, which no repetition would change. */
  async #settle(entry: Extract<UnsettledEntry, { kind: 'settle' }>): Promise<boolean> {
    try {
      await this.#parts.replaySettle(entry)
      return false
    } catch (error) {
      if (error instanceof StoreFailed && error.failure.scope === 'operation') return true
      throw error
    }
  }
}
