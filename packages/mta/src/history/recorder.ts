/**
 * Between the relay, which never waits, and the history, which may be slow, full or broken: takes what happens, keeps
 * it in memory for about a second, and records it in batches. Trouble is told once, waited for with growing pauses,
 * and costs entries when there is no room left to wait in; never a message.
 */
import type { LogEvent } from '../observability/log-events.ts'
import type { NewMessage, QueueAction, QueueChange } from '../spool/spool.ts'
import { type DeliveryHistory, HistoryUnavailable, type HistoryUsage } from './delivery-history.ts'
import { acceptedEntry, EntriesOfEvents, orderedEntries, type TellingEvent } from './entries-of-events.ts'
import type { HistoryEntry } from './entry.ts'
import type { HistoryEvent } from './events.ts'

export interface RecorderOptions {
  readonly history: Pick<DeliveryHistory, 'record' | 'prune'>
  /** UTC milliseconds. */
  readonly now: () => number
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
  readonly emit: (event: HistoryEvent) => void
  /** Tests only. */
  readonly limits?: Partial<RecorderLimits>
}

export interface RecorderLimits {
  /** What a crash may lose. */
  readonly flushMs: number
  /** A batch of this size does not wait; making it into text takes a few milliseconds. */
  readonly flushEntries: number
  /** Some seconds at full speed, and a few ten megabytes. */
  readonly waitingMax: number
  readonly retryMs: number
  readonly retryMaxMs: number
  /** When nothing is recorded, age still goes on. */
  readonly pruneMs: number
  /** A store that hangs does not keep the relay from stopping. */
  readonly closeMs: number
}

export const RECORDER_LIMITS: RecorderLimits = {
  flushMs: 1_000,
  flushEntries: 600,
  waitingMax: 20_000,
  retryMs: 1_000,
  retryMaxMs: 60_000,
  pruneMs: 60_000,
  closeMs: 2_000,
}

/** Steps of forgetting after one batch: what a batch brings goes out again with one or two. */
const PRUNE_STEPS = 4

/** A batch that fails again and again for no known reason may be the reason. */
const TRIES_MAX = 3

/** Made into an entry when the batch is due: most of the work is done in one go, away from the delivery. */
type Waiting =
  | { readonly kind: 'event'; readonly event: TellingEvent; readonly at: number }
  | { readonly kind: 'message'; readonly message: NewMessage }
  | { readonly kind: 'entry'; readonly entry: HistoryEntry }

interface Outage {
  readonly since: number
  pauseMs: number
  dropped: number
  tries: number
}

export class HistoryRecorder {
  readonly #options: RecorderOptions
  readonly #limits: RecorderLimits
  readonly #entries = new EntriesOfEvents()
  readonly #waiting: Waiting[] = []
  /** Entries of a batch that was refused. */
  #again: readonly HistoryEntry[] = []
  #recording: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  readonly #pruner: NodeJS.Timeout | undefined
  #outage: Outage | undefined
  #dropped = 0
  #closing = false

  constructor(options: RecorderOptions) {
    this.#options = options
    this.#limits = { ...RECORDER_LIMITS, ...options.limits }
    this.#pruner = setInterval(() => this.#flush(), this.#limits.pruneMs)
    this.#pruner.unref()
    // So that trouble with the file, and how far it reaches back, are known from the start.
    this.#flush()
  }

  /** Takes an event of the relay; most are of no message. Never throws, never waits. */
  tell(event: LogEvent): void {
    switch (event.event) {
      case 'attempt-finished':
      case 'message-settled':
      case 'settle-unusual':
      case 'fallback-used':
      case 'chosen-route-gone':
      case 'dsn-downgraded':
      case 'spool-message-quarantined':
      case 'spool-content-unreadable':
        this.#take({ kind: 'event', event, at: this.#options.now() })
        break
      case 'dsn-queued':
        // One that comes with a settlement stands in its entry.
        if (event.gathered) this.#take({ kind: 'event', event, at: this.#options.now() })
        break
      case 'channel-judged':
      case 'session-failed':
      case 'host-passed-by':
      case 'candidate-skipped':
        this.#entries.entryOf(event, 0)
        break
    }
  }

  accepted(message: NewMessage): void {
    // Its content must not wait here.
    this.#take({ kind: 'message', message: { ...message, content: NO_CONTENT } })
  }

