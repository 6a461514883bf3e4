/**
 * Adapter of `ResultStore` for many relays: sums and reports in Redis, outside of any queue's hash tag. Every relay adds to
 * the same sums, and each report is claimed by one of them at a time.
 *
 * Sums are the JSON of `DomainTally` and merged by `mergeTallies` here, not in Redis, so that the bounds are the same
 * everywhere: read, merged, and written in one script unless somebody was faster; then once more. Times are those that
 * the callers give. Redis keeps what it is given, which the queue checks.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { DomainName } from '@hermetic/policy'
import {
  type BatchOutcome,
  type DamagedReport,
  type ReportClaim,
  type ReportPage,
  type ReportProgress,
  type ReportState,
  type ResultStore,
  ResultStoreUnavailable,
} from '../ports/result-store.ts'
import { type DomainTally, EMPTY_TALLY, mergedFailures, mergeTallies, sessionsIn } from '../tally.ts'
import type { DayTally } from '../tally-sum.ts'
import type { UtcDay } from '../utc-day.ts'
import { damaged, list, readClaim, readDay, readDomain, readState, readTally, writeTally } from './redis-result-rows.ts'
import { RedisResultScripts, type RedisResultScriptsOptions } from './redis-result-scripts.ts'

export interface RedisResultStoreOptions extends RedisResultScriptsOptions {
  /** UTC milliseconds. */
  readonly now: () => number
}

/** Who repeats a batch later than this has been without Redis all the time, like everybody else. */
const BATCHES_KEPT_MS = 2 * 3_600_000
/** Of one script: Redis serves nobody else meanwhile. */
const PAGE = 500
/** Relays that flush at the same moment write one after the other. */
const TRIES_MAX = 60
const PAUSE_MS_MAX = 25

const REPEATED: BatchOutcome = { repeated: true, lateSessions: 0, mergedFailures: 0, damagedSessions: 0 }

export class RedisResultStore implements ResultStore {
  readonly #scripts: RedisResultScripts
  readonly #now: () => number

  constructor({ now, ...scripts }: RedisResultStoreOptions) {
    this.#scripts = new RedisResultScripts(scripts)
    this.#now = now
  }

  async storeId(): Promise<string> {
    return String(await this.#scripts.run('id', randomUUID()))
  }

  async addBatch(id: string, tallies: readonly DayTally[]): Promise<BatchOutcome> {
    const together = [...Map.groupBy(tallies, ({ day, policyDomain }) => `${day} ${policyDomain}`).values()]
    const additions = together.flatMap(([first, ...more]) =>
      first === undefined ? [] : [{ ...first, tally: mergeTallies([first, ...more].map(({ tally }) => tally)) }],
    )
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const outcome = await this.#tryToAdd(id, additions)
      if (outcome !== undefined) return outcome
      await pause(Math.random() * PAUSE_MS_MAX)
    }
    throw new ResultStoreUnavailable('the store of results could not addBatch: others write all the time')
  }

