/**
 * The permits of a child process that delivers one suspect, held by its parent: so that its connections count at the
 * site as those of turns do, on all nodes. The child waits in line like a lane, for a while; what it holds when it dies
 * comes back.
 */
import type { Permit, PermitFeedback, Permits, SiteId } from '../limits/permits.ts'
import type { Pace, PaceAsk } from '../limits/rate.ts'
import type { LaneId } from './lane.ts'
import { PARKED_MS } from './waiting-lanes.ts'

export interface SuspectPermitsOptions {
  readonly permits: Permits
  readonly lane: LaneId
  /** How long the child may stand in line; its claim is held meanwhile. */
  readonly patienceMs?: number
}

export class SuspectPermits {
  readonly #options: SuspectPermitsOptions
  readonly #held = new Map<number, Permit>()
  readonly #patient = new Set<() => void>()
  #last = 0
  #closed = false

  constructor(options: SuspectPermitsOptions) {
    this.#options = options
  }

  /** The number of a permit; undefined when none came in time. */
  async acquire(site: SiteId): Promise<number | undefined> {
    const { permits, lane, patienceMs = PARKED_MS } = this.#options
    const line = new Line(() => void this.#passOn(site))
    const giveUp = (): void => line.giveUp()
    const timer = setTimeout(giveUp, patienceMs)
    this.#patient.add(giveUp)
    try {
      while (!this.#closed) {
        const permit = await permits.acquire(site, line.onFree, lane)
        if (permit !== undefined) return this.#keep(permit)
        if (!(await line.called())) break
      }
      return undefined
    } finally {
      clearTimeout(timer)
      this.#patient.delete(giveUp)
    }
  }

  async pace(permit: number, ask: PaceAsk): Promise<Pace | undefined> {
    const held = this.#held.get(permit)
    return held?.isHeld() === true ? held.pace(ask) : undefined
  }

  answered(permit: number): void {
    this.#held.get(permit)?.answered()
  }

  release(permit: number, feedback: PermitFeedback): void {
    this.#held.get(permit)?.release(feedback)
    this.#held.delete(permit)
  }

  /** The child is gone: its death says nothing about the site. */
  close(): void {
    this.#closed = true
    for (const giveUp of this.#patient) giveUp()
    for (const permit of this.#held.keys()) this.release(permit, 'unused')
  }

  #keep(permit: Permit): number | undefined {
    if (this.#closed) {
      permit.release('unused')
      return undefined
    }
    this.#last += 1
    this.#held.set(this.#last, permit)
    return this.#last
  }

  /** Nobody here wants it any more; who is next in line is called when it comes back. */
  async #passOn(site: SiteId): Promise<void> {
    const permit = await this.#options.permits.acquire(site)
    permit?.release('unused')
  }
}

/** One place in the line of a site, and what becomes of a call to it. */
class Line {
  readonly #onLateCall: () => void
  #wasCalled = false
  #over = false
  #answer: ((called: boolean) => void) | undefined

  constructor(onLateCall: () => void) {
    this.#onLateCall = onLateCall
  }

  readonly onFree = (): void => {
    if (this.#over) this.#onLateCall()
    else if (this.#answer === undefined) this.#wasCalled = true
    else this.#end(true)
  }

  /** False when nobody called before the patience was over. */
  called(): Promise<boolean> {
    if (this.#wasCalled) {
      this.#wasCalled = false
      return Promise.resolve(true)
    }
    if (this.#over) return Promise.resolve(false)
    return new Promise((resolve) => {
      this.#answer = resolve
    })
  }

  giveUp(): void {
    this.#over = true
    this.#end(false)
  }

  #end(called: boolean): void {
    this.#answer?.(called)
    this.#answer = undefined
  }
}
