/**
 * What follows when another process has our id: one that is dead leaves it at once, one that beats keeps it, and for
 * the rest it is waited until one of the two is known. Pure.
 */
import type { NodeRecord } from './node-record.ts'
import type { ListedNode } from './standing.ts'

export type HolderVerdict = 'dead' | 'alive' | 'wait'

export interface HolderFacts {
  readonly holder: ListedNode
  /** When it was looked at before, by the same join. */
  readonly before?: ListedNode | undefined
  readonly own: Pick<NodeRecord, 'pid' | 'pidSpace'>
  /** Of our own space of pids. */
  readonly isAlive: (pid: number) => boolean
}

export function judgeHolder({ holder, before, own, isAlive }: HolderFacts): HolderVerdict {
  const neighbour = own.pidSpace !== '' && holder.pidSpace === own.pidSpace
  // Its pid is ours now: it had it before us.
  if (neighbour && (holder.pid === own.pid || !isAlive(holder.pid))) return 'dead'
  if (before === undefined) return 'wait'
  const hasBeaten = holder.beatAgeMs < before.beatAgeMs || holder.incarnation !== before.incarnation
  return hasBeaten ? 'alive' : 'wait'
}
