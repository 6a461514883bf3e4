/**
 * What one thread has of the owner: claims, permits, places in line, turns. When the thread is gone its permits return
 * at once, its turns end, and who waits for it goes on without it.
 */
import type { LaneId } from '../delivery/lane.ts'
import type { Permit } from '../limits/permits.ts'
import type { TurnContext } from '../schedule/lane-scheduler.ts'
import type { Claim, ClaimToken } from '../spool/spool.ts'

interface RunningTurn {
  readonly lane: LaneId
  readonly context: TurnContext
}

export class Books {
  readonly #claims = new Map<ClaimToken, Claim>()
  readonly #permits = new Map<number, Permit>()
  /** The same function for the same asker, however often it asks. */
  readonly #waiters = new Map<number, () => void>()
  readonly #turns = new Map<number, RunningTurn>()
  readonly #settling = new Set<Promise<unknown>>()
  #lastPermit = 0

  get messages(): number {
    return this.#claims.size
  }

  /** Turns that run. */
  get turns(): number {
    return this.#turns.size
  }

  claimed(claims: readonly Claim[]): void {
    for (const claim of claims) this.#claims.set(claim.token, claim)
  }

  ended(tokens: Iterable<ClaimToken>): readonly Claim[] {
    const claims: Claim[] = []
    for (const token of tokens) {
      const claim = this.#claims.get(token)
      if (claim !== undefined && this.#claims.delete(token)) claims.push(claim)
    }
    return claims
  }

  /** Nothing is given back while an outcome of it may be on its way into the store. */
  async settling<T>(settling: Promise<T>): Promise<T> {
    this.#settling.add(settling)
    try {
      return await settling
    } finally {
      this.#settling.delete(settling)
    }
  }

  async settled(): Promise<void> {
    while (this.#settling.size > 0) await Promise.allSettled(this.#settling)
  }

  began(turn: number, running: RunningTurn): void {
    this.#turns.set(turn, running)
  }

  over(turn: number): void {
    this.#turns.delete(turn)
  }

  turn(turn: number): TurnContext | undefined {
    return this.#turns.get(turn)?.context
  }

  /** Those whose slot another lane waits for. */
  waitedFor(): readonly number[] {
    return [...this.#turns].flatMap(([turn, { context }]) => (context.othersWaiting() ? [turn] : []))
  }

  granted(permit: Permit): number {
    this.#lastPermit += 1
    this.#permits.set(this.#lastPermit, permit)
    return this.#lastPermit
  }

  permit(number: number): Permit | undefined {
    return this.#permits.get(number)
  }

  returned(number: number): Permit | undefined {
    const permit = this.#permits.get(number)
    this.#permits.delete(number)
    return permit
  }

  lostPermits(): readonly number[] {
    return [...this.#permits].flatMap(([number, permit]) => (permit.isHeld() ? [] : [number]))
  }

  waiter(number: number, call: () => void): () => void {
    const known = this.#waiters.get(number)
    if (known !== undefined) return known
    const once = (): void => {
      this.#waiters.delete(number)
      call()
    }
    this.#waiters.set(number, once)
    return once
  }

  waitsNoMore(number: number): void {
    this.#waiters.delete(number)
  }

  /** The thread is gone: what it was delivering, and has not settled. */
  async close(): Promise<readonly Claim[]> {
    for (const permit of this.#permits.values()) permit.release('unused')
    this.#permits.clear()
    this.#turns.clear()
    await this.settled()
    const claims = [...this.#claims.values()]
    this.#claims.clear()
    return claims
  }
}
