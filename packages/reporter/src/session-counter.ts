/**
 * Counts sessions of domains that want reports (RFC 8460 §4.2), each on the UTC day on which it happened: summed in memory, and
 * handed to the store once a second in batches that count once, however often they have to be repeated.
 *
 * Whoever counts never waits. What a session says about TLS was judged before; which sessions count at all (RPT-61,
 * RPT-68, RTLS-39) is known to who calls. A process that dies loses what it has counted since the last flush, a second.
 */
import type { DomainName } from '@hermetic/policy'
import {
  type CountedSession,
  countedFetchFailure,
  countedSessions,
  type PolicyFailureSeen,
  type SessionSeen,
} from './counted-session.ts'
import type { ReportCountingEvent } from './counting-events.ts'
import { type BatchOutcome, type ResultStore, ResultStoreUnavailable } from './ports/result-store.ts'
import type { RecordLookup } from './record-lookup.ts'
import { ReportWishes } from './report-wishes.ts'
import { ResultCounts } from './result-counts.ts'
import { sessionsIn } from './tally.ts'
import { type DayTally, TallySum } from './tally-sum.ts'
import { dayEndsAt, dayStartsAt, type UtcDay, utcDayOf } from './utc-day.ts'

export interface SessionCounterOptions {
  readonly store: Pick<ResultStore, 'addBatch'>
  readonly lookUp: (policyDomain: DomainName) => Promise<RecordLookup>
  /** UTC milliseconds. */
  readonly now: () => number
  readonly monotonic: () => number
  /** Never the same twice, on any node. */
  readonly newBatchId: () => string
  readonly emit: (event: ReportCountingEvent) => void
  readonly domainsMax?: number
  readonly flushEveryMs?: number
}

const FLUSH_EVERY_MS = 1_000
/** A store that works on the calling thread must give it back in between. */
const BATCH_DOMAINS_MAX = 500
/** Domains with sums that are not in the store yet, each once a day: some 150 MB when the store is gone for long. */
const DOMAINS_MAX = 200_000

interface Batch {
  readonly id: string
  readonly tallies: readonly DayTally[]
}

