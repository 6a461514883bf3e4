/**
 * A binary heap of (time, item), earliest first: the only clockwork of the local scheduler. No clock, no effects.
 */
export interface DueEntry<T> {
  readonly at: number
  readonly item: T
}

export class DueHeap<T> {
  readonly #entries: DueEntry<T>[] = []

  peek(): DueEntry<T> | undefined {
    return this.#entries[0]
  }

  push(at: number, item: T): void {
    const entry = { at, item }
    const entries = this.#entries
    let child = entries.length
    entries.push(entry)
    while (child > 0) {
      const parent = (child - 1) >> 1
      const above = entries[parent]
      if (above === undefined || above.at <= at) break
      entries[child] = above
      child = parent
    }
    entries[child] = entry
  }

  pop(): DueEntry<T> | undefined {
    const entries = this.#entries
    const first = entries[0]
    const last = entries.pop()
    if (first !== undefined && last !== undefined && entries.length > 0) this.#sink(last)
    return first
  }

  /** Puts `entry` at the root and lets it sink to its place. */
  #sink(entry: DueEntry<T>): void {
    const entries = this.#entries
    let parent = 0
    for (;;) {
      let child = 2 * parent + 1
      const left = entries[child]
      if (left === undefined) break
      const right = entries[child + 1]
      if (right !== undefined && right.at < left.at) child += 1
      const smaller = entries[child]
      if (smaller === undefined || smaller.at >= entry.at) break
      entries[parent] = smaller
      parent = child
    }
    entries[parent] = entry
  }
}
