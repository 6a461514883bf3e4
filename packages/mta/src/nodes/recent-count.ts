/**
 * How much was counted in the last minute, from totals that are looked at now and then. Time is an argument. Pure but
 * for what it remembers.
 */
export const RECENT_MS = 60_000

/** Looks that are kept: at one a second, a minute and a little more. */
const LOOKS_MAX = 128

export class RecentCount {
  readonly #looks: { readonly at: number; readonly total: number }[] = []

  /** Answers what was added since the look a minute ago, or since the first one. */
  look(total: number, at: number): number {
    const looks = this.#looks
    looks.push({ at, total })
    // The newest look that is a minute old is the one to count from; older ones are of no use.
    while (looks.length > LOOKS_MAX || (looks[1]?.at ?? at) <= at - RECENT_MS) looks.shift()
    return total - (looks[0]?.total ?? total)
  }
}