  async tally(policyDomain: DomainName, day: UtcDay): Promise<DomainTally | undefined> {
    const found = readTally(await this.#scripts.run('tally', day, policyDomain))
    if (found === 'damaged') throw damaged('a sum')
    return found?.tally
  }

  async openDays(before: UtcDay): Promise<readonly UtcDay[]> {
    return list(await this.#scripts.run('open-days', before)).map(readDay)
  }

  /** Whoever dies in here leaves an open day, and the next one goes on. */
  async closeDay(day: UtcDay, dueAt: (policyDomain: DomainName) => number): Promise<number> {
    const reports = Number(await this.#scripts.run('close-begin', day))
    if (reports === 0) return 0
    for (let after = ''; ; ) {
      const names = list(await this.#scripts.run('close-names', day, after, PAGE)).map(String)
      const plan = names.flatMap((text) => {
        const name = readDomain(text)
        return name === undefined ? [] : [name, dueAt(name)]
      })
      if (plan.length > 0) await this.#scripts.run('close-plan', day, ...plan)
      after = names.at(-1) ?? ''
      if (names.length < PAGE) break
    }
    return (await this.#scripts.run('close-end', day)) === 1 ? reports : 0
  }

  async claimReport(now: number, leaseMs: number, day?: UtcDay): Promise<ReportClaim | DamagedReport | undefined> {
    const token = randomUUID()
    const found = await this.#scripts.run('claim', now, now + leaseMs, token, day ?? '')
    if (found === null) return undefined
    const claim = readClaim(found, token)
    if (claim.kind === 'claim' || claim.part === 'report') return claim
    // As it stands there, which may be no name of ours.
    const [dayText, domainText] = list(found).map(String)
    await this.#scripts.run('set-aside', dayText ?? '', domainText ?? '', token)
    return claim
  }

  async expedite(day: UtcDay, at: number): Promise<number> {
    await this.#pages('expedite', day, at)
    return this.#pages('due-count', day, at)
  }

  async mark(
    { policyDomain, day, token }: Pick<ReportClaim, 'policyDomain' | 'day' | 'token'>,
    { rendered, targets, firstAttemptAt, next }: ReportProgress,
  ): Promise<boolean> {
    const due = next.kind === 'due' ? next.at : next.kind === 'working' ? this.#now() + next.leaseMs : ''
    const state = [JSON.stringify(targets), firstAttemptAt ?? '', due, Number(next.kind === 'working')]
    const kept = rendered && [rendered.reportId, Buffer.from(rendered.compressed).toString('base64'), rendered.madeAt]
    return (await this.#scripts.run('mark', day, policyDomain, token, ...state, ...(kept ?? []))) === 1
  }

  async admit(site: DomainName, day: UtcDay, max: number): Promise<boolean> {
    return (await this.#scripts.run('admit', day, site, max)) === 1
  }

  async days(): Promise<readonly UtcDay[]> {
    return list(await this.#scripts.run('days')).map(readDay)
  }

  async reports(day: UtcDay, { limit, after = '' as DomainName }: ReportPage): Promise<readonly ReportState[]> {
    return list(await this.#scripts.run('reports', day, after, limit)).flatMap((row) => readState(row, day) ?? [])
  }

  async forget(before: UtcDay): Promise<number> {
    const days = list(await this.#scripts.run('forget-days', before)).map(list)
    for (const [day] of days) {
      while (Number(await this.#scripts.run('forget', String(day), PAGE)) > 0);
    }
    await this.#scripts.run('forget-admissions', before)
    return days.reduce((sum, [, unfinished]) => sum + Number(unfinished), 0)
  }

  /** Undefined: somebody was faster. */
  async #tryToAdd(id: string, additions: readonly DayTally[]): Promise<BatchOutcome | undefined> {
    const places = additions.flatMap(({ day, policyDomain }) => [day, policyDomain])
    const found = await this.#scripts.run('read-sums', id, ...places)
    if (found === 'repeated') return REPEATED
    const write: (string | number)[] = []
    let [lateSessions, merged, damagedSessions] = [0, 0, 0]
    for (const [at, { day, policyDomain, tally }] of additions.entries()) {
      const value = list(found)[at]
      if (value === 'closed') {
        lateSessions += sessionsIn(tally)
        continue
      }
      const kept = readTally(value)
      // It is not begun anew: its total would be wrong.
      if (kept === 'damaged') {
        damagedSessions += sessionsIn(tally)
        continue
      }
      const { version, tally: before } = kept ?? { version: 0, tally: EMPTY_TALLY }
      const sum = mergeTallies([before, tally])
      merged += mergedFailures(sum) - mergedFailures(before)
      write.push(day, policyDomain, version, writeTally({ version: version + 1, tally: sum }))
    }
    const now = this.#now()
    const written = await this.#scripts.run('write-sums', id, now, now - BATCHES_KEPT_MS, ...write)
    if (written === 'repeated') return REPEATED
    return written === 'stored' ? { repeated: false, lateSessions, mergedFailures: merged, damagedSessions } : undefined
  }

  /** Page by page over what is due before or after a time; answers the sum of what each page counted. */
  async #pages(name: 'expedite' | 'due-count', day: UtcDay, at: number): Promise<number> {
    let [skipped, counted] = [0, 0]
    for (;;) {
      const [seen, count] = list(await this.#scripts.run(name, day, at, skipped, PAGE)).map(Number)
      if (seen === undefined || count === undefined) return counted
      counted += count
      // What was made due earlier is not among the later ones any more.
      skipped += name === 'expedite' ? count : seen
      if (seen < PAGE) return counted
    }
  }
}
