/**
 * Refreshes cached policies before anybody needs them (RFC 8461 §3.3, §10.2): about once a day for each, spread over
 * time, whatever the record says, so that a policy ends only by its own age. When a policy is due was chosen when it
 * was stored (`refreshDelayMs`); what a refresh does is in `source-refresh.ts`.
 */
import type { DomainName } from '../domain-name.ts'
import { type PolicyCache, PolicyCacheUnavailable } from '../ports/policy-cache.ts'
import type { EmitPolicyEvent } from '../ports/policy-events.ts'
import type { Refreshed } from './source-refresh.ts'

export interface StsRefresherOptions {
  readonly cache: Pick<PolicyCache, 'dueForRefresh' | 'lease'>
  readonly refresh: (policyDomain: DomainName) => Promise<Refreshed>
  /** UTC milliseconds. */
  readonly now: () => number
  readonly emit: EmitPolicyEvent
  /** Gets what reports count: failures, and records in trouble while a policy is cached. */
  readonly onRefreshed?: (policyDomain: DomainName, refreshed: Refreshed) => void
  /** Runs once after this time; returns what takes it back. */
  readonly after?: (ms: number, run: () => void) => () => void
  readonly everyMs?: number
  readonly atOnceMax?: number
}

export interface StsRefresher {
  start(): void
  /** Nothing new is begun; resolves when what runs has ended. */
  stop(): Promise<void>
}

/** How late a refresh may be; due times themselves are spread over hours. */
const EVERY_MS = 60_000
/** Leaves room among the 32 fetches at a time for mail that waits for one. */
const AT_ONCE_MAX = 8
const BATCH_MAX = 200
/** Longer than a fetch may take, so that two never refresh one domain; after a refused turn it is the pause. */
const LEASE_MS = 10 * 60_000

export function createStsRefresher(options: StsRefresherOptions): StsRefresher {
  return new Refresher(options)
}

class Refresher implements StsRefresher {
  readonly #options: StsRefresherOptions
  readonly #after: (ms: number, run: () => void) => () => void
  #takeBack: () => void = () => undefined
  #round: Promise<void> = Promise.resolve()
  #running = false

  constructor(options: StsRefresherOptions) {
    this.#options = options
    this.#after = options.after ?? afterOnTimer
  }

  start(): void {
    if (this.#running) return
    this.#running = true
    this.#next(0)
  }

  async stop(): Promise<void> {
    this.#running = false
    this.#takeBack()
    await this.#round
  }

  #next(ms: number): void {
    this.#takeBack = this.#after(ms, () => {
      this.#round = this.#refreshDue().then(() => {
        if (this.#running) this.#next(this.#options.everyMs ?? EVERY_MS)
      })
    })
  }

  async #refreshDue(): Promise<void> {
    const due = await this.#attempt('due', () => this.#options.cache.dueForRefresh(this.#options.now(), BATCH_MAX))
    const waiting = (due ?? []).values()
    const worker = async () => {
      for (const policyDomain of waiting) {
        if (!this.#running) return
        await this.#refresh(policyDomain)
      }
    }
    await Promise.all(Array.from({ length: this.#options.atOnceMax ?? AT_ONCE_MAX }, worker))
  }

  async #refresh(policyDomain: DomainName): Promise<void> {
    const { cache, refresh, onRefreshed, emit } = this.#options
    const mine = await this.#attempt('lease', () => cache.lease(policyDomain, LEASE_MS))
    if (mine !== true) return
    try {
      const refreshed = await refresh(policyDomain)
      onRefreshed?.(policyDomain, refreshed)
    } catch (error) {
      emit({ event: 'sts-refresh-defect', policyDomain, detail: String(error) })
    }
  }

  async #attempt<T>(operation: 'due' | 'lease', step: () => Promise<T>): Promise<T | undefined> {
    try {
      return await step()
    } catch (error) {
      if (!(error instanceof PolicyCacheUnavailable)) throw error
      this.#options.emit({ event: 'sts-cache-failed', operation, detail: error.message })
      return undefined
    }
  }
}

/** Nothing waits for the next round when everything else has ended. */
function afterOnTimer(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms).unref()
  return () => clearTimeout(timer)
}
