/**
 * The life of sending in a relay: a run every minute, another when an operator asks, one at a time; ends promptly. What a
 * run does is in `run.ts`.
 */
import { ResultStoreUnavailable } from './ports/result-store.ts'
import { type RunOptions, type RunRequest, type RunSummary, runReports } from './run.ts'

export interface ReportSender {
  /** The first run begins at once. */
  start(): void
  /** After the run that is under way, if one is. Rejects with `ResultStoreUnavailable`. */
  run(request: Omit<RunRequest, 'signal'>): Promise<RunSummary>
  /** Exchanges under way are broken off and made again later. */
  stop(): Promise<void>
}

export const RUN_EVERY_MS = 60_000

export function createReportSender(options: RunOptions): ReportSender {
  return new Sender(options)
}

class Sender implements ReportSender {
  readonly #options: RunOptions
  readonly #stopping = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: RunOptions) {
    this.#options = options
  }

  start(): void {
    void this.#tick()
  }

  run(request: Omit<RunRequest, 'signal'>): Promise<RunSummary> {
    const run = this.#last.then(() => runReports(this.#options, { ...request, signal: this.#stopping.signal }))
    this.#last = run.catch(() => undefined)
    return run
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#timer)
    await this.#last
  }

  async #tick(): Promise<void> {
    try {
      await this.run({})
    } catch (error) {
      this.#tellFailed(error)
    }
    if (this.#stopping.signal.aborted) return
    this.#timer = setTimeout(() => void this.#tick(), RUN_EVERY_MS)
  }

  #tellFailed(error: unknown): void {
    const step = error instanceof ResultStoreUnavailable ? 'store' : 'defect'
    const detail = error instanceof Error ? error.message : String(error)
    this.#options.emit({ event: 'tlsrpt-sending-failed', step, detail })
  }
}