  ordered(changes: readonly QueueChange[], action: QueueAction): void {
    for (const entry of orderedEntries(changes, action, this.#options.now())) this.#take({ kind: 'entry', entry })
  }

  /** When what was told so far is recorded; at once while the history is in trouble. */
  async caughtUp(): Promise<void> {
    await this.#drain(Math.ceil(this.#waiting.length / this.#limits.flushEntries))
  }

  /** Records what it can, once; what the history does not take then is lost. */
  async close(): Promise<void> {
    this.#closing = true
    clearInterval(this.#pruner)
    clearTimeout(this.#timer)
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise((resolve) => {
      timer = setTimeout(resolve, this.#limits.closeMs)
    })
    await Promise.race([this.#drain(Number.POSITIVE_INFINITY), patience])
    clearTimeout(timer)
    this.#dropped += this.#waiting.length + this.#again.length
    this.#tellDropped()
  }

  /** What is told meanwhile needs more batches, and may have them later. */
  async #drain(batches: number): Promise<void> {
    await this.#recording
    for (let left = batches; left > 0 && this.#outage === undefined && this.#waiting.length > 0; left -= 1) {
      this.#flush()
      await this.#recording
    }
  }

  #take(waiting: Waiting): void {
    if (this.#waiting.length >= this.#limits.waitingMax) {
      this.#dropped += 1
      return
    }
    this.#waiting.push(waiting)
    if (this.#recording !== undefined || this.#outage !== undefined || this.#closing) return
    if (this.#waiting.length >= this.#limits.flushEntries) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), this.#limits.flushMs)
  }

  #flush(): void {
    if (this.#recording !== undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#recording = this.#record().finally(() => {
      this.#recording = undefined
      this.#next()
    })
  }

  #next(): void {
    if (this.#closing) return
    if (this.#outage !== undefined) {
      this.#timer ??= setTimeout(() => this.#flush(), this.#outage.pauseMs)
    } else if (this.#waiting.length >= this.#limits.flushEntries) this.#flush()
    else if (this.#waiting.length > 0) this.#timer ??= setTimeout(() => this.#flush(), this.#limits.flushMs)
  }

  async #record(): Promise<void> {
    const { history, emit } = this.#options
    if (this.#again.length === 0) this.#again = this.#nextBatch()
    const batch = this.#again
    try {
      const recorded = batch.length === 0 ? undefined : await history.record(batch)
      this.#again = []
      const usage = (await this.#prune()) ?? recorded
      // Not before: with nothing to record, only this has asked the store.
      this.#works()
      if (usage !== undefined) emit(written(batch.length, usage))
    } catch (error) {
      this.#fails(error)
    }
    this.#tellDropped()
  }

  #nextBatch(): readonly HistoryEntry[] {
    const taken = this.#waiting.splice(0, this.#limits.flushEntries)
    return taken.flatMap((one) => {
      try {
        return this.#entryOf(one) ?? []
      } catch {
        // A defect of ours in the wording of one entry must not cost the others, nor the relay.
        this.#dropped += 1
        return []
      }
    })
  }

  #entryOf(one: Waiting): HistoryEntry | undefined {
    if (one.kind === 'entry') return one.entry
    return one.kind === 'message' ? acceptedEntry(one.message) : this.#entries.entryOf(one.event, one.at)
  }

  async #prune(): Promise<HistoryUsage | undefined> {
    let usage: HistoryUsage | undefined
    for (let step = 0; step < PRUNE_STEPS; step += 1) {
      const pruned = await this.#options.history.prune()
      usage = pruned
      if (pruned.done) break
    }
    return usage
  }

  #works(): void {
    if (this.#outage === undefined) return
    const { since, dropped } = this.#outage
    this.#outage = undefined
    const afterMs = Math.round(this.#options.monotonic() - since)
    this.#options.emit({ event: 'history-recovered', afterMs, dropped: dropped + this.#dropped })
  }

  #fails(error: unknown): void {
    const { monotonic, emit } = this.#options
    const { retryMs, retryMaxMs } = this.#limits
    const reason = error instanceof HistoryUnavailable ? error.reason : 'failed'
    if (this.#outage === undefined) {
      this.#outage = { since: monotonic(), pauseMs: retryMs, dropped: 0, tries: 0 }
      emit({ event: 'history-failing', reason, detail: String(error) })
    } else this.#outage.pauseMs = Math.min(this.#outage.pauseMs * 2, retryMaxMs)
    this.#outage.tries = reason === 'failed' ? this.#outage.tries + 1 : 0
    if (this.#outage.tries < TRIES_MAX) return
    this.#outage.tries = 0
    this.#dropped += this.#again.length
    this.#again = []
  }

  #tellDropped(): void {
    if (this.#dropped === 0) return
    this.#options.emit({ event: 'history-dropped', entries: this.#dropped })
    if (this.#outage !== undefined) this.#outage.dropped += this.#dropped
    this.#dropped = 0
  }
}

const NO_CONTENT = { kind: 'memory', bytes: new Uint8Array() } as const

function written(entries: number, { records, usedBytes, oldestAt }: HistoryUsage): HistoryEvent {
  const oldest = oldestAt === undefined ? {} : { oldestAt }
  return { event: 'history-written', entries, records, usedBytes, ...oldest }
}
