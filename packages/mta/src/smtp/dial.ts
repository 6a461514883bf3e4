/**
 * Which address of a host answers first (RFC 8305 §5): connections are begun in the order given, each a little after
 * the one before or as soon as that one has failed. The first that stands is the one; those under way are given up
 * and say nothing about their addresses. No SMTP is spoken here.
 */
import type { Socket } from 'node:net'
import { type NotConnected, openSocket } from './open-socket.ts'
import type { SmtpTimeouts } from './timeouts.ts'

/** RFC 8305 §5: 250 ms is recommended, and never less than 10 ms. */
export const CONNECTION_ATTEMPT_DELAY_MS = 250

export interface DialTarget {
  /** An IP address: names are resolved and judged before. */
  readonly address: string
  /** The address of this machine that it is dialled from; absent: the system chooses. */
  readonly localAddress?: string | undefined
}

export interface DialOptions<T extends DialTarget> {
  /** In order of preference. */
  readonly targets: readonly T[]
  readonly port: number
  readonly timeouts: Pick<SmtpTimeouts, 'connectMs'>
  readonly attemptDelayMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
}

export interface DialFailure<T extends DialTarget> {
  readonly target: T
  readonly problem: Exclude<NotConnected, { readonly kind: 'stopped' }>
  readonly durationMs: number
}

export interface Dialled<T extends DialTarget> {
  /** Undefined: nobody answered, or the signal came first. */
  readonly connected: { readonly target: T; readonly socket: Socket } | undefined
  /** In the order in which they failed. */
  readonly failed: readonly DialFailure<T>[]
}

export function dial<T extends DialTarget>(options: DialOptions<T>): Promise<Dialled<T>> {
  return new Promise((resolve) => new Race(options, resolve).next())
}

class Race<T extends DialTarget> {
  readonly #options: DialOptions<T>
  readonly #resolve: (dialled: Dialled<T>) => void
  readonly #waiting: T[]
  readonly #failed: DialFailure<T>[] = []
  readonly #others = new AbortController()
  #running = 0
  #timer: NodeJS.Timeout | undefined
  readonly #onAbort = (): void => this.#over()

  constructor(options: DialOptions<T>, resolve: (dialled: Dialled<T>) => void) {
    this.#options = options
    this.#resolve = resolve
    this.#waiting = [...options.targets]
    options.signal?.addEventListener('abort', this.#onAbort)
  }

  next(): void {
    clearTimeout(this.#timer)
    const { signal, attemptDelayMs = CONNECTION_ATTEMPT_DELAY_MS } = this.#options
    const target = signal?.aborted ? undefined : this.#waiting.shift()
    if (target === undefined) {
      if (this.#running === 0) this.#over()
      return
    }
    if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.next(), attemptDelayMs)
    void this.#open(target)
  }

  async #open(target: T): Promise<void> {
    const { port, timeouts, monotonic } = this.#options
    const startedAt = monotonic()
    this.#running += 1
    const opened = await openSocket({ ...{ port, timeouts }, ...target, signal: this.#others.signal })
    this.#running -= 1
    if (opened.ok) {
      // Two may stand in the same turn of the event loop.
      if (this.#others.signal.aborted) opened.value.destroy()
      else this.#over({ target, socket: opened.value })
      return
    }
    const problem = opened.error
    if (problem.kind === 'stopped') return
    this.#failed.push({ target, problem, durationMs: monotonic() - startedAt })
    this.next()
  }

  #over(connected?: Dialled<T>['connected']): void {
    clearTimeout(this.#timer)
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#others.abort()
    this.#resolve({ connected, failed: [...this.#failed] })
  }
}
