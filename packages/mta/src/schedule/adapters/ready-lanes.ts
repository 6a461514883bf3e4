/**
 * The lanes whose time has come, in the order in which it came: round robin over lanes. Lanes that have made
 * progress and those that have not stand in two lines, so that the second can be held back (architecture §3)
 * without holding back the first. No clock, no effects.
 */
export class ReadyLanes<T> {
  readonly #proven = new Map<T, number>()
  readonly #unproven = new Map<T, number>()
  #sequence = 0

  get size(): number {
    return this.#proven.size + this.#unproven.size
  }

  has(lane: T): boolean {
    return this.#proven.has(lane) || this.#unproven.has(lane)
  }

  /** At the end of its line; a lane stands in line once. */
  add(lane: T, proven: boolean): void {
    if (this.has(lane)) return
    this.#sequence += 1
    const line = proven ? this.#proven : this.#unproven
    line.set(lane, this.#sequence)
  }

  remove(lane: T): void {
    this.#proven.delete(lane)
    this.#unproven.delete(lane)
  }

  /** The lane has made progress since it was added. */
  prove(lane: T): void {
    if (!this.#unproven.delete(lane)) return
    this.#sequence += 1
    this.#proven.set(lane, this.#sequence)
  }

  /** Would `take` answer a lane? */
  waits(unprovenAllowed: boolean): boolean {
    return this.#proven.size > 0 || (unprovenAllowed && this.#unproven.size > 0)
  }

  take(unprovenAllowed: boolean): T | undefined {
    const proven = this.#proven.entries().next().value
    const unproven = unprovenAllowed ? this.#unproven.entries().next().value : undefined
    const first = proven === undefined || (unproven !== undefined && unproven[1] < proven[1]) ? unproven : proven
    if (first === undefined) return undefined
    this.remove(first[0])
    return first[0]
  }
}
