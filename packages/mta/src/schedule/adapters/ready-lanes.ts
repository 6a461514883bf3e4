/**
 * The lanes whose time has come, in three lines that take turns: those that move something, those that nobody knows yet,
 * and those that were silent. So each can be held back without holding back another (architecture §3).
 *
 * Who is unknown is served newest first, and now and then oldest first: behind a long line of lanes that turn out to be
 * silent, new mail is found to flow at once, and nobody waits for ever. No clock, no effects.
 */
export type LaneLine = 'moving' | 'unknown' | 'silent'

/** Which lines may be served. */
export interface LaneRoom {
  readonly unknown: boolean
  readonly silent: boolean
}

/** Every so many unknown lanes the oldest of them. */
const OLDEST_EVERY = 8
const LINES: readonly LaneLine[] = ['moving', 'unknown', 'silent']

export class ReadyLanes<T> {
  readonly #lines: Readonly<Record<LaneLine, Set<T>>> = { moving: new Set(), unknown: new Set(), silent: new Set() }
  /** Of the unknown lanes, in the order in which they came; some have gone since. */
  #newest: T[] = []
  #unknownTaken = 0
  /** Which line was served last. */
  #last = 0

  get size(): number {
    return this.held + this.#lines.moving.size
  }

  /** Lanes without progress. */
  get held(): number {
    return this.#lines.unknown.size + this.#lines.silent.size
  }

  has(lane: T): boolean {
    return LINES.some((line) => this.#lines[line].has(lane))
  }

  /** At the end of its line; a lane stands in line once. */
  add(lane: T, line: LaneLine): void {
    if (this.has(lane)) return
    this.#lines[line].add(lane)
    if (line === 'unknown') this.#came(lane)
  }

  remove(lane: T): void {
    for (const line of LINES) this.#lines[line].delete(lane)
  }

  /** The lane has made progress since it was added. */
  prove(lane: T): void {
    if (this.#lines.unknown.delete(lane) || this.#lines.silent.delete(lane)) this.#lines.moving.add(lane)
  }

  /** Would `take` answer a lane? */
  waits(room: LaneRoom): boolean {
    return LINES.some((line) => this.#isOpen(line, room))
  }

  take(room: LaneRoom): T | undefined {
    for (let step = 1; step <= LINES.length; step += 1) {
      const at = (this.#last + step) % LINES.length
      const line = LINES[at]
      if (line === undefined || !this.#isOpen(line, room)) continue
      this.#last = at
      const lane = line === 'unknown' ? this.#takeUnknown() : firstOf(this.#lines[line])
      if (lane !== undefined) this.remove(lane)
      return lane
    }
    return undefined
  }

  #isOpen(line: LaneLine, room: LaneRoom): boolean {
    return (line === 'moving' || room[line]) && this.#lines[line].size > 0
  }

  #takeUnknown(): T | undefined {
    this.#unknownTaken += 1
    const { unknown } = this.#lines
    if (this.#unknownTaken % OLDEST_EVERY === 0) return firstOf(unknown)
    for (let lane = this.#newest.pop(); lane !== undefined; lane = this.#newest.pop())
      if (unknown.has(lane)) return lane
    return firstOf(unknown)
  }

  #came(lane: T): void {
    this.#newest.push(lane)
    const { unknown } = this.#lines
    if (this.#newest.length > 2 * unknown.size + OLDEST_EVERY) this.#newest = [...unknown]
  }
}

function firstOf<T>(line: ReadonlySet<T>): T | undefined {
  return line.values().next().value
}
