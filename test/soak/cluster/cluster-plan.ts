/**
 * How much is submitted to the cluster of a soak and what is done to it, in which order. Pure: the same seed gives the
 * same plan.
 */
import type { SeededRandom } from '../random.ts'

export interface ClusterSize {
  readonly messages: number
  readonly kills: number
  readonly pauses: number
  readonly longPauses: number
  readonly restarts: number
  readonly crashes: number
}

export type Act =
  | { readonly kind: 'kill' | 'pause' | 'long-pause'; readonly node: number }
  | { readonly kind: 'restart-store' | 'crash-store' }

export const FULL: ClusterSize = { messages: 20_000, kills: 24, pauses: 12, longPauses: 3, restarts: 4, crashes: 6 }
export const SMALL: ClusterSize = { messages: 600, kills: 3, pauses: 1, longPauses: 1, restarts: 1, crashes: 1 }

/** Long pauses come first, evenly between the others, because they last. */
export function planActs(size: ClusterSize, nodes: number, random: SeededRandom): readonly Act[] {
  const node = (): number => random.between(0, nodes - 1)
  const short: Act[] = shuffled(
    [
      ...times(size.kills, () => ({ kind: 'kill', node: node() }) as const),
      ...times(size.pauses, () => ({ kind: 'pause', node: node() }) as const),
      ...times(size.restarts, () => ({ kind: 'restart-store' }) as const),
      ...times(size.crashes, () => ({ kind: 'crash-store' }) as const),
    ],
    random,
  )
  const stride = Math.ceil(short.length / Math.max(1, size.longPauses))
  return short.flatMap((act, index): readonly Act[] =>
    index % stride === 0 && index / stride < size.longPauses ? [{ kind: 'long-pause', node: node() }, act] : [act],
  )
}

function times<T>(count: number, make: () => T): readonly T[] {
  return Array.from({ length: count }, make)
}

function shuffled<T>(list: readonly T[], random: SeededRandom): T[] {
  const keyed = list.map((value) => ({ value, key: random.next() }))
  return keyed.sort((a, b) => a.key - b.key).map(({ value }) => value)
}
