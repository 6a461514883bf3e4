/**
 * Sums over a queue by name and age, put together from parts of a walk, whichever engine walks. Pure.
 */
import type { LaneId } from '../delivery/lane.ts'
import type { LaneTotals, QueueShapeRecord, TagTotals } from './store-protocol.ts'

const SUMMARY_LANES_MAX = 200
const OLDEST_LANES_MAX = 50
const SUMMARY_TAGS_MAX = 50

interface Sum {
  readonly counts: number[]
  oldestReceivedAt: number
}

export class QueueTally {
  readonly #classes: number
  readonly #sums = new Map<string, Sum>()

  /** `edges`: how many; there is one class more. */
  constructor(edges: number) {
    this.#classes = edges + 1
  }

  add(name: string, part: { readonly ageClass: number; readonly count: number; readonly oldest: number }): void {
    const { ageClass, count, oldest } = part
    let sum = this.#sums.get(name)
    if (sum === undefined) {
      sum = { counts: new Array<number>(this.#classes).fill(0), oldestReceivedAt: oldest }
      this.#sums.set(name, sum)
    }
    sum.counts[ageClass] = (sum.counts[ageClass] ?? 0) + count
    sum.oldestReceivedAt = Math.min(sum.oldestReceivedAt, oldest)
  }

  shape(limit: number): QueueShapeRecord {
    const all = [...this.#sums].map(([name, sum]) => ({ name, ...sum, total: total(sum) }))
    all.sort((a, b) => b.total - a.total || (a.name < b.name ? -1 : 1))
    const others = new Array<number>(this.#classes).fill(0)
    for (const { counts } of all.slice(limit))
      for (const [at, count] of counts.entries()) others[at] = (others[at] ?? 0) + count
    return {
      rows: all.slice(0, limit).map(({ total: _, ...row }) => row),
      others: { names: Math.max(0, all.length - limit), counts: others },
    }
  }

  lanes(): {
    readonly laneCount: number
    readonly lanes: readonly LaneTotals[]
    readonly oldestLanes: readonly LaneTotals[]
  } {
    const all = [...this.#sums].map(([lane, sum]) => ({
      ...{ lane: lane as LaneId, deliveries: total(sum) },
      oldestReceivedAt: sum.oldestReceivedAt,
    }))
    const byName = (a: LaneTotals, b: LaneTotals): number => (a.lane < b.lane ? -1 : 1)
    const largest = all.toSorted((a, b) => b.deliveries - a.deliveries || byName(a, b))
    const oldest = all.toSorted((a, b) => a.oldestReceivedAt - b.oldestReceivedAt || byName(a, b))
    return {
      laneCount: all.length,
      lanes: largest.slice(0, SUMMARY_LANES_MAX),
      oldestLanes: oldest.slice(0, OLDEST_LANES_MAX),
    }
  }
}

/** Names, of which there may be as many as messages, are counted up to a limit. */
export function largestTags(tally: QueueTally): readonly TagTotals[] {
  return tally.shape(SUMMARY_TAGS_MAX).rows.map(({ name, counts, oldestReceivedAt }) => {
    return { tag: name, messages: counts[0] ?? 0, oldestReceivedAt }
  })
}

function total({ counts }: Sum): number {
  return counts.reduce((sum, count) => sum + count, 0)
}

/** The domain of a lane to mail exchangers; undefined: mail of any domain goes there. */
export function domainOfLane(lane: string): string | undefined {
  return /^mx:(.+):\d+(?:\/[a-z0-9-]+)?$/.exec(lane)?.[1]
}
