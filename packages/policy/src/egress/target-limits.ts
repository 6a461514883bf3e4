/**
 * How hard we may press hosts that strangers chose: one exchange at a time and 30 a minute per target address, 32 at
 * once in all (architecture, decision 3). Otherwise a sender could make us a weapon by naming a victim's address.
 *
 * Turns are given in order of arrival; who waits for a busy address does not hold up the others.
 */
import { addressBytes } from './cidr.ts'

export interface TargetLimitSizes {
  readonly atOnceMax: number
  readonly perAddressAndMinuteMax: number
  /** Beyond this nobody waits: the turn is refused at once. */
  readonly waitingMax: number
}

export const TARGET_LIMIT_SIZES: TargetLimitSizes = { atOnceMax: 32, perAddressAndMinuteMax: 30, waitingMax: 2_000 }

export interface TargetClock {
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Runs once after this time; returns what takes it back. */
  readonly after: (ms: number, run: () => void) => () => void
}

const SYSTEM_CLOCK: TargetClock = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
}

/** Ends a turn; calling it again changes nothing. */
export type EndTurn = () => void

interface Waiting {
  readonly target: string
  readonly settle: (turn: EndTurn | undefined) => void
}

const MINUTE_MS = 60_000

export class TargetLimits {
  readonly #sizes: TargetLimitSizes
  readonly #clock: TargetClock
  readonly #running = new Set<string>()
  readonly #waiting = new Set<Waiting>()
  /** Starts within the last minute, oldest first; targets in the order of their last start. */
  readonly #starts = new Map<string, readonly number[]>()
  #takeBackTimer: () => void = () => undefined

  constructor(sizes: Partial<TargetLimitSizes> = {}, clock: TargetClock = SYSTEM_CLOCK) {
    this.#sizes = { ...TARGET_LIMIT_SIZES, ...sizes }
    this.#clock = clock
  }

  /** Undefined when the signal came first, or when too many wait already. */
  turn(address: string, signal: AbortSignal): Promise<EndTurn | undefined> {
    if (signal.aborted || this.#waiting.size >= this.#sizes.waitingMax) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const onAbort = () => {
        this.#waiting.delete(waiting)
        waiting.settle(undefined)
        this.#giveTurns()
      }
      const waiting: Waiting = {
        target: targetOf(address),
        settle: (turn) => {
          signal.removeEventListener('abort', onAbort)
          resolve(turn)
        },
      }
      signal.addEventListener('abort', onAbort)
      this.#waiting.add(waiting)
      this.#giveTurns()
    })
  }

  #giveTurns(): void {
    this.#takeBackTimer()
    const now = this.#clock.now()
    let next = Number.POSITIVE_INFINITY
    for (const waiting of this.#waiting) {
      if (this.#running.size >= this.#sizes.atOnceMax) return
      const freeAt = this.#freeAt(waiting.target, now)
      if (freeAt <= now) this.#start(waiting, now)
      else next = Math.min(next, freeAt)
    }
    if (next < Number.POSITIVE_INFINITY) {
      this.#takeBackTimer = this.#clock.after(Math.ceil(next - now), () => this.#giveTurns())
    }
  }

  /** Infinity while it is busy: the end of that turn looks again. */
  #freeAt(target: string, now: number): number {
    if (this.#running.has(target)) return Number.POSITIVE_INFINITY
    const recent = this.#recentStarts(target, now)
    const oldestThatCounts = recent.at(-this.#sizes.perAddressAndMinuteMax)
    return oldestThatCounts === undefined ? now : oldestThatCounts + MINUTE_MS
  }

  #start(waiting: Waiting, now: number): void {
    const { target } = waiting
    const recent = this.#recentStarts(target, now)
    this.#waiting.delete(waiting)
    this.#running.add(target)
    this.#starts.delete(target)
    this.#starts.set(target, [...recent, now])
    this.#forgetOldStarts(now)
    let ended = false
    waiting.settle(() => {
      if (ended) return
      ended = true
      this.#running.delete(target)
      this.#giveTurns()
    })
  }

  #recentStarts(target: string, now: number): readonly number[] {
    return (this.#starts.get(target) ?? []).filter((start) => start > now - MINUTE_MS)
  }

  /** What is left is bounded by the starts of one minute. */
  #forgetOldStarts(now: number): void {
    for (const [target, starts] of this.#starts) {
      const last = starts.at(-1)
      if (last !== undefined && last > now - MINUTE_MS) return
      this.#starts.delete(target)
    }
  }
}

/** One target however its address is written: an IPv4-mapped address is its IPv4 address. */
function targetOf(address: string): string {
  const bytes = Buffer.from(addressBytes(address) ?? [])
  return bytes.toString('hex').replace(/^0{20}ffff(?=.{8}$)/, '')
}