export class SessionCounter {
  readonly #options: SessionCounterOptions
  readonly #wishes: ReportWishes
  readonly #sum = new TallySum()
  /** Of domains that are being asked. */
  readonly #open = new Map<DomainName, TallySum>()
  /** In whose place the store has not answered: the first of the next flush. */
  #unanswered: Batch | undefined
  #failures = 0
  #lostForRoom = 0
  #flushing: Promise<void> | undefined
  #today: { readonly day: UtcDay; readonly from: number; readonly until: number } | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: SessionCounterOptions) {
    this.#options = options
    const { lookUp, monotonic } = options
    this.#wishes = new ReportWishes({ lookUp, monotonic, onAnswer: (domain, wish) => this.#answered(domain, wish) })
  }

  start(): void {
    const everyMs = this.#options.flushEveryMs ?? FLUSH_EVERY_MS
    const flush = (): void => void this.flush().catch((error: unknown) => this.#tellDefect(error))
    this.#timer ??= setInterval(flush, everyMs).unref()
  }

  /** A session that reached a TLS decision, or a host that a policy kept from having one (RPT-62). */
  count(seen: SessionSeen): void {
    if (seen.results.length > 0) this.#add(seen.policyDomain, () => countedSessions(seen))
  }

  countFailedFetch(failure: PolicyFailureSeen): void {
    this.#add(failure.policyDomain, () => [countedFetchFailure(failure)])
  }

  /** Resolves when what was counted before is in the store, or the store has not answered. */
  async flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined
    })
    await this.#flushing
  }

  /** Nothing is counted any more. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#wishes.close()
    for (const domain of [...this.#open.keys()]) this.#answered(domain, 'wanted')
    await this.#flushing
    await this.flush()
    const left = [...(this.#unanswered?.tallies ?? []), ...this.#sum.take()]
    this.#tellLost(
      left.reduce((sum, { tally }) => sum + sessionsIn(tally), 0),
      'stopped',
    )
  }

  /** Mail must not wait because we cannot count. */
  #add(policyDomain: DomainName, sessionsOf: () => readonly CountedSession[]): void {
    try {
      this.#addIfWanted(policyDomain, sessionsOf)
    } catch (error) {
      this.#tellDefect(error)
    }
  }

  #addIfWanted(policyDomain: DomainName, sessionsOf: () => readonly CountedSession[]): void {
    const wish = this.#wishes.of(policyDomain)
    if (wish === 'unwanted') return
    const day = this.#day(this.#options.now())
    const sessions = sessionsOf()
    if (!this.#hasRoom(day, policyDomain)) {
      this.#lostForRoom += sessions.length
      return
    }
    const sum = wish === 'wanted' ? this.#sum : this.#openSum(policyDomain)
    sum.add({ day, policyDomain, sessions })
  }

  /** Writing a day out is most of the work of counting a session. */
  #day(at: number): UtcDay {
    if (this.#today !== undefined && at >= this.#today.from && at < this.#today.until) return this.#today.day
    const day = utcDayOf(at)
    this.#today = { day, from: dayStartsAt(day), until: dayEndsAt(day) }
    return day
  }

  #openSum(policyDomain: DomainName): TallySum {
    const before = this.#open.get(policyDomain)
    if (before !== undefined) return before
    const sum = new TallySum()
    this.#open.set(policyDomain, sum)
    return sum
  }

  #hasRoom(day: UtcDay, policyDomain: DomainName): boolean {
    if (this.#sum.size + this.#open.size < (this.#options.domainsMax ?? DOMAINS_MAX)) return true
    return this.#sum.has({ day, policyDomain }) || this.#open.has(policyDomain)
  }

  #answered(policyDomain: DomainName, wish: 'wanted' | 'unwanted'): void {
    const open = this.#open.get(policyDomain)
    this.#open.delete(policyDomain)
    if (open === undefined || wish === 'unwanted') return
    for (const tally of open.take()) this.#sum.merge(tally)
  }

  async #flush(): Promise<void> {
    this.#tellLost(this.#lostForRoom, 'no-room')
    this.#lostForRoom = 0
    const stored: Stored = { domains: 0, merged: 0, counts: new ResultCounts() }
    for (let batch = this.#nextBatch(); batch !== undefined; batch = this.#nextBatch()) {
      this.#unanswered = batch
      const outcome = await this.#store(batch)
      if (outcome === undefined) break
      this.#unanswered = undefined
      stored.domains += batch.tallies.length
      stored.counts.add(batch.tallies)
      stored.merged += outcome.mergedFailures
      this.#tellLost(outcome.damagedSessions, 'damaged')
      if (outcome.lateSessions > 0) {
        this.#options.emit({ event: 'tlsrpt-results-late', sessions: outcome.lateSessions })
      }
    }
    this.#tellStored(stored)
  }

  #nextBatch(): Batch | undefined {
    if (this.#unanswered !== undefined) return this.#unanswered
    const tallies = this.#sum.take(BATCH_DOMAINS_MAX)
    return tallies.length === 0 ? undefined : { id: this.#options.newBatchId(), tallies }
  }

  /** Undefined: the store did not answer, and the batch may or may not be in it. */
  async #store({ id, tallies }: Batch): Promise<BatchOutcome | undefined> {
    const { store, emit } = this.#options
    try {
      const outcome = await store.addBatch(id, tallies)
      if (this.#failures > 0) emit({ event: 'tlsrpt-store-recovered', failures: this.#failures })
      this.#failures = 0
      await letOthersRun()
      return outcome
    } catch (error) {
      if (!(error instanceof ResultStoreUnavailable)) throw error
      this.#failures += 1
      if (this.#failures === 1) emit({ event: 'tlsrpt-store-failed', detail: error.message })
      return undefined
    }
  }

  #tellStored({ domains, merged, counts }: Stored): void {
    if (domains > 0) this.#options.emit({ event: 'tlsrpt-results-stored', domains, counts: counts.all, merged })
  }

  #tellDefect(error: unknown): void {
    this.#options.emit({ event: 'tlsrpt-counting-defect', detail: String(error) })
  }

  #tellLost(sessions: number, because: 'no-room' | 'stopped' | 'damaged'): void {
    if (sessions > 0) this.#options.emit({ event: 'tlsrpt-results-lost', sessions, because })
  }
}

interface Stored {
  domains: number
  merged: number
  readonly counts: ResultCounts
}

function letOthersRun(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
